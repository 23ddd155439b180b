"""The curves of a run: the one reader of the rows of its metrics."""

from typing import Any

from .store import RunStore

Rows = list[dict[str, Any]]
Curve = tuple[list[int], list[float]]


def curve(run: RunStore, name: str) -> Curve:
    """Steps, counted over all phases, and the value of one quantity at each."""
    metrics = run.metrics
    before, rows = _starts(run, metrics), [row for row in metrics if name in row]
    return [before[row["phase"]] + row["step"] for row in rows], [row[name] for row in rows]


def validation_curve(run: RunStore) -> Curve:
    """Steps, counted over all phases, and the validation bound at each."""
    return curve(run, "valid_bound")


def kept_step(run: RunStore) -> int | None:
    """The step whose weights were kept: the best validation bound of the last phase's last stage."""
    last, metrics = len(run.config.phases) - 1, run.metrics
    rows = [row for row in metrics if "valid_bound" in row and row["phase"] == last]
    rows = [row for row in rows if row.get("stage") == rows[-1].get("stage")]
    return _starts(run, metrics)[-1] + max(rows, key=lambda row: row["valid_bound"])["step"] if rows else None


def last_step(run: RunStore) -> int:
    """The steps that its current phase has made, as far as they are written."""
    return _made(run.metrics, len(run.config.phases) - 1)


def _starts(run: RunStore, metrics: Rows) -> list[int]:
    """The steps made before each phase began."""
    made = [0]
    for phase in range(len(run.config.phases) - 1):
        made.append(made[-1] + _made(metrics, phase))
    return made


def _made(metrics: Rows, phase: int) -> int:
    return max((row["step"] for row in metrics if row["phase"] == phase), default=0)
