"""Several runs on the same data, side by side: what each came to, and what separates them, example by example."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.split import spread_rows
from ..diagnostics.verdicts import clearly
from ..errors import RequestError
from ..estimators.label import label_of
from ..files import Plain, finite
from ..ops import mean_and_error
from ..runs.curves import validation_curve
from ..runs.store import RunStore
from .judged import of_x_alone

COMPARISON = "unveil-comparison-1"
FEWEST = 20  # shared test examples that runs are compared on


@dataclass(frozen=True)
class Row(Plain):
    """One run of a comparison.

    Arguments:
        run: the run.
        result: its result.json; its numbers are of log p(x) where runs of both meanings are compared.
        difference: mean of log p(x) minus that of the best run, nats per test example; 0 for the best.
        stderr: the standard error of that mean, paired over the examples; None for the best, or for one example.
        curve: (steps, validation bounds), over all phases.
    """

    run: RunStore
    result: dict[str, Any]
    difference: float
    stderr: float | None
    curve: tuple[list[int], list[float]]

    @property
    def name(self) -> str:
        return self.run.path.name

    def to_json(self) -> dict[str, Any]:
        return {"run": str(self.run.path)} | self.columns() | {"curve": {"step": self.curve[0], "bound": self.curve[1]}}

    def columns(self) -> dict[str, Any]:
        """The row as named values, for a table."""
        config, result = self.run.config, self.result
        numbers = ("log_px", "stderr", "stderr_mc", "elbo", "rate", "distortion", "active_units", "bits_per_dim")
        return {
            "name": self.name,
            "model": config.model_name,
            "objective": config.objective.get("name", "own objective"),
            **{name: result[name] for name in (*numbers, "direction", "estimator", "num_samples")},
            "difference": self.difference,
            "difference_stderr": self.stderr,
        }


@dataclass(frozen=True)
class Comparison(Plain):
    """Runs on the same data, the best first.

    Arguments: rows; source and binarization they share; remarks, sentences on what to keep in mind.
    """

    rows: tuple[Row, ...]
    source: str
    binarization: str | None
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        found = super().to_json()
        return {"format": COMPARISON, "runs": found.pop("rows"), **found}


def compare(runs: Sequence[RunStore]) -> Comparison:
    """Finished runs judged on the same test examples, the best first.

    Differences are paired: log p(x) of the same test example under both models, then mean and standard error, which is
    far smaller than that of either mean.

    Arguments: at least two runs. Raises RequestError where the data, its binarization or the
    split differ: log-likelihoods of different data cannot be compared.
    """
    if len(runs) < 2:
        raise RequestError(f"{len(runs)} run came; a comparison takes at least two.")
    for run in runs:
        run.require_present()
    for other in runs[1:]:
        _require_same_data(runs[0], other)
    mixed = len({run.result.get("condition") for run in runs}) > 1
    which = [_which(run, mixed) for run in runs]
    scores = _of_the_same([run.scores(name).astype(np.float64) for run, name in zip(runs, which, strict=True)], runs)
    best = int(np.argmax([s.mean() for s in scores]))
    rows = [_row(run, s, scores[best], run is runs[best], mixed) for run, s in zip(runs, scores, strict=True)]
    rows.sort(key=lambda row: -row.difference)
    info = runs[0].data_info
    return Comparison(tuple(rows), info["source"], info["binarization"], tuple(_remarks(rows, mixed)))


def _of_the_same(scores: list[np.ndarray], runs: Sequence[RunStore]) -> list[np.ndarray]:
    """The scores of the test examples that all runs were judged on, where a budget left some of them fewer than all."""
    total = runs[0].data_info["split"]["sizes"]["test"]
    places = [spread_rows(total, run.config.judging.num_examples or total).numpy() for run in runs]
    shared = functools.reduce(np.intersect1d, places)
    if len(shared) < min(FEWEST, total):
        raise RequestError(
            f"These runs were judged on {', '.join(f'{len(place):,}' for place in places)} of {total:,} test examples, "
            f"of which only {len(shared)} are the same.",
            "Fit them with more --minutes, or judge each on all: unveil evaluate RUN.",
        )
    return [own[np.searchsorted(place, shared)] for own, place in zip(scores, places, strict=True)]


def _which(run: RunStore, mixed: bool) -> str:
    """The scores that a run is compared by: log p(x) where others do not know the label."""
    return "test_without_labels" if mixed and run.result.get("condition") == "label" else "test"


def _row(run: RunStore, scores: np.ndarray, best: np.ndarray, is_best: bool, mixed: bool) -> Row:
    mean, stderr = mean_and_error(scores - best)
    result = of_x_alone(run.result) if mixed else run.result
    return Row(run, result, mean, None if is_best else finite(stderr), validation_curve(run))


def _require_same_data(first: RunStore, other: RunStore) -> None:
    if first.domain.models_gaps != other.domain.models_gaps:
        one, two = sorted((first, other), key=lambda run: run.domain.models_gaps, reverse=True)
        raise RequestError(
            f"{one.path} models which cells are missing and {two.path} leaves that out: log p(x, mask) and log p(x) of "
            "what is observed cannot be compared.",
            "Fit both with the same data.missing.",
        )
    a, b = first.data_info, other.data_info
    for key in ("sha256", "binarization", "domain", "split"):
        one, two, what = a[key], b[key], "data (its fingerprint differs)" if key == "sha256" else key
        if one != two:
            shown = f": {_short(one)} and {_short(two)}" if not isinstance(one, dict) else ""
            raise RequestError(
                f"{first.path} and {other.path} differ in their {what}{shown}.",
                "Log-likelihoods of different data cannot be compared; fit both on the same data.",
            )


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 20 else str(value)


def _remarks(rows: Sequence[Row], mixed: bool) -> list[str]:
    found = []
    how = {label_of(row.result) for row in rows}
    if len(how) > 1:
        found.append(
            "The runs were judged in different ways, and a tighter bound looks better. For a fair difference, judge "
            "each by unveil evaluate with the same --estimator and --num-samples."
        )
    if unsure := [row.name for row in rows[1:] if not clearly(row.difference, row.stderr, row.result["num_examples"])]:
        found.append(
            f"{rows[0].name} is not clearly better than {', '.join(unsure)}: the difference is within its error, or "
            "too small to matter."
        )
    if mixed:
        found.append(
            "Some of the runs were given the labels, and the others were not. All are compared by log p(x), with the "
            "labels summed out."
        )
    return found
