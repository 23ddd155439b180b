"""x of the integers 0 … n − 1, n ≤ 256: grey levels, and other small scales."""

from __future__ import annotations

import numpy as np

from ..errors import RequestError
from .kind import Kind, kind
from .values import MAX_LEVELS, PEEK, Array, Values, refuse_off_levels

FEW_LEVELS = 17  # uint8 up to 16 is a small scale of its own (digits); above, it is a picture with 256 levels
EACH = 32  # most levels that the default likelihood gives a probability each; above, it is smooth


@kind("levels")
class Levels(Kind):
    """The integers 0 … n − 1."""

    order, is_discrete, is_finite, has_levels = 20, True, True, True

    def recognises(self, x: Values) -> bool:
        return x.is_scale

    def take(self, x: Values, levels: int, asked: bool) -> tuple[int, tuple[str, ...]]:
        x.require_scale("levels")
        top = int(x.high)
        count = levels or (MAX_LEVELS if x.x.dtype == np.uint8 and top >= FEW_LEVELS else max(top + 1, 2))
        if top >= count:
            raise RequestError(
                f"x holds the value {top}; levels({count}) end at {count - 1}. Give data.levels={top + 1}."
            )
        return count, (_said(x, top, count), *_two_values(x.x, top), *x.layout)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        assert num_levels is not None
        refuse_off_levels(x, domain, num_levels - 1, "")

    def likelihood(self, num_levels: int | None) -> str:
        assert num_levels is not None
        return "categorical" if num_levels <= EACH else "discretized_logistic"


def _said(x: Values, top: int, count: int) -> str:
    kind, low, found = x.x.dtype, int(x.low), f"levels({count})"
    if kind.kind == "f":
        return f"x is {kind} and holds only the integers {low} to {top}: {found}; data.domain=real takes it as real."
    return f"x is {kind} and holds {low} to {top}: {found}."


def _two_values(x: Array, top: int) -> tuple[str, ...]:
    if top > 1 and all(bool(((part == 0) | (part == top)).all()) for part in (x[:PEEK], x)):
        return (f"x holds only 0 and {top}; x // {top} makes it binary.",)
    return ()
