"""Mixtures of Poissons and of negative binomials, fitted by EM: p(x) = Σ_c π_c Π_d p(x_d|c) for counts, exactly.

As in `models/mixture`, each component has seen s examples before the data came, drawn from the data as a whole. So the
weight of example n in the M-step of component c is w_nc = r_nc + s/N, and no rate falls to 0 for lack of examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...ops import keyed
from .afford import Cost
from .columns import Columns, Part, table_share
from .examples import Density, Examples
from .mixtures import KNOBS, START, Rounds, mixture_family
from .search import Family

LEAST, MOST = 1e-4, 1e3  # r, and r/(1 + μ), which is a Poisson to one part in a thousand of its variance


def poisson_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of Poissons with diagonal rates; the knob is the smoothing."""
    return _mixture(examples, operations, seed, "Poisson", 150.0, 100.0)


def negative_binomial_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of negative binomials, each with a rate and a size of its own per column; the knob is the smoothing."""
    return _mixture(examples, operations, seed, "negative binomial", 2000.0, 700.0)


def _mixture(examples: Examples, operations: float, seed: int, one: str, fitted: float, judged: float) -> Family:
    """`fitted` and `judged`: operations for a number of the tables, in a round of EM and in a score."""
    x, D = examples.train.flatten(1), examples.domain.num_dims
    share = table_share(x)
    cost = Cost(
        round=lambda C: D * (1500 + C * (12 + fitted * share)),
        score=lambda C: D * (3000 + C * (12 + judged * share)),
        fixed=lambda C: 100.0 * D * C,
    )
    found: dict[int, Columns] = {}

    def fit(size: int, smoothing: float, start: int, stages: Rounds) -> Density:
        with keyed("baselines", one, seed, size, start):
            model = Counts.start(x[:START], size, smoothing, dispersed=one != "Poisson")
        for rounds, rows in stages:
            if rounds and rows not in found:
                found[rows] = Columns.of(x[:rows])
            for _ in range(rounds):
                model.solve(found[rows])
        return model.log_prob

    return mixture_family(fit, KNOBS, one, cost, examples, operations)


@dataclass
class Counts:
    """π_c and, for each column and component, a Poisson with mean μ, or a negative binomial with mean μ and size r.

    Arguments: smoothing s; log_pi [C], mean μ [D, 1, C], size r [D, 1, C] or None for Poissons; float64.
    """

    smoothing: float
    log_pi: Tensor
    mean: Tensor
    size: Tensor | None

    @staticmethod
    def start(x: Tensor, num_components: int, smoothing: float, dispersed: bool) -> Counts:
        """Components half-way between C rows of x [N, D] and the mean; r by the moments of each column."""
        x = x.double()
        m, v = x.mean(0) + 0.5 / len(x), x.var(0, correction=0)
        centres = (x[torch.randperm(len(x))[:num_components]] + m) / 2
        size = (m**2 / (v - m).clamp(min=1e-6)).clamp(min=LEAST).minimum(MOST * (1 + m))
        each = size[:, None, None].expand(-1, 1, num_components).clone() if dispersed else None
        return Counts(smoothing, torch.zeros(num_components).double().log_softmax(0), centres.T.unsqueeze(1), each)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) [N] of x [N, *shape]."""
        return self._joint(Columns.of(x)).logsumexp(-1)

    def _joint(self, columns: Columns) -> Tensor:
        """log π_c p(x|c), [N, C]."""
        return self.log_pi + columns.log_px(self._table, len(self.log_pi))

    def _table(self, part: Part) -> Tensor:
        """log p(x_d = v|c), [d, U, C]."""
        v, mean = part.values, self.mean[part.columns]
        if self.size is None:
            return v * mean.log() - mean - torch.lgamma(v + 1)
        r = self.size[part.columns]
        return torch.lgamma(v + r) - torch.lgamma(v + 1) + v * (mean / (r + mean)).log() - _of_size(r, mean)

    def solve(self, columns: Columns) -> float:
        """One round of EM, which never lowers Σ_n log p(x_n) + s Σ_c (log π_c + 1/N Σ_n log p(x_n|c)): it was this."""
        N, s = len(columns), self.smoothing
        joint = self._joint(columns)
        before = joint.logsumexp(-1).sum() + s * joint.mean(0).sum()
        w = joint.softmax(-1) + s / N
        self.log_pi = w.sum(0).log().log_softmax(0)
        for part in columns.split(len(self.log_pi)):
            self._maximise(part, part.weigh(w), 0.5 / N)
        return float(before)

    def _maximise(self, part: Part, w: Tensor, least: float) -> None:
        """μ = Σ w v / Σ w, not below half a count in all of N; r moves uphill. From w [d, U, C]."""
        d, v, W = part.columns, part.values, w.sum(1, keepdim=True)
        self.mean[d] = ((w * v).sum(1, keepdim=True) / W).clamp(min=least)
        if self.size is not None:
            self.size[d] = _climb(self.size[d], self.mean[d], v, w, W)


def _of_size(r: Tensor, mean: Tensor) -> Tensor:
    """log Γ(r) + r log(1 + μ/r), what r takes off log p(x) for every x."""
    return torch.lgamma(r) + r * torch.log1p(mean / r)


def _climb(r: Tensor, mean: Tensor, v: Tensor, w: Tensor, W: Tensor) -> Tensor:
    """A Newton step of log r on Σ w log p(v; μ, r), of a factor of e at most; r stays where that leads downhill.

    d/dr = Σ w [ψ(v + r) − ψ(r) − log(1 + μ/r)], since Σ w (v − μ) = 0.
    """
    first = (w * torch.digamma(v + r)).sum(1, keepdim=True) - W * (torch.digamma(r) + torch.log1p(mean / r))
    second = (w * torch.polygamma(1, v + r)).sum(1, keepdim=True) - W * (
        torch.polygamma(1, r) - mean / (r * (r + mean))
    )
    slope, bend = r * first, r * first + r**2 * second  # by log r
    step = torch.where(bend < 0, -slope / bend, slope.sign()).clamp(-1, 1)
    new = (r * step.exp()).clamp(min=LEAST).minimum(MOST * (1 + mean))
    gain = _gain(new, mean, v, w, W) - _gain(r, mean, v, w, W)
    return torch.where(gain > 0, new, r)


def _gain(r: Tensor, mean: Tensor, v: Tensor, w: Tensor, W: Tensor) -> Tensor:
    """Σ_v w log p(v; μ, r), but for what does not depend on r, [d, 1, C]."""
    return (w * (torch.lgamma(v + r) - v * (r + mean).log())).sum(1, keepdim=True) - W * _of_size(r, mean)
