"""state.json: the plain values of a state of the training."""

from __future__ import annotations

from msgspec import Struct

from ...records import Count, Sha256


class StateValues(Struct):
    """The plain values of a state."""

    phase: Count
    best_bound: float | None
    since_best: Count
    sums: dict[str, float]
    count: Count
    stopped: bool
    metrics_bytes: Count
    seconds: float
    stage: Count = 0
    lr_factor: float = 1.0
    best_trained: float | None = None
    run: Sha256 | None = None
