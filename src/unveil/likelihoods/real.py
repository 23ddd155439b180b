"""Densities of real x, in the units of x as given."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions import Bell, StudentT
from ..distributions import Laplace as LaplaceDensity
from ..domain import Domain
from ..errors import RequestError
from ..registry import register
from .base import PACE, Likelihood, moments, refuse_constant


class Standardised(Likelihood):
    """A density of u = (x − m)/a, the data's mean m and spread a being part of the model.

    log p(x) = log p(u) − Σ_d log a_d is in the units of x as given: multiply x by 10 and log p falls by D·log 10.
    """

    domains = ("real",)
    centre: Tensor
    scale: Tensor

    def __init__(self, domain: Domain, params_per_dim: int, floor: float) -> None:
        super().__init__(domain, params_per_dim)
        if not floor > 0:
            raise RequestError(f"likelihood.floor is {floor}; it takes a positive number, in spreads of the data.")
        self.floor = floor
        self.register_buffer("centre", torch.zeros(domain.shape))
        self.register_buffer("scale", torch.ones(domain.shape))

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        seen = moments(x, observed)
        if not self.domain.is_image:
            refuse_constant(seen)
            self.scale.copy_(seen.std)
        else:
            self.scale.fill_(float((x if observed is None else x[observed]).double().std()))
        self.centre.copy_(seen.mean)
        self._set_offset(*[torch.zeros_like(self.centre)] * self.params_per_dim)

    @property
    def slope(self) -> Tensor:
        return self.scale

    def _above_floor(self, std: Tensor) -> Tensor:
        """log(σ/a − floor)."""
        return (std / self.scale - self.floor).clamp(min=1e-6).log()


@register("likelihood", "gaussian")
class Gaussian(Standardised):
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

    log_sigma: Tensor

    def __init__(
        self,
        domain: Domain,
        *,
        sigma: float | Literal["learned", "solved"] = "learned",
        per_dim: bool | None = None,
        floor: float = 1e-3,
    ) -> None:
        super().__init__(domain, 1, floor)
        if sigma not in ("learned", "solved") if isinstance(sigma, str) else sigma <= 0:
            raise RequestError(f"likelihood.sigma is {sigma!r}; it takes 'learned', 'solved' or a positive number.")
        self.sigma, self.pace = sigma, PACE if sigma == "learned" else 1.0
        self.per_dim = not domain.is_image if per_dim is None else per_dim
        start = torch.zeros(domain.shape if self.per_dim else (1,) * len(domain.shape))
        if sigma == "learned":
            self.log_sigma = nn.Parameter(start)
        else:
            self.register_buffer("log_sigma", start)

    def each(self, *params: Tensor) -> Distribution:
        return Bell(self.centre + self.scale * params[0], self._stddev(params[0]), validate_args=False)

    @torch.no_grad()
    def start_noise(self, std: Tensor) -> None:
        std = std if self.per_dim else (std**2).mean().sqrt().expand_as(std)
        self.log_sigma.copy_(
            (self._above_floor(std) / self.pace).reshape(-1)[: self.log_sigma.numel()].view_as(self.log_sigma)
        )

    def _stddev(self, like: Tensor) -> Tensor:
        if isinstance(self.sigma, float | int):
            return torch.full_like(like, float(self.sigma))
        return (self.scale * ((self.pace * self.log_sigma).exp() + self.floor)).expand_as(like)

    @property
    def solves(self) -> bool:
        return self.sigma == "solved"

    def statistic(self, x: Tensor, p: Distribution, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The sum of ‖x − x̂‖² in units of a, and the number of entries in it: per dimension, or of all of them."""
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


