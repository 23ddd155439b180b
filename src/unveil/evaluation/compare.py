"""Several runs on the same data, side by side: what each came to, and what separates them, example by example."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RequestError
from ..files import Plain, finite
from ..ops import mean_and_error
from ..runs.curves import validation_curve
from ..runs.store import RunStore

COMPARISON = "unveil-comparison-1"


@dataclass(frozen=True)
class Row(Plain):
    """One run of a comparison.

    Arguments:
        run: the run.
        result: its result.json.
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
    for other in runs[1:]:
        _require_same_data(runs[0], other)
    scores = [run.scores("test").astype(np.float64) for run in runs]
    best = int(np.argmax([s.mean() for s in scores]))
    rows = [_row(run, s, scores[best], run is runs[best]) for run, s in zip(runs, scores, strict=True)]
    rows.sort(key=lambda row: -row.result["log_px"])
    info = runs[0].data_info
    return Comparison(tuple(rows), info["source"], info["binarization"], tuple(_remarks(rows)))


def _row(run: RunStore, scores: np.ndarray, best: np.ndarray, is_best: bool) -> Row:
    mean, stderr = mean_and_error(scores - best)
    return Row(run, run.result, mean, None if is_best else finite(stderr), validation_curve(run))


def _require_same_data(first: RunStore, other: RunStore) -> None:
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


def _remarks(rows: Sequence[Row]) -> list[str]:
    found = []
    how = {(row.result["estimator"], row.result["num_samples"]) for row in rows}
    if len(how) > 1:
        found.append(
            "The runs were judged in different ways, and a tighter bound looks better. For a fair difference, judge "
            "each by unveil evaluate with the same --estimator and --num-samples."
        )
    conditions = {row.run.config.model.get("num_classes") or 0 for row in rows}
    if len(conditions) > 1:
        found.append("Some of the runs are conditioned on the label: they state log p(x|y), the others log p(x).")
    return found
