"""x of the integers from 0 upwards, which count something."""

import numpy as np

from ..errors import Fact
from .kind import Kind, kind
from .values import MAX_COUNT, MAX_LEVELS, Array, Values, is_whole, lies_in, refuse_where


@kind("count")
class Count(Kind):
    """The integers from 0 upwards; recognised in vectors of integers that go on above 255."""

    order, is_discrete, likelihood = 30, True, "negative_binomial"
    retaken = "Integers that count something are counts with data.domain=count."
    taken_for = ("binary", "levels")

    def recognises(self, x: Values) -> bool:
        return x.x.dtype.kind in "iu" and x.x.ndim == 2 and x.low >= 0 and x.high >= MAX_LEVELS

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        _refuse(x.x, "count data", f"Give data.domain=real{', or leave data.domain out' if asked else ''}.")
        if asked:
            return None, (Fact("x is taken as count, as asked."),)
        held = f"x is {x.x.dtype} and holds {int(x.low)} to {int(x.high)}"
        return None, (Fact(f"{held}: count; data.domain=real takes it as real."),)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        _refuse(x, f"this run's domain {domain}", "")

    def nearest(self, x: Array, num_levels: int | None) -> Array:
        return np.clip(np.rint(x) if x.dtype.kind == "f" else x, 0, MAX_COUNT)


def _refuse(x: Array, whose: str, remedy: str) -> None:
    if lies_in(x, 0, MAX_COUNT) and is_whole(x):
        return
    bad = (x < 0) | (x > MAX_COUNT) | (x != np.rint(x) if x.dtype.kind == "f" else False)
    refuse_where(bad, x, f"outside {whose}, the integers from 0 to {MAX_COUNT}", remedy)
