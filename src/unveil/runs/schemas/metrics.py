"""metrics.jsonl: a row for each point of the curves, every quantity a number beside where it stands."""

from __future__ import annotations

from msgspec import Struct

from ...records import Count, Text


class Row(Struct):
    """What every row has; the others of its values are numbers, or null where one was not finite."""

    phase: Count
    step: Count
    stage: Text = "main"
    time: dict[str, float] = {}
