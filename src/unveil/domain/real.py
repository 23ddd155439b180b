"""x of real numbers, all of them or those in [0, 1], kept as float32."""

import numpy as np

from ..errors import Fact
from .kind import Kind, kind
from .values import MAX_COUNT, Array, Misplaced, Values, lies_in, pieces, refuse_where

USED = 0.1  # of [0, 1], by what is meant to fill it


@kind("real")
class Real(Kind):
    """Real numbers: floats that are no scale of 0 … 255."""

    order, is_discrete, likelihood = 50, False, "gaussian"
    retaken = "Any numbers are real data with data.domain=real."
    taken_for = ("binary", "levels", "count", "unit")

    def recognises(self, x: Values) -> bool:
        return x.x.dtype.kind == "f"

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        _require_float32(x.x)
        _require_fine(x.x)
        if asked:
            return None, (Fact("x is taken as real, as asked."),)
        return None, (Fact(f"x is {x.x.dtype} and not a scale of 0 to 255: real."), *_hints(x))

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        _require_float32(x)

    def nearest(self, x: Array, num_levels: int | None) -> Array:
        largest = float(np.finfo(np.float32).max)
        return np.clip(x, -largest, largest) if x.dtype.itemsize > 4 else x


@kind("unit")
class Unit(Kind):
    """The numbers in [0, 1]: hinted at, and never taken for granted."""

    order, is_discrete, ends, likelihood = 40, False, (0.0, 1.0), "continuous_bernoulli"
    retaken = "Numbers from 0 to 1 are unit data with data.domain=unit."
    taken_for = ("real", "binary")

    def recognises(self, x: Values) -> bool:
        return False

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        _refuse_outside_unit(x.x, "unit data", "Give data.domain=real, or leave data.domain out.")
        return None, (Fact("x is taken as unit, as asked."),)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        _refuse_outside_unit(x, f"this run's domain {domain}", "")

    def nearest(self, x: Array, num_levels: int | None) -> Array:
        return np.clip(x, 0, 1)


def _refuse_outside_unit(x: Array, whose: str, remedy: str) -> None:
    if not lies_in(x, 0, 1):
        refuse_where((x < 0) | (x > 1), x, f"outside {whose}, the numbers from 0 to 1", remedy)


def _require_float32(x: Array) -> None:
    """Refuse what does not fit in float32."""
    largest = float(np.finfo(np.float32).max)
    if x.dtype.itemsize > 4 and not lies_in(x, -largest, largest):
        refuse_where((x > largest) | (x < -largest), x, "beyond float32 (3.4e38)", "Rescale them.")


def _require_fine(x: Array) -> None:
    """Refuse a column that varies by less than float32 can tell apart."""
    if np.can_cast(x.dtype, np.float32):
        return
    spread = np.asarray(x.max(0), np.float64) - np.asarray(x.min(0), np.float64)
    lost = np.max([np.abs(part - part.astype(np.float32).astype(np.float64)).max(0) for part in pieces(x)], 0)
    coarse = (spread > 0) & (lost > 1e-3 * spread)
    if coarse.any():
        place = tuple(int(i) for i in np.unravel_index(int(coarse.argmax()), coarse.shape))
        after = (
            f", where x spans {spread[place]:.3g} around {float(x[(0, *place)]):.6g}; subtract an offset from it first."
        )
        raise Misplaced("float32 cannot hold the differences in ", place, after)


def _hints(x: Values) -> tuple[str, ...]:
    """What x may be instead, and whether its channels come first."""
    return (*_otherwise(x), *x.layout)


def _otherwise(x: Values) -> tuple[str, ...]:
    if x.is_scaled:
        return ("x looks like grey levels divided by 255; np.rint(x * 255) makes it levels(256).",)
    if x.whole and max(-x.low, x.high) <= MAX_COUNT:  # above, nothing could be shifted there or counted
        count = ", or give data.domain=count if they count something" if x.low >= 0 else ""
        said = "x holds only integers, for which a density has no upper bound; shift them into 0 … 255 for levels"
        return (f"{said}{count}.",)
    if x.low >= 0 and USED <= x.high <= 1:
        return ("x lies in [0, 1]; data.domain=unit gives it a density that does, too.",)
    return ()
