"""The rate–distortion curve of a model: refits over the weight of the rate, from islands at one end to collapse."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..diagnostics.aggregate import Aggregate, aggregate
from ..errors import RequestError
from ..files import Plain
from ..model import Model
from ..objectives.elbo import BetaElbo
from ..ops import threads
from ..runs.store import RunStore
from .bench import Bench, Count, Judged, Refits, Told, Trial

SWEEP = "unveil-sweep-1"
NAMES = ("beta",)
BETAS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 50.0)
HEADS = ("β", "rate", "distortion", "ELBO", "active", "shuffled z costs", "AUC", "marked", "seconds")


@dataclass(frozen=True)
class Point(Plain):
    """The model fitted with one weight of the rate.

    Arguments:
        beta: that weight; None for the run itself.
        judged: on the validation examples.
        aggregate: the aggregate posterior beside the prior, on the same examples.
        marks: what the diagnostics find: "collapse", "islands".
        seconds: of training.
    """

    beta: float | None
    judged: Judged
    aggregate: Aggregate
    marks: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        return "the run" if self.beta is None else f"{self.beta:g}"

    def to_json(self) -> dict[str, Any]:
        found = super().to_json()
        return {**found.pop("judged"), **found}

    def row(self) -> tuple[str, ...]:
        found = self.judged
        values = (f"{value:.2f}" for value in (found.rate, found.distortion, found.elbo))
        ends = (f"{found.drop:.2f}", f"{self.aggregate.auc:.2f}", ", ".join(self.marks) or "–", f"{self.seconds:.1f}")
        return (self.name, *values, found.units, *ends)


@dataclass(frozen=True, kw_only=True)
class Sweep(Refits):
    """A model over the weight of the rate.

    Arguments, beside those of `Refits`:
        source: of the run's data.
        points: β from small to large.
        before: the run's own weights on the same examples.
    """

    source: str
    points: tuple[Point, ...]
    before: Point

    @property
    def best(self) -> Point:
        return max(self.points, key=lambda point: point.judged.elbo)

    def to_json(self) -> dict[str, Any]:
        return {"format": SWEEP, "name": "beta", **super().to_json(), "sentences": self.lines()}

    def rows(self) -> list[tuple[str, ...]]:
        return [point.row() for point in (self.before, *self.points)]

    def lines(self) -> list[str]:
        marked = {mark: [p.name for p in self.points if mark in p.marks] for mark in ("islands", "collapse")}
        return [
            self.how("Each β"),
            f"The ELBO is highest at β = {self.best.name}: {self.best.judged.elbo:.2f} nats.",
            _ends("Islands (codes lie apart from draws of the prior)", marked["islands"]),
            _ends("Collapse (the decoder does as well with the z of another example)", marked["collapse"]),
        ]


def _ends(what: str, betas: Sequence[str]) -> str:
    return f"{what} at β = {', '.join(betas)}." if betas else f"{what} at none of the β that were tried."


def sweep(
    run: RunStore,
    name: str = "beta",
    *,
    values: Sequence[float] | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    progress: Told | None = None,
) -> Sweep:
    """The rate–distortion curve of a run's model: fitted anew by distortion + β·rate for every β.

    Small β spend the rate freely, and codes drift away from the prior; large β save it, until z says nothing. Judged on
    validation examples, the weights of the last step, since the best bound of all would favour β = 1. Nothing of the
    run is touched, nothing is written, and the test examples are not looked at.

    References: Alemi et al., Fixing a Broken ELBO (2018), §4.

    Arguments:
        name: of what is swept; only "beta".
        values: the β; by default 0.01 to 50.
        steps, minutes, seed, progress: as of `trials.cure.cure`.
    """
    trials = {beta: Trial(f"β = {beta:g}", BetaElbo(beta=beta), keep="last") for beta in _betas(name, values)}
    run.model.require("A sweep", {"log_w"})
    with threads(run.phase.threads):
        bench = Bench(run, seed)
        bench.check(next(iter(trials.values())))
        begun, before = time.perf_counter(), _point(bench, None, run.model, bench.before, 0.0)
        each = bench.steps_of([*trials.values()], steps, minutes, looking=time.perf_counter() - begun)
        count, points = Count(progress, each * len(trials)), []
        for beta, trial in trials.items():
            model, seconds = bench.fitted(trial, each, count)
            points.append(_point(bench, beta, model, bench.judged(model), seconds))
    return Sweep(**bench.facts(each), source=run.data_info["source"], points=tuple(points), before=before)


def _point(bench: Bench, beta: float | None, model: Model, judged: Judged, seconds: float) -> Point:
    found = aggregate(model, bench.valid, seed=0)
    marks = ["collapse"] * judged.has_collapsed + [finding.code for finding in found.findings()]
    return Point(beta, judged, found, tuple(marks), seconds)


def _betas(name: str, values: Sequence[float] | None) -> list[float]:
    if name not in NAMES:
        raise RequestError(f"There is no sweep over {name!r}; only beta can be swept.")
    found = sorted({float(value) for value in (BETAS if values is None else values)})
    if len(found) < 2:
        raise RequestError(f"{len(found)} values of β came; a sweep takes at least two that differ.")
    return found
