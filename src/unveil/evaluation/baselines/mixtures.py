"""Mixtures of Gaussians and of categoricals, fitted by EM."""

from torch import Tensor

from ...batch import Batch
from ...domain import Domain
from ...models.mixture import Mixture
from ...ops import keyed
from .afford import STARTS, Cost, plan_mixture, require_affordable
from .examples import BLOCK, Density, Examples, counted, left_out, with_noise
from .search import Family

START = 10_000  # examples that a mixture starts from


def gaussian_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of Gaussians with diagonal covariances; the knob is the smoothing."""
    D = examples.domain.num_dims
    cost = Cost(round=lambda C: D * (200 + 8.0 * C), score=lambda C: D * (300 + 4.0 * C), fixed=lambda C: 300.0 * D * C)
    x = with_noise(examples.train, examples.domain, seed)
    knobs = (1.0, 0.3, 0.1, 3.0)
    return _mixture(x, Domain("real", examples.domain.shape), knobs, "Gaussian", cost, examples, operations, seed)


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
    return _mixture(examples.train, domain, knobs, one, cost, examples, operations, seed)


def _mixture(
    x: Tensor,
    domain: Domain,
    knobs: tuple[float, ...],
    one: str,
    cost: Cost,
    examples: Examples,
    operations: float,
    seed: int,
) -> Family:
    dequantised = domain.kind == "real" and examples.domain.is_discrete
    plan = plan_mixture(cost, examples, operations, num_knobs=len(knobs), dequantised=dequantised)
    require_affordable(plan.operations(cost, examples), operations)

    def fit(size: int, smoothing: float, start: int) -> Density:
        with keyed("baselines", one, seed, size, start):
            model = Mixture(domain, num_components=size, smoothing=smoothing)
            model.initialise(Batch(x[:START]))
        stages = [(plan.tries, plan.tried_rows), (plan.rounds if start else 0, plan.rows)]
        for rounds, rows in stages:
            for _ in range(rounds):
                model.solve(lambda rows=rows: map(Batch, x[:rows].split(BLOCK)))  # type: ignore[misc]
        return lambda given: model.log_prob(Batch(given))

    return Family(
        sizes=plan.sizes,
        knobs=knobs[: plan.num_knobs],
        fit=fit,
        starts=lambda size: min(STARTS, plan.starts * plan.sizes[-1] // size),
        num_samples=plan.num_samples,
        phrase=lambda size: f"a mixture of {counted(size, one)}",
        remarks=left_out(examples, plan.rows, plan.tried_rows),
    )
