"""How odd a number is beside those that are usual: signed units, in which ±1 is where their outermost 5 % begin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TAIL = 0.05  # share of the usual that lies beyond one unit, on a side
OUTER = 0.1  # share of the usual whose distances say how its tail goes on
ROUNDING = 1e-6  # of the largest value, by which values that are alike may differ


def tails(values: Array, usual: Array) -> Array:
    """The signed distance [n] from the median of `usual`, ±1 where the outermost 5 % of `usual` begin on that side."""
    middle, below, above = _ends(usual)
    return _over(values - middle, np.where(values < middle, below, above))


def likelihoods(values: Array, usual: Array) -> Array:
    """As `tails` below the median; above, how far beyond the likeliest 5 %, in the same nats: −1 and 1 are as many.

    log p(x) of ordinary rows has a short upper tail. On a scale of its own, its end would be as odd as that of the
    long lower one, and half of what comes first would be the most ordinary rows.
    """
    middle, below, above = _ends(usual)
    return _over(np.where(values < middle, values - middle, np.maximum(values - middle - above, 0)), below)


def surprises(values: Array, usual: Array) -> Array:
    """−log of the share of `usual` that is as high [n], 1 where it is 5 %; NaN where all of `usual` are alike.

    Beyond the highest the tail goes on as an exponential, by the mean excess of the highest tenth. So measures whose
    tails are long and short have one unit.
    """
    if not differ(usual):
        return np.full(len(values), np.nan)
    known = np.sort(usual[np.isfinite(usual)])
    found = upper_tail(values, known) / -math.log(TAIL)
    return np.where(np.isnan(values), np.nan, found)


def upper_tail(values: Array, known: Array) -> Array:
    """−log of the share [n] of the rising `known` [M] that is as high or higher, half of those that are equal counted.

    It rises in a straight line beyond the highest of them.
    """
    count, top = len(known), known[-1]
    below = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
    return -np.log((count - below + 0.5) / (count + 1)) + np.maximum(values - top, 0) / _excess(known)


def _excess(known: Array) -> float:
    """How far the highest tenth is beyond where it begins, in the mean; a third of the upper half where few tell."""
    begin = np.quantile(known, 1 - OUTER)
    beyond = known[known > begin]
    if len(beyond) >= 5:
        return float(beyond.mean() - begin)
    return float((known[-1] - np.median(known)) or (known[-1] - known[0]) or 1.0) / 3


def _ends(usual: Array) -> tuple[float, float, float]:
    """The median, and how far the 5 % and the 95 % quantile are from it; the other, or the farthest, for none.

    NaN where all of `usual` are alike, or one: nothing then tells how far is far.
    """
    known = usual[np.isfinite(usual)]
    if not differ(known):
        return np.nan, np.nan, np.nan
    low, middle, high = (float(each) for each in np.quantile(known, (TAIL, 0.5, 1 - TAIL)))
    below, above, least = middle - low, high - middle, float(np.abs(known - middle).max())
    return middle, below or above or least, above or below or least


def differ(usual: Array) -> bool:
    """Whether some of the finite values differ by more than rounding does."""
    known = usual[np.isfinite(usual)]
    return len(known) > 1 and bool(np.ptp(known) > ROUNDING * max(1.0, np.abs(known).max()))


def _over(distance: Array, unit: Array | float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / unit)
