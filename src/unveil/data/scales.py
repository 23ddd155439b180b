"""Numbers of new rows that would be those of training a hundred or a thousand times as large, or as small: a hint."""

from __future__ import annotations

import numpy as np

from .raw import Array

FACTORS = (100.0, 0.01, 1000.0, 0.001)  # a percent sign more or less, then a prefix of a unit
NEARLY = 0.9  # share of the numbers that lie outside, and inside on the other scale
ROUNDING = 1e-6  # of an end, by which a number on the other scale may miss it


def off_scale(values: Array, low: float, high: float) -> float:
    """The factor that brings nearly all numbers [n] between two ends, outside of which they lie; 1 where none does."""
    if not len(values) or not _outside(values, low, high):
        return 1.0
    inside = {factor: float(_within(values * factor, low, high).mean()) for factor in FACTORS}
    best = max(FACTORS, key=lambda factor: inside[factor])
    return best if inside[best] >= NEARLY else 1.0


def _outside(values: Array, low: float, high: float) -> bool:
    return bool(np.mean(~_within(values, low, high)) >= NEARLY)


def _within(values: Array, low: float, high: float) -> Array:
    room = ROUNDING * max(abs(low), abs(high))
    found: Array = (values >= low - room) & (values <= high + room)
    return found


def said_of_scale(
    name: str,
    values: Array,
    ends: tuple[float, float],
    was_percent: bool = False,
    is_percent: bool = False,
    came: str = "holds numbers such as",
) -> tuple[str, ...]:
    """A sentence where the numbers [n] of a column are on another scale than in training; n = 0 says nothing.

    Arguments: ends, the least and the greatest of training; was_percent and is_percent, whether a percent sign stood
    behind the numbers then, and does now; came, what the column does with the numbers.
    """
    wide = values.astype(np.float64)
    factor = off_scale(wide, *ends)
    if factor == 1.0:
        return ()
    row = wide[~_within(wide, *ends)][0]
    times = f"{factor:g} times as much" if factor > 1 else f"a {'hundredth' if factor == 0.01 else 'thousandth'} of it"
    why = "the unit may be another"
    if was_percent != is_percent and factor in (100.0, 0.01):
        why = "a percent sign stood there then" if was_percent else "a percent sign stands there now"
    low, high = ends
    return (
        f"Column {name!r} {came} {row:g}, and held {low:g} to {high:g} in training, where {times} would lie: {why}. "
        "Nothing was converted.",
    )
