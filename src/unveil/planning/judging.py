"""How the result is judged: the estimator, K and the examples, as many as their share of the budget pays for."""

import math
from dataclasses import dataclass

from ..errors import at_least
from ..estimators.base import rows_of_block
from ..model import Model
from ..settings.judging import RANKED, Judging, default_estimator, make_estimator
from ..settings.options import EvaluationOptions
from .measure import Probe

SHARE = 0.08  # of a budget in minutes
JUDGING = (10.0, 0.1)  # elsewhere: seconds and share of those for training, whichever is more
RANKING_SHARE = 0.5  # of those, that examples may take that new ones are ranked among: they are judged one by one
FEWEST = {"elbo": 2}  # draws with which an estimate is judged at least, 10 but for a plain mean over draws
FEWEST_RANKED, FEWEST_TESTS = 100, 128  # examples, at least
HARDLY_RANKED = 50  # where a budget in minutes does not pay for 10 draws of those; test examples then have two
LEAST = 2  # draws that tell their own error
ROUGH = 0.5  # seconds for another estimator that draws nothing


def check_judging(asked: EvaluationOptions, model: Model) -> None:
    """Refuse what the result could not be judged by, before anything is trained."""
    if asked.num_samples != "auto":
        at_least(1, "evaluation.num_samples", asked.num_samples)
    make_estimator(_judge_of(asked, model)).check(model)


def plan_judging(
    asked: EvaluationOptions, probe: Probe, minutes: float | None, training: float
) -> tuple[Judging, float, tuple[str, ...]]:
    """How the result is judged, the seconds it takes, and what is to be said.

    A budget in minutes holds: where 10 draws of every example take more than its share, fewer examples are judged, and
    then with fewer draws.
    """
    name = _judge_of(asked, probe.model)
    if make_estimator(name).num_samples is None:
        return _exactly(name, probe, minutes) if name == "exact" else (Judging(name), ROUGH, ())
    allowed = SHARE * 60 * minutes if minutes else beside(training, *JUDGING)
    cost, tests, fewest = _Cost.of(probe, name), len(probe.data.test), FEWEST.get(name, 10)
    ranked = min(len(probe.data.valid), RANKED, max(FEWEST_RANKED, int(RANKING_SHARE * allowed / cost.alone)))
    most = 500 if cost.rows(tests, ranked) <= 5000 else 100
    own = None if asked.num_samples == "auto" else asked.num_samples
    samples = own or cost.draws(allowed, tests, ranked, fewest, most)
    if minutes and cost.seconds(samples, tests, ranked) > allowed:
        tests, ranked = cost.paid(allowed, samples, tests, ranked)
        samples = own or cost.draws(allowed, tests, ranked, LEAST, samples)
    few = tests if tests < len(probe.data.test) else None
    return Judging(name, samples, few, ranked), cost.seconds(samples, tests, ranked), _said(few, len(probe.data.test))


def _exactly(name: str, probe: Probe, minutes: float | None) -> tuple[Judging, float, tuple[str, ...]]:
    """As `plan_judging`, of the closed form, which takes about as long as a validation of as many examples."""
    each, tests = probe.seconds_per_validation / len(probe.data.valid), len(probe.data.test)
    ranked = min(len(probe.data.valid), RANKED)
    if minutes and each * (tests + ranked) > (allowed := SHARE * 60 * minutes):
        ranked = min(ranked, max(FEWEST_RANKED, int(RANKING_SHARE * allowed / each)))
        tests = min(tests, max(FEWEST_TESTS, int(allowed / each) - ranked))
    few = tests if tests < len(probe.data.test) else None
    return Judging(name, None, few, ranked), each * (tests + ranked), _said(few, len(probe.data.test))


def beside(training: float, least: float, share: float) -> float:
    """Seconds for what goes with a training of so many seconds: never more than the training itself."""
    return max(min(least, training), share * training)


def _judge_of(asked: EvaluationOptions, model: Model) -> str:
    return default_estimator(model) if asked.estimator == "auto" else asked.estimator


@dataclass(frozen=True)
class _Cost:
    """What judging takes.

    Arguments: each, seconds of one draw for one example; alone, those that an example takes besides where it is judged
    by itself; size, the rows of a block; labels, classes that are summed over, 0 of a model without a condition.
    """

    each: float
    alone: float
    size: int
    labels: int

    @staticmethod
    def of(probe: Probe, name: str) -> "_Cost":
        labels = len(probe.data.classes or ()) if probe.model.draw_labels(1) is not None else 0
        return _Cost(probe.seconds_per_sample(name), probe.seconds_per_row(name), rows_of_block(probe.model), labels)

    def rows(self, tests: int, ranked: int) -> int:
        """Rows that are computed: blocks of test examples, filled up, and each ranked one with every label.

        With labels the validation examples are judged once more, as those of test are.
        """
        if not self.labels:
            return self._filled(tests) + ranked
        return self._filled(tests) + self._filled(ranked) + ranked * self.labels

    def _filled(self, count: int) -> int:
        return self.size * math.ceil(count / self.size)

    def seconds(self, samples: int, tests: int, ranked: int) -> float:
        return samples * self.each * self.rows(tests, ranked) + self.alone * ranked

    def draws(self, allowed: float, tests: int, ranked: int, fewest: int, most: int) -> int:
        """K, as many as are allowed."""
        left = allowed - self.alone * ranked
        return int(min(most, max(fewest, left / (self.each * self.rows(tests, ranked)))))

    def paid(self, allowed: float, samples: int, tests: int, ranked: int) -> tuple[int, int]:
        """As many test and ranked examples, alike, as are allowed: whole blocks of them, and the fewest at least."""
        one = self.seconds(samples, self.size, self.size) / self.size
        kept = int(allowed / one) // self.size * self.size
        return min(tests, max(FEWEST_TESTS, kept)), min(ranked, max(HARDLY_RANKED, kept))


def _said(few: int | None, total: int) -> tuple[str, ...]:
    if few is None:
        return ()
    return (
        f"The result judges {few:,} of {total:,} test examples, drawn at random: all of them would take more than "
        "their share of the minutes. unveil evaluate RUN judges all.",
    )
