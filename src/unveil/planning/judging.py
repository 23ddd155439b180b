"""How the result is judged: the estimator, K and the examples, as many as their share of the budget pays for."""

import math
from collections.abc import Sequence
from dataclasses import replace

from ..errors import at_least
from ..estimators.base import rows_of_block
from ..model import Model
from ..runs.store import RANKED
from ..settings.judging import Judging, default_estimator, make_estimator
from ..settings.options import EvaluationOptions
from .measure import Probe

SHARE = 0.08  # of a budget in minutes
JUDGING = (10.0, 0.1)  # elsewhere: seconds and share of those for training, whichever is more
FEWEST = {"elbo": 2}  # draws with which an estimate is judged at least, 10 but for a plain mean over draws
FEWEST_EXAMPLES = 128  # that are judged with so many draws; with fewer draws before there are fewer examples
LEAST = 2  # draws that tell their own error
ROUGH = 0.5  # seconds for an estimator that draws nothing


def check_judging(asked: EvaluationOptions, model: Model) -> None:
    """Refuse what the result could not be judged by, before anything is trained."""
    if asked.num_samples != "auto":
        at_least(1, "evaluation.num_samples", asked.num_samples)
    make_estimator(_judge_of(asked, model)).check(model)


def plan_judging(
    asked: EvaluationOptions, probe: Probe, minutes: float | None, training: float
) -> tuple[Judging, float, tuple[str, ...]]:
    """How the result is judged, the seconds it takes, and what is to be said.

    A budget in minutes holds: where 10 draws of every example take more than its share, fewer examples are judged, down
    to 128, and then with fewer draws.
    """
    name = _judge_of(asked, probe.model)
    if make_estimator(name).num_samples is None:
        return Judging(name), ROUGH, ()
    counts = _counts(probe)
    allowed = SHARE * 60 * minutes if minutes else beside(training, *JUDGING)
    each, fewest = probe.seconds_per_sample(name), FEWEST.get(name, 10)
    rows = _rows(probe.model, counts)
    samples = int(min(500 if rows <= 5000 else 100, max(fewest, allowed / (each * rows))))
    found = Judging(name, samples if asked.num_samples == "auto" else asked.num_samples)
    assert found.num_samples is not None
    if minutes and found.num_samples * each * rows > allowed:
        found = _within(found, probe, allowed / each, draws_are_free=asked.num_samples == "auto")
        counts = [min(count, found.num_examples or count) for count in counts]
        rows = _rows(probe.model, counts)
    return found, (found.num_samples or 1) * each * rows, _said(found, len(probe.data.test))


def beside(training: float, least: float, share: float) -> float:
    """Seconds for what goes with a training of so many seconds: never more than the training itself."""
    return max(min(least, training), share * training)


def _judge_of(asked: EvaluationOptions, model: Model) -> str:
    return default_estimator(model) if asked.estimator == "auto" else asked.estimator


def _counts(probe: Probe) -> list[int]:
    """How many examples of each split are judged: test, validation, and validation once more with every label."""
    data = probe.data
    ranked = min(len(data.valid), RANKED)
    labels = len(data.classes or ()) if probe.model.draw_labels(1) is not None else 0
    return [len(data.test), *[ranked] * (1 + labels)]


def _rows(model: Model, counts: Sequence[int]) -> int:
    """Rows that are computed, the last block of each split being filled up."""
    size = rows_of_block(model)
    return sum(size * math.ceil(count / size) for count in counts)


def _within(found: Judging, probe: Probe, passes: float, *, draws_are_free: bool) -> Judging:
    """Fewer examples and then fewer draws, so that all take `passes` rows (examples × draws) or little more."""
    counts, samples = _counts(probe), found.num_samples or LEAST
    most = max(counts)
    size = rows_of_block(probe.model)
    kept = min(most, max(FEWEST_EXAMPLES, int(passes / samples / len(counts)) // size * size))
    counts = [min(count, kept) for count in counts]
    if draws_are_free:
        samples = min(samples, max(LEAST, int(passes / _rows(probe.model, counts))))
    return replace(found, num_samples=samples, num_examples=kept if kept < most else None)


def _said(found: Judging, total: int) -> tuple[str, ...]:
    if found.num_examples is None or found.num_examples >= total:
        return ()
    return (
        f"The result judges {found.num_examples:,} of {total:,} test examples, drawn at random: all of them would take "
        "more than their share of the minutes. unveil evaluate RUN judges all.",
    )
