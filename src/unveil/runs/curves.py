"""The curves of a run, read from its metrics."""

from __future__ import annotations

from .store import RunStore


def validation_curve(run: RunStore) -> tuple[list[int], list[float]]:
    """Steps, counted over all phases, and the validation bound at each."""
    steps, bounds, before, last, phase = [], [], 0, 0, 0
    for row in run.metrics:
        if row["phase"] != phase:
            before, phase = before + last, row["phase"]
        last = row["step"]
        if "valid_bound" in row:
            steps.append(before + row["step"])
            bounds.append(row["valid_bound"])
    return steps, bounds
