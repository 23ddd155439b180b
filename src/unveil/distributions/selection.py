"""What a value says of whether its cell is missing, and what the missing cell says of the value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .columnlayout import ColumnLayout, picked
from .stretch import Line

NEVER = -40.0  # log-odds of a column without a selection: log(1 − s) is 0 in float32
POINTS = 31  # quantiles of a logistic that stand for it
NODES = (0.06943184, 0.33000948, 0.66999052, 0.93056816)  # of Gauss and Legendre on [0, 1]
WEIGHTS = (0.17392742, 0.32607258, 0.32607258, 0.17392742)
LEAST_SHARE = 1e-30


@dataclass(frozen=True)
class Selection:
    """s_d(x_d) = p(column d is missing|x_d): log-odds of each level and atom, and a + b·T(x) of other numbers.

    References: Ipsen, Mattei & Frellsen, not-MIWAE: Deep Generative Modelling with Missing not at Random Data (2021),
    §3, for such self-masking.

    Arguments: selects [D], whether a column has a selection; levels and atoms, log-odds [C, W] of each ladder;
    logistic, of the columns of numbers.
    """

    selects: Tensor
    levels: list[Tensor]
    atoms: list[Tensor]
    logistic: LogisticSelection

    def log_odds(self, x: Tensor, layout: ColumnLayout, line: Line) -> Tensor:
        """log s_d(x_d)/(1 − s_d(x_d)) of x [..., D], of a recorded number at its own place."""
        levels = [picked(own, ladder.index(x)[0]) for ladder, own in zip(layout.levels, self.levels, strict=True)]
        return layout.joined(levels, self.logistic.log_odds(line(x[..., layout.numeric])))


@dataclass(frozen=True)
class LogisticSelection:
    """s(t) = σ(a + b t) of t = T(x), as a function of logistics of t.

    Arguments: a and b, [D].
    """

    a: Tensor
    b: Tensor

    def log_odds(self, t: Tensor) -> Tensor:
        """a + b t of t [..., D]."""
        return self.a + self.b * t

    def log_missing(self, loc: Tensor, scale: Tensor) -> Tensor:
        """log E[s(t)] of t ~ Logistic(loc, scale) [..., D].

        With independent logistic noises u and v, E[s] = P(v ≤ c + k u), c = a + b·loc, k = |b|·scale. For k ≤ 1 that is
        E_u[σ(c + k u)], and for k > 1 E_v[σ((c + v)/k)]: both are smooth, so that 31 quantiles are enough.
        """
        c, k = self.log_odds(loc), self.b.abs() * scale
        each = (c + k.clamp(max=1) * quantiles(c)) / k.clamp(min=1)  # [31, ..., D]
        return F.logsigmoid(each).logsumexp(0) - math.log(POINTS)

    def log_seen_in_cells(self, low: Tensor, high: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """log E[1 − s(t)|loc + scale·low ≤ t ≤ loc + scale·high] of a logistic t, [..., D]."""
        upper = low + high > 0  # there the other end is the exact one
        low, high = torch.where(upper, -high, low), torch.where(upper, -low, high)
        below, above = low.sigmoid(), high.sigmoid()
        node, weight = (torch.tensor(t, dtype=loc.dtype, device=loc.device) for t in (NODES, WEIGHTS))
        node, weight = (t.reshape(-1, *(1,) * low.ndim) for t in (node, weight))
        share = (below + node * (above - below)).clamp(min=LEAST_SHARE)
        noise = torch.minimum(torch.maximum(share.logit(), low), high)  # [4, ..., D]
        t = loc + scale * torch.where(upper, -noise, noise)
        return (weight.log() + F.logsigmoid(-self.log_odds(t))).logsumexp(0)


def quantiles(like: Tensor) -> Tensor:
    """31 quantiles of logistic noise at even distances, [31, 1, …] before the dimensions of a tensor."""
    place = (torch.arange(POINTS, device=like.device, dtype=like.dtype) + 0.5) / POINTS
    return torch.logit(place).reshape(-1, *(1,) * like.ndim)
