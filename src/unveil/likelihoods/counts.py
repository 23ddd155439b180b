"""Counts 0, 1, 2, … without an upper end."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions import NegativeBinomial, Poisson
from ..domain import Domain
from ..registry import register
from .base import PACE, Likelihood, moments

REACH = 20.0  # |log mean| stays below: e²⁰ is past every count that float32 holds


@register("likelihood", "poisson")
class PoissonCounts(Likelihood):
    """P(x_d|h) = λ_dˣ e^{−λ_d}/x!, log λ_d = h_d (softly kept within ±20); for counts.

    Its variance is its mean: where counts spread more than that, negative_binomial is the better likelihood.
    """

    domains = ("count",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)

    def each(self, *params: Tensor) -> Distribution:
        return Poisson(REACH * torch.tanh(params[0] / REACH))

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        self._set_offset(_log_mean(x, observed))


@register("likelihood", "negative_binomial")
class NegativeBinomialCounts(Likelihood):
    """P(x_d|h) is a Poisson whose rate is Gamma(r_d, r_d/μ_d), log μ_d = h_d (softly kept within ±20); for counts.

    Its variance is μ + μ²/r; the dispersion 1/r_d is learned, one for each dimension.

    References: Hilbe, Negative Binomial Regression (2011), §8 (NB2); Lopez et al., Deep generative modeling for
    single-cell transcriptomics (2018), the gene-wise dispersion.
    """

    domains = ("count",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)
        self.size = nn.Parameter(torch.zeros(domain.shape))

    def each(self, *params: Tensor) -> Distribution:
        return NegativeBinomial(REACH * torch.tanh(params[0] / REACH), self.log_size)

    @property
    def log_size(self) -> Tensor:
        """log r, [*shape]."""
        return 10 * torch.tanh(PACE * self.size / 10)  # beyond e^10 there is nothing left to disperse

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """r = μ²/(s² − μ), from the moments; the decoder will explain some of the spread."""
        self._set_offset(_log_mean(x, observed))
        seen = moments(x, observed)
        size = seen.mean.clamp(min=1e-3) ** 2 / (seen.std**2 - seen.mean).clamp(min=1e-6)
        with torch.no_grad():
            self._set_log_size(size.log().clamp(-5, 5))

    @torch.no_grad()
    def leave_spread(self) -> None:
        """Ten times the r: one that is too large costs much and falls fast; one too small is hardly felt, and stays."""
        self._set_log_size((self.log_size + math.log(10)).clamp(max=7))

    def _set_log_size(self, value: Tensor) -> None:
        self.size.copy_(10 / PACE * torch.atanh(value / 10))


def _log_mean(x: Tensor, observed: Tensor | None) -> Tensor:
    """log mean, half a count being there from the start; before the soft bound."""
    seen = moments(x, observed)
    mean = seen.mean + 0.5 / seen.count.clamp(min=1)
    return REACH * torch.atanh(mean.log() / REACH)