@register("likelihood", "gaussian_predicted")
class PredictedGaussian(Standardised):
    """p(x_d|h) = N(m_d + a_d h_d, (a_d σ_d(h))²): the decoder says for each x how sure it is of each dimension.

    σ(h) = floor + e^s, with s predicted and softly kept within ±5. Where training examples can be hit exactly, a
    predicted σ goes to its floor there and the density follows it upwards: raise the floor if test log p falls behind.

    References: Nix & Weigend, Estimating the mean and variance of the target probability distribution (1994).

    Arguments:
        floor: the smallest σ, relative to the spread a of the data.
    """

    def __init__(self, domain: Domain, *, floor: float = 1e-2) -> None:
        super().__init__(domain, 2, floor)

    def each(self, *params: Tensor) -> Distribution:
        loc, log_sigma = params
        sigma = self.floor + (5 * torch.tanh(log_sigma / 5)).exp()
        return Bell(self.centre + self.scale * loc, self.scale * sigma, validate_args=False)

    def start_noise(self, std: Tensor) -> None:
        self._set_offset_of(1, 5 * torch.atanh((self._above_floor(std) / 5).clamp(-0.99, 0.99)))


@register("likelihood", "laplace")
class Laplace(Standardised):
    """p(x_d|h) = Laplace(x_d; m_d + a_d h_d, a_d b_d): absolute error is a likelihood only together with its b.

    −log p = Σ_d log 2b_d + |x_d − x̂_d|/b_d at a = 1; x̂ is a median, so one far value moves it little. b_d is learned.

    Arguments:
        floor: the smallest b, relative to the spread a of the data.
    """

    def __init__(self, domain: Domain, *, floor: float = 1e-3) -> None:
        super().__init__(domain, 1, floor)
        self.log_b = nn.Parameter(torch.zeros(domain.shape))  # over PACE

    def each(self, *params: Tensor) -> Distribution:
        b = self.scale * (self.floor + (PACE * self.log_b).exp())
        return LaplaceDensity(self.centre + self.scale * params[0], b, validate_args=False)

    @torch.no_grad()
    def start_noise(self, std: Tensor) -> None:
        self.log_b.copy_(self._above_floor(std / math.sqrt(2)) / PACE)


@register("likelihood", "student_t")
class StudentLikelihood(Standardised):
    """p(x_d|h) = t_ν(x_d; m_d + a_d h_d, a_d σ_d): a Gaussian whose tails forgive an outlier.

    σ_d and ν_d are learned with the weights, one per dimension; h says where the middle is.

    References: Lange, Little & Taylor, Robust Statistical Modeling Using the t Distribution (1989).

    Arguments:
        df: ν, the degrees of freedom: "learned" (2 + e^f per dimension, so that there is a variance; f softly kept
            within ±5) or a number above 1 (up to 2 the variance is infinite).
        floor: the smallest σ, relative to the spread a of the data.
    """

    def __init__(self, domain: Domain, *, df: float | Literal["learned"] = "learned", floor: float = 1e-3) -> None:
        super().__init__(domain, 1, floor)
        if df != "learned" if isinstance(df, str) else not 1 < df < math.inf:
            raise RequestError(f"likelihood.df is {df!r}; it takes 'learned' or a number above 1.")
        self.df = df
        self.log_sigma = nn.Parameter(torch.zeros(domain.shape))  # over PACE, as log_df
        if df == "learned":
            self.log_df = nn.Parameter(torch.full(domain.shape, math.log(8.0) / PACE))

    def each(self, *params: Tensor) -> Distribution:
        sigma = self.scale * (self.floor + (PACE * self.log_sigma).exp())
        return StudentT(self._df(), self.centre + self.scale * params[0], sigma)

    @torch.no_grad()
    def start_noise(self, std: Tensor) -> None:
        df = self._df()
        heavy = torch.where(df > 2, (df - 2) / df, 1.0)  # σ²·ν/(ν − 2) is the variance, where there is one
        self.log_sigma.copy_(self._above_floor(std * heavy.clamp(min=0.1).sqrt()) / PACE)

    def _df(self) -> Tensor:
        if self.df == "learned":
            return 2 + (5 * torch.tanh(PACE * self.log_df / 5)).exp()
        return torch.full_like(self.log_sigma, float(self.df))
