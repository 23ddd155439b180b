"""Levels 0 … n − 1: each on its own, or in their order."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F

from ..distributions import Levels, OrderedLogistic
from ..domain import Domain
from ..registry import register
from .base import PACE, Likelihood


@register("likelihood", "categorical")
class Categorical(Likelihood):
    """p(x_d = i|h) = softmax(h_d)_i, each of n levels on its own; for levels(n)."""

    domains = ("levels",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, domain.num_levels or 0)

    def each(self, *params: Tensor) -> Distribution:
        return Levels(torch.stack(params, -1))

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        self._set_offset(*frequencies(x, observed, self.domain.levels).log().unbind(-1))


@register("likelihood", "ordinal")
class Ordinal(Likelihood):
    """P(x_d ≤ i|h) = σ(c_di − h_d) with cut points c_d0 < c_d1 < … that are learned: a cumulative logit; for levels(n).

    The levels are in an order, and the distances between them are nobody's business but the data's. c_d0 = 0, as the
    offset of h_d moves all of them.

    References: McCullagh, Regression Models for Ordinal Data (1980), §2.
    """

    domains = ("levels",)
    least = 1e-3  # between neighbouring cut points

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)
        self.gaps = nn.Parameter(torch.zeros(*domain.shape, domain.levels - 2))  # before softplus, over PACE

    def each(self, *params: Tensor) -> Distribution:
        gaps = self.least + F.softplus(PACE * self.gaps)
        return OrderedLogistic(params[0], F.pad(gaps, (1, 0)).cumsum(-1))

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """Cut points where h = 0 gives each level its frequency."""
        below = frequencies(x, observed, self.domain.levels).cumsum(-1)[..., :-1]
        cuts = torch.logit(below.clamp(1e-6, 1 - 1e-6))
        with torch.no_grad():
            self.gaps.copy_((cuts.diff(dim=-1) - self.least).clamp(min=self.least).expm1().log() / PACE)
        self._set_offset(-cuts[..., 0])


def frequencies(x: Tensor, observed: Tensor | None, num_levels: int) -> Tensor:
    """The share of each level, [*shape, n]; one never seen at d, but frequent elsewhere, is no great surprise."""
    hits = F.one_hot(x.long(), num_levels).to(x.dtype)  # [N, *shape, n]
    counts = (hits if observed is None else hits * observed.unsqueeze(-1)).sum(0)
    everywhere = counts.reshape(-1, num_levels).sum(0) / counts.sum().clamp(min=1)
    smooth = counts + everywhere + 1e-2
    return smooth / smooth.sum(-1, keepdim=True)
