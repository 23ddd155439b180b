"""Levels 0 … n − 1: each on its own, or in their order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional as F

from ..distributions import Levels
from ..domain import Domain
from ..registry import register
from .base import Likelihood


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


def frequencies(x: Tensor, observed: Tensor | None, num_levels: int) -> Tensor:
    """The share of each level, [*shape, n]; one never seen at d, but frequent elsewhere, is no great surprise."""
    hits = F.one_hot(x.long(), num_levels).to(x.dtype)  # [N, *shape, n]
    counts = (hits if observed is None else hits * observed.unsqueeze(-1)).sum(0)
    everywhere = counts.reshape(-1, num_levels).sum(0) / counts.sum().clamp(min=1)
    smooth = counts + everywhere + 1e-2
    return smooth / smooth.sum(-1, keepdim=True)
