"""continuations.json: when training went on, and from where."""

from __future__ import annotations

from msgspec import Struct

from ...records import Count


class Continuation(Struct):
    """When training went on, and from which step."""

    phase: Count
    from_step: Count
    at: float


class ContinuationsFile(Struct):
    """continuations.json."""

    format: str
    continuations: list[Continuation]
