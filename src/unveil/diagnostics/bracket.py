"""log p(x) of the same examples by every estimator that the model allows: bounds that close in on one truth."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from ..data import Split
from ..estimators.base import Estimate, Estimator, evaluate
from ..estimators.cells import DIMS
from ..estimators.label import label
from ..files import Plain
from ..model import Model, num_latents
from ..ops import error_of_known
from ..registry import lookup
from .finding import Finding

LADDER = (10, 100, 1000)  # K of IWAE: how fast it climbs shows how far q is from the posterior


@dataclass(frozen=True)
class Rung(Plain):
    """One estimate of the mean of log p(x) over the examples, in nats.

    Arguments: name, to print; estimator and num_samples; direction, "lower", "upper" or "exact"; log_px and its
    stderr_mc (examples fixed); strict, whether its side holds in expectation for these x.
    """

    name: str
    estimator: str
    num_samples: int | None
    direction: str
    log_px: float
    stderr_mc: float
    strict: bool = True


@dataclass(frozen=True)
class Bracket(Plain):
    """Estimates of the mean log p(x) over the same examples, from the loosest bound to the tightest.

    Arguments: num_examples; rows; words, what the sides are worth.
    """

    num_examples: int
    rows: tuple[Rung, ...]
    words: tuple[str, ...]

    @property
    def lower(self) -> Rung:
        """The highest of the bounds from below (a closed form is one)."""
        return max((row for row in self.rows if row.direction != "upper"), key=lambda row: row.log_px)

    def findings(self) -> list[Finding]:
        """`loose_bound`: the IWAE bound of the longest K is far below what annealing or a grid finds."""
        ladder = [row for row in self.rows if row.estimator == "iwae"]
        better = [row for row in self.rows if row.estimator in ("ais", "quadrature", "exact")]
        if not ladder or not better:
            return []
        short = better[-1].log_px - ladder[-1].log_px
        if short < max(0.5, 4 * math.hypot(better[-1].stderr_mc, ladder[-1].stderr_mc)):
            return []
        sentence = (
            f"{ladder[-1].name} is {short:.2f} nats below {better[-1].name}. So few importance samples understate "
            "log p(x) of this model."
        )
        remedy = "State the number of the estimator ais or sandwich in place of iwae, or raise --num-samples."
        return [Finding("loose_bound", sentence, short, remedy)]


def bracket(model: Model, split: Split, *, seed: int = 0, progress: Callable[[str], None] | None = None) -> Bracket:
    """Every bound that the model allows, on every example of the split.

    Arguments: split, a few hundred examples at most, whose z (if any) is an exact draw from p(z|x): see the estimator
    sandwich; seed, of all noise; progress, told the name of what begins.
    """
    rows: list[Rung] = []
    words: list[str] = []
    for name, judge in _estimators(model):
        if progress is not None:
            progress(name)
        estimate, _ = evaluate(model, split, judge, seed=seed)
        rows += _rungs(name, judge, estimate)
        words += judge.summary(estimate).get("words", [])
    return Bracket(len(split), tuple(rows), tuple(words))


def _estimators(model: Model) -> Iterator[tuple[str, Estimator]]:
    """The estimators that the model allows, from the loosest to the tightest."""
    if model.groups and model.gives & {"log_w", "rsample", "straight_through", "enumerate"}:
        yield "ELBO", lookup("estimator", "elbo")(num_samples=64)
    if "log_w" in model.gives and "enumerate" not in model.gives:
        for count in LADDER:
            yield label("iwae", count), lookup("estimator", "iwae")(num_samples=count)
    if {"joint", "pathwise", "log_w"} <= model.gives:
        yield "AIS", lookup("estimator", "sandwich")()
    if "exact" in model.gives:
        yield "exact", lookup("estimator", "exact")()
    elif can_be_gridded(model):
        yield "quadrature", lookup("estimator", "quadrature")()


def can_be_gridded(model: Model) -> bool:
    """Whether z is real and of few enough dimensions for a grid."""
    return {"joint", "pathwise"} <= model.gives and num_latents(model) <= DIMS


def _rungs(name: str, judge: Estimator, estimate: Estimate) -> Iterator[Rung]:
    kind = judge.registered[1]
    below = "ais" if kind == "sandwich" else kind
    found, K = estimate.diagnostics, judge.num_samples
    yield Rung(name, below, K, estimate.direction, *_mean(estimate.log_px, estimate.stderr_mc))
    if kind == "sandwich":
        strict = bool((found["strict"] > 0.5).all())
        yield Rung("reverse AIS", kind, K, "upper", *_mean(found["upper"], found["upper_stderr_mc"]), strict)


def _mean(log_px: Tensor, stderr_mc: Tensor) -> tuple[float, float]:
    return float(log_px.mean()), error_of_known(stderr_mc)
