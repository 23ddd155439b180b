"""Mixtures of Gaussians and of categoricals, fitted by EM."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ...batch import Batch
from ...domain import Domain
from ...models.mixture import Mixture
from ...ops import keyed
from .afford import STARTS, Cost, plan_mixture, require_affordable
from .columns import Columns, table_share
from .examples import BLOCK, Density, Examples, counted, left_out, with_noise
from .search import Family

START = 10_000  # examples that a mixture starts from
KNOBS = (1.0, 0.3, 0.1, 3.0)  # smoothings
Rounds = tuple[tuple[int, int], ...]  # of EM, each with the number of examples


def gaussian_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of Gaussians with diagonal covariances; the knob is the smoothing."""
    D = examples.domain.num_dims
    cost = Cost(round=lambda C: D * (200 + 8.0 * C), score=lambda C: D * (300 + 4.0 * C), fixed=lambda C: 300.0 * D * C)
    if examples.domain.is_discrete:
        share = table_share(examples.train)
        cost = replace(cost, score=lambda C: D * (3000 + C * (12 + 3000 * share)))
    return _mixture(Domain("real", examples.domain.shape), KNOBS, "Gaussian", cost, examples, operations, seed)


def categorical_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of categoricals, or of Bernoullis; the knob is the smoothing."""
    domain = examples.domain
    D, n = domain.num_dims, domain.levels
    binary = Cost(round=lambda C: D * (20 + 2.0 * C), score=lambda C: D * (50 + 2.2 * C), fixed=lambda C: 300.0 * D * C)
    levels = Cost(
        round=lambda C: D * n * (27 + 1.5 * C), score=lambda C: D * (800 + 14.0 * C), fixed=lambda C: 700.0 * D * C * n
    )
    one, cost = ("Bernoulli", binary) if domain.kind == "binary" else ("categorical", levels)
    knobs = tuple(n / 2 * times for times in (1, 2, 4, 0.5))
    return _mixture(domain, knobs, one, cost, examples, operations, seed)


def _mixture(
    domain: Domain, knobs: tuple[float, ...], one: str, cost: Cost, examples: Examples, operations: float, seed: int
) -> Family:
    x = with_noise(examples.train, examples.domain, seed) if domain.kind == "real" else examples.train

    def fit(size: int, smoothing: float, start: int, stages: Rounds) -> Density:
        with keyed("baselines", one, seed, size, start):
            model = Mixture(domain, num_components=size, smoothing=smoothing)
            model.initialise(Batch(x[:START]))
        for rounds, rows in stages:
            for _ in range(rounds):
                model.solve(lambda rows=rows: map(Batch, x[:rows].split(BLOCK)))  # type: ignore[misc]
        if domain.kind == "real" and examples.domain.is_discrete:
            return lambda given: log_cube(model, given)
        return lambda given: model.log_prob(Batch(given))

    return mixture_family(fit, knobs, one, cost, examples, operations)


def mixture_family(
    fit: Callable[[int, float, int, Rounds], Density],
    knobs: tuple[float, ...],
    one: str,
    cost: Cost,
    examples: Examples,
    operations: float,
) -> Family:
    """A family whose `fit` takes (size, smoothing, start, stages): rounds of EM on so many examples, one after another.

    Arguments: knobs, the smoothings to try; one, the name of a component.
    """
    plan = plan_mixture(cost, examples, operations, num_knobs=len(knobs))
    require_affordable(plan.operations(cost, examples), operations)

    def stages(start: int) -> Rounds:
        return (plan.tries, plan.tried_rows), (plan.rounds if start else 0, plan.rows)

    return Family(
        sizes=plan.sizes,
        knobs=knobs[: plan.num_knobs],
        fit=lambda size, knob, start: fit(size, knob, start, stages(start)),
        starts=lambda size: min(STARTS, plan.starts * plan.sizes[-1] // size),
        num_samples=None,
        phrase=lambda size: f"a mixture of {counted(size, one)}",
        remarks=left_out(examples, plan.rows, plan.tried_rows),
    )


@torch.no_grad()
def log_cube(model: Mixture, x: Tensor) -> Tensor:
    """log P(x) = log Σ_c π_c Π_d [Φ((x_d + 1 − μ_cd)/σ_cd) − Φ((x_d − μ_cd)/σ_cd)], [N], of a mixture of Gaussians.

    The integral of its density over [x, x + 1)^D, which is what p(x + u) with u ~ U[0, 1)^D has as its mean.

    Arguments: x [N, *shape], integers.
    """
    C = model.num_components
    parts = model.components.each(torch.arange(C))
    loc, scale = (t.double().flatten(1).T.unsqueeze(1) for t in (parts.mean, parts.stddev))  # [D, 1, C]
    log_px_c = Columns.of(x).log_px(lambda part: log_bin(part.values, loc[part.columns], scale[part.columns]), C)
    return (model.log_pi + log_px_c).logsumexp(-1)


def log_bin(v: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """log [Φ((v + 1 − μ)/σ) − Φ((v − μ)/σ)], measured in the tail where the bin lies, so that nothing cancels."""
    a, b = (v - loc) / scale, (v + 1 - loc) / scale
    right = a + b > 0
    low, high = torch.where(right, -b, a), torch.where(right, -a, b)
    above = torch.special.log_ndtr(high)
    return above + torch.log(-torch.expm1(torch.special.log_ndtr(low) - above))
