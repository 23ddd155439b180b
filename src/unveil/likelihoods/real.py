"""Densities of real x, in the units of x as given."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from ..domain import Domain
from ..errors import RequestError
from ..registry import register
from .base import Likelihood, moments, refuse_constant


@register("likelihood", "gaussian")
class Gaussian(Likelihood):
    """p(x_d|h) = N(m_d + a_d h_d, (a_d σ_d)²): squared error is a likelihood only together with its σ.

    −log p = D/2 · log 2πσ² + ‖x − x̂‖²/2σ² at a = 1. The data's mean m and spread a are part of the model, so log p(x)
    is in the units of x as given, Jacobian included: multiply x by 10 and log p falls by D·log 10.

    Arguments:
        domain: real.
        sigma: "learned" (with the weights), "solved" (closed form on training data, refreshed each epoch, then
            frozen) or a positive number (fixed, in the units of x).
        per_dim: one σ per dimension, or one for all; by default per dimension for vectors, one for images.
        floor: the smallest σ, relative to the spread a of the data.
    """

    domains = ("real",)
    centre: Tensor
    scale: Tensor
    log_sigma: Tensor

    def __init__(
        self,
        domain: Domain,
        *,
        sigma: float | Literal["learned", "solved"] = "learned",
        per_dim: bool | None = None,
        floor: float = 1e-3,
    ) -> None:
        super().__init__(domain, 1)
        if sigma not in ("learned", "solved") if isinstance(sigma, str) else sigma <= 0:
            raise RequestError(f"likelihood.sigma is {sigma!r}; it takes 'learned', 'solved' or a positive number.")
        if not floor > 0:
            raise RequestError(f"likelihood.floor is {floor}; it takes a positive number, in spreads of the data.")
        self.sigma, self.floor = sigma, floor
        self.per_dim = not domain.is_image if per_dim is None else per_dim
        self.register_buffer("centre", torch.zeros(domain.shape))
        self.register_buffer("scale", torch.ones(domain.shape))
        start = torch.zeros(domain.shape if self.per_dim else (1,) * len(domain.shape))
        if sigma == "learned":
            self.log_sigma = nn.Parameter(start)
        else:
            self.register_buffer("log_sigma", start)

    def each(self, *params: Tensor) -> Distribution:
        return Normal(self.centre + self.scale * params[0], self._stddev(params[0]), validate_args=False)

    def _stddev(self, like: Tensor) -> Tensor:
        if isinstance(self.sigma, float | int):
            return torch.full_like(like, float(self.sigma))
        return (self.scale * (self.log_sigma.exp() + self.floor)).expand_as(like)

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        seen = moments(x, observed)
        if not self.domain.is_image:
            refuse_constant(seen)
            self.scale.copy_(seen.std)
        else:
            self.scale.fill_((x if observed is None else x[observed]).std())
        self.centre.copy_(seen.mean)
        self._set_offset(torch.zeros_like(self.centre))

    @property
    def solves(self) -> bool:
        return self.sigma == "solved"

    def statistic(self, x: Tensor, p: Distribution, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """‖x − x̂‖² in units of a, and how many entries it is of; per dimension, or the same for all of them."""
        error = ((x - p.mean) / self.scale) ** 2  # [K, B, *shape]
        seen = torch.ones_like(error) if observed is None else observed.to(error.dtype).expand_as(error)
        total, count = (v.reshape(-1, self.domain.num_dims).sum(0) for v in (torch.where(seen > 0, error, 0.0), seen))
        if self.per_dim:
            return total, count
        return total.sum().expand_as(total), count.sum().expand_as(count)

    def finish_solving(self, mean_statistic: Tensor) -> None:
        variance = mean_statistic.reshape(self.domain.shape) if self.per_dim else mean_statistic.mean()
        sigma = (variance.sqrt() - self.floor).clamp(min=1e-6)
        self.log_sigma.copy_(sigma.log().expand_as(self.log_sigma))
