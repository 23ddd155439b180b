"""Densities on [0, 1]."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..distributions import ContinuousBernoulli
from ..domain import Domain
from ..registry import register
from .base import Likelihood, moments, refuse_constant


@register("likelihood", "continuous_bernoulli")
class UnitBernoulli(Likelihood):
    """p(x_d|h) = e^{h x} h/(e^h − 1) on [0, 1]: the Bernoulli formula with the constant that makes it a density.

    Without that constant binary cross-entropy on grey values is no likelihood, and its numbers compare with nothing.

    References: Loaiza-Ganem & Cunningham, The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders (2019), eq. 7-8.
    """

    domains = ("unit",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)

    def each(self, *params: Tensor) -> Distribution:
        return ContinuousBernoulli(params[0])

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        seen = moments(x, observed)
        if not self.domain.is_image:  # at 0 and at 1, and nowhere else, the density can grow for ever
            at_end = (seen.mean == 0) | (seen.mean == 1)
            refuse_constant(replace(seen, std=torch.where(at_end, 0.0, 1.0)))
        self._set_offset(_logits_of((seen.mean * seen.count + 0.5) / (seen.count + 1)))


def _logits_of(mean: Tensor) -> Tensor:
    """η with the mean A'(η), by bisection."""
    low, high = torch.full_like(mean, -1e4), torch.full_like(mean, 1e4)
    for _ in range(60):
        middle = (low + high) / 2
        above = ContinuousBernoulli(middle).mean > mean
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2
