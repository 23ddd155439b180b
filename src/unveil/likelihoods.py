"""p(x|z): modules that turn decoder features into a distribution over x. Each names the domains it is a likelihood of.

A Bernoulli on grey values, or a density on integers, is not a likelihood: the numbers would compare with nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Distribution, Normal
from torch.nn import functional as F

from .distributions import DiscretizedLogistic, EventSum, Levels
from .domain import Domain
from .errors import RequestError
from .registry import load_all, register


class Likelihood(nn.Module, ABC):
    """p(x|h) for decoder features h [..., P·D], P numbers per dimension of x.

    Context: domain. Keyword-only arguments of a subclass are its config keys. `offset`, added to h, is the output bias:
    it starts at the data mean, so that a decoder which says nothing already predicts the average example.
    """

    domains: ClassVar[tuple[str, ...]]
    registered: ClassVar[tuple[str, str]]

    def __init__(self, domain: Domain, params_per_dim: int) -> None:
        super().__init__()
        if domain.kind not in self.domains:
            raise RequestError(
                f"The likelihood {self.registered[1]!r} is one of {' or '.join(self.domains)} data and the data is "
                f"{domain}; it fits {', '.join(fitting(domain))}.",
            )
        self.domain, self.params_per_dim = domain, params_per_dim
        self.offset = nn.Parameter(torch.zeros(params_per_dim * domain.num_dims))

    @property
    def num_outputs(self) -> int:
        """P·D, the size of the decoder's output."""
        return self.params_per_dim * self.domain.num_dims

    def forward(self, h: Tensor, observed: Tensor | None = None) -> EventSum:
        """p(x|h) with batch shape h.shape[:-1]; what is not observed leaves log p before the sum."""
        params = (h + self.offset).reshape(*h.shape[:-1], self.params_per_dim, *self.domain.shape)
        base = self.each(*params.unbind(-1 - len(self.domain.shape)))
        return EventSum(base, len(self.domain.shape), observed)

    @abstractmethod
    def each(self, *params: Tensor) -> Distribution:
        """The elementwise distribution from P tensors [..., *shape]."""

    @abstractmethod
    def initialise(self, x: Tensor) -> None:
        """Set `offset` (and scales) from training examples x [N, *shape]."""

    @property
    def solves(self) -> bool:
        """Whether parameters have a closed form on training data, set by `statistic` and `finish_solving`."""
        return False

    def statistic(self, x: Tensor, p: Distribution) -> Tensor:
        """The batch mean per dimension [D] that the closed form needs; x [B, *shape], p with batch shape [K, B]."""
        raise NotImplementedError(f"{type(self).__name__} has no parameter in closed form")

    def finish_solving(self, mean_statistic: Tensor) -> None:
        """Set the closed-form parameters from the training mean of `statistic`."""
        raise NotImplementedError(f"{type(self).__name__} has no parameter in closed form")

    def _set_offset(self, *values: Tensor) -> None:
        with torch.no_grad():
            self.offset.copy_(torch.stack([v.reshape(-1) for v in values]).reshape(-1))


def fitting(domain: Domain) -> list[str]:
    """The names of the likelihoods that fit a domain."""
    return [name for name, cls in load_all("likelihood").items() if domain.kind in cast(type[Likelihood], cls).domains]


def default_likelihood(domain: Domain) -> str:
    """The likelihood that `fit` picks: every level on its own up to 32 levels, a smooth one above."""
    if domain.kind == "levels":
        return "categorical" if domain.levels <= 32 else "discretized_logistic"
    return {"binary": "bernoulli", "real": "gaussian"}[domain.kind]


@register("likelihood", "bernoulli")
class Bernoulli(Likelihood):
    """p(x_d = 1|h) = σ(h_d), for binary x."""

    domains = ("binary",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)

    def each(self, *params: Tensor) -> Distribution:
        return TorchBernoulli(logits=params[0], validate_args=False)

    def initialise(self, x: Tensor) -> None:
        mean = (x.mean(0) * len(x) + 0.5) / (len(x) + 1)
        self._set_offset(torch.logit(mean))


@register("likelihood", "categorical")
class Categorical(Likelihood):
    """p(x_d = i|h) = softmax(h_d)_i, each of n levels on its own; for levels(n)."""

    domains = ("levels",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, domain.num_levels or 0)

    def each(self, *params: Tensor) -> Distribution:
        return Levels(torch.stack(params, -1))

    def initialise(self, x: Tensor) -> None:
        counts = F.one_hot(x.long(), self.domain.levels).float().sum(0)
        everywhere = counts.reshape(-1, self.domain.levels).mean(0) / len(x)
        frequency = (counts + everywhere + 1e-2) / (len(x) + 1)
        self._set_offset(*frequency.log().unbind(-1))


@register("likelihood", "discretized_logistic")
class Logistic(Likelihood):
    """P(x_d = i|h) = σ((i + ½ − μ_d)/s_d) − σ((i − ½ − μ_d)/s_d), tails in the end bins; for levels(n).

    References: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016).
    """

    domains = ("levels",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 2)
        self.unit = domain.levels / 4

    def each(self, *params: Tensor) -> Distribution:
        loc, log_scale = params
        log_scale = math.log(self.unit / 4) + 5 * torch.tanh(log_scale / 5)  # within e^±5 of n/16 levels
        return DiscretizedLogistic(self.unit * loc, log_scale, self.domain.levels)

    def initialise(self, x: Tensor) -> None:
        scale = x.std(0).clamp(min=0.5) * math.sqrt(3) / math.pi
        log_scale = (scale.log() - math.log(self.unit / 4)).clamp(-4.5, 4.5)
        self._set_offset(x.mean(0) / self.unit, 5 * torch.atanh(log_scale / 5))


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

    def initialise(self, x: Tensor) -> None:
        spread = x.std(0)
        if not self.domain.is_image:
            _refuse_constant(spread)
            self.scale.copy_(spread)
        else:
            self.scale.fill_(x.std())
        self.centre.copy_(x.mean(0))
        self._set_offset(torch.zeros_like(self.centre))

    @property
    def solves(self) -> bool:
        return self.sigma == "solved"

    def statistic(self, x: Tensor, p: Distribution) -> Tensor:
        """E‖x − x̂‖² per dimension, in units of a."""
        error = ((x - p.mean) / self.scale) ** 2
        return error.reshape(-1, self.domain.num_dims).mean(0)

    def finish_solving(self, mean_statistic: Tensor) -> None:
        variance = mean_statistic.reshape(self.domain.shape) if self.per_dim else mean_statistic.mean()
        sigma = (variance.sqrt() - self.floor).clamp(min=1e-6)
        self.log_sigma.copy_(sigma.log().expand_as(self.log_sigma))


def _refuse_constant(spread: Tensor) -> None:
    constant = (spread == 0).nonzero().flatten().tolist()
    if constant:
        raise RequestError(
            f"Column(s) {', '.join(map(str, constant[:5]))} of x are constant, so a density of them has no bound; "
            "remove them (they hold no information)."
        )
