"""What a reproduction came to: a row per seed, and what was reached beside what was stated."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..estimators.label import label
from ..files import Plain
from ..records import Text
from .base import Recipe, budget_words

REPRODUCE = "unveil-reproduce-1"
HEADS = ("seed", "−log p(x) ≤", "examples", "training", "judging")


@dataclass(frozen=True)
class Attempt(Plain):
    """What one seed came to.

    Arguments:
        seed, run: of the fit, and its directory.
        nll: −log p(x), nats per test example: an upper bound, the estimator's being a lower one of log p(x).
        stderr, stderr_mc: of the mean over examples, and of the estimator with these examples.
        num_examples, limit, num_test: how many were judged, how many were asked for (None: all), how many there are.
        estimator, num_samples: by what.
        steps, minutes: of training, validations included.
        wall_minutes: of the whole `fit`, with its own judging and report; None where it was resumed, or there before.
        judging_minutes: of the estimate stated here.
        weights: the sha256 of the weights that were judged.
        versions: of what trained it, and of what judged it.
    """

    seed: int
    run: str
    nll: float
    stderr: float | None
    stderr_mc: float | None
    num_examples: int
    limit: int | None
    num_test: int
    estimator: str
    num_samples: int | None
    steps: int
    minutes: float
    wall_minutes: float | None
    judging_minutes: float
    weights: str
    versions: Mapping[str, Any]

    def row(self) -> tuple[str, ...]:
        error = "" if self.stderr is None else f" ± {self.stderr:.2f}"
        trained = f"{self.minutes:.1f} min" if self.wall_minutes is None else f"{self.wall_minutes:.1f} min in all"
        reached = f"{self.nll:.2f}{error}"
        return str(self.seed), reached, f"{self.num_examples:,}", trained, f"{self.judging_minutes:.1f} min"


class RecipeName(Struct):
    """Which recipe it is."""

    name: Text


class ReproductionFile(Struct):
    """reproduce.json, as far as it is gone on with."""

    format: Text
    recipe: RecipeName
    options: dict[str, int | float | str | bool | None]
    limit: int | None
    seeds: list[Attempt]


@dataclass(frozen=True)
class Reproduction:
    """A recipe, what was asked of it, and what each seed came to.

    Arguments:
        recipe: the recipe.
        path: the directory with a run per seed and reproduce.json.
        options: what `fit` was given.
        limit: only so many test examples were judged.
        attempts: one per seed, by seed.
    """

    recipe: Recipe
    path: Path
    options: Mapping[str, Any]
    limit: int | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def nll(self) -> float | None:
        """The mean over seeds."""
        return statistics.fmean(a.nll for a in self.attempts) if self.attempts else None

    @property
    def stderr(self) -> float | None:
        """The standard error of that mean from seed to seed: the test images are the same for all."""
        values = [a.nll for a in self.attempts]
        return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None

    @property
    def difference(self) -> float | None:
        """Reached minus stated; below 0 is better."""
        return None if self.nll is None else self.nll - self.recipe.goal.nll

    @property
    def why_not(self) -> str | None:
        """Why nothing can be said of the number: another budget, or part of the test set."""
        why = []
        if any(self.options.get(name) != value for name, value in self.recipe.budget.items()):
            told = budget_words(self.options), budget_words(self.recipe.options)
            why.append(f"the budget was {told[0]} and the recipe's is {told[1]}")
        if any(a.num_examples < a.num_test for a in self.attempts):
            why.append(f"only {self.attempts[0].num_examples:,} test examples were judged")
        return " and ".join(why) or None

    @property
    def verdict(self) -> str:
        """ "not judged"; "reached", "better" or "missed" beside a number to be met; "below" or "above" a reference."""
        goal, apart = self.recipe.goal, self.difference
        if apart is None or self.why_not:
            return "not judged"
        if goal.kind == "reference":
            return "below" if apart < 0 else "above"
        if apart > goal.tolerance:
            return "missed"
        return "better" if goal.kind == "published" and apart < -goal.tolerance else "reached"

    def rows(self) -> list[tuple[str, ...]]:
        return [attempt.row() for attempt in self.attempts]

    def lines(self) -> list[str]:
        """Stated against reached."""
        goal, reached, apart = self.recipe.goal, self.nll, self.difference
        stated = f"{goal.kind.capitalize():<10} {goal.nll:.2f} nats ({goal.what}; {goal.source})"
        if reached is None or apart is None:
            return [stated, "Reached    nothing yet"]
        error = "" if self.stderr is None else f" ± {self.stderr:.2f}"
        count = len(self.attempts)
        seeds = f"the mean of {count} seeds" if count > 1 else f"seed {self.attempts[0].seed} alone"
        return [
            stated,
            f"Reached    {reached:.2f}{error} nats ({how(self.attempts)}; {seeds})",
            f"Difference {signed(apart)} nats: {self._verdict_words()}.",
            f"Data       {self.recipe.data}, {self.recipe.binarization} binarization. {self.recipe.tuned}",
        ]

    def _verdict_words(self) -> str:
        tolerance = f"the tolerance of {self.recipe.goal.tolerance:g}"
        return {
            "not judged": f"not the recipe, because {self.why_not}",
            "reached": f"reached, inside {tolerance}" if self.recipe.goal.tolerance else "reached",
            "better": f"better than published by more than {tolerance}",
            "missed": f"missed, outside {tolerance}" if self.recipe.goal.tolerance else "missed",
            "below": "better than the reference",
            "above": "worse than the reference",
        }[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """The object of `--json` and of reproduce.json."""
        found = {
            "format": REPRODUCE,
            "recipe": self.recipe.to_json(),
            "options": dict(self.options),
            "limit": self.limit,
            "seeds": [attempt.to_json() for attempt in self.attempts],
            "nll": self.nll,
            "stderr": self.stderr,
            "difference": self.difference,
            "inside": {"reached": True, "better": False, "missed": False}.get(self.verdict),
            "verdict": self.verdict,
            "sentences": self.lines(),
        }
        return found | {"why": {name: why for name, why in self._why().items() if found[name] is None}}

    def _why(self) -> dict[str, str]:
        none = "no seed has been judged yet"
        beside = "a reference is the number of another model, so it cannot be reached or missed"
        return {
            "limit": "all test examples are judged",
            "nll": none,
            "difference": none,
            "stderr": "one seed has no spread" if self.attempts else none,
            "inside": self.why_not or (beside if self.attempts else none),
        }


def how(attempts: Sequence[Attempt]) -> str:
    """IWAE-5000 on 10,000 test examples."""
    first = attempts[0]
    return f"{label(first.estimator, first.num_samples)} on {first.num_examples:,} test examples"


def signed(value: float) -> str:
    """+0.12, −0.12."""
    return f"{value:+.2f}".replace("-", "−")
