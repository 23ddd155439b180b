"""Values that lie so far from all others of their column that they are no measurement: fill values, slips of a logger.

One 1e20 among a thousand numbers is all that a mean and a standard deviation would tell. Such a value is taken as not
observed, and said.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fills import remedy, written
from .raw import Array, Raw

FAR = 1000.0  # times the usual distance from the middle
APART = 100.0  # times as far as the farthest that is kept
SHARE = 0.01  # of a column, that may be stray; more where all hold one value, which then is a fill value
FILLED = 0.3
BEYOND = 1e6  # what counts of one thing do not jump by
NAMED = 3


def stray(x: Array, observed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Which values of x [N, D] (of other shapes: of all of x) are stray, [N, …].

    A column is sorted by the distance d of its values from their median. Values are stray above a place where d grows
    hundredfold from one value to the next, to more than a thousand times its usual size, if they are at most 1 % of the
    column, or up to 30 % that all hold the same number. A long tail has no such place. In a column of whole numbers,
    which may be counts, values that differ are stray only a million away.
    """
    if x.dtype.kind != "f":
        return np.zeros(x.shape, bool)
    if x.ndim != 2:
        flat = stray(x.reshape(-1, 1), None if observed is None else observed.reshape(-1, 1))
        return flat.reshape(x.shape)
    found = np.zeros(x.shape, bool)
    for column in range(x.shape[1]):
        seen: Any = slice(None) if observed is None else observed[:, column]
        found[seen, column] = stray_values(x[seen, column].astype(np.float64, copy=False))
    return found


def stray_values(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the values [N] of one column are stray, [N]."""
    none = np.zeros(len(values), bool)
    if len(values) < 10 or not np.isfinite([values.min(), values.max()]).all():  # which is refused, later and by name
        return none
    middle = float(np.median(values))
    limits = _limits(values, middle)
    counts = bool(len(limits)) and bool((values == np.rint(values)).all())
    for limit in limits:
        far = np.abs(values - middle) >= limit
        one = len(np.unique(values[far])) == 1
        few = far.mean() <= max(SHARE, 1 / len(values)) and (one or not counts or limit > BEYOND)
        if few or (far.mean() <= FILLED and one):
            return far
    return none


def _limits(values: NDArray[np.float64], middle: float) -> NDArray[np.float64]:
    """The distances from the middle that lie above such a place, rising; with one copy of the values."""
    distance = np.subtract(values, middle)
    np.abs(distance, out=distance).sort()
    off = distance[np.searchsorted(distance, 0, side="right") :]
    if not len(off):
        return off
    usual = float(off[(len(off) - 1) // 2] + off[len(off) // 2]) / 2
    first = max(1, int(np.searchsorted(off, FAR * usual, side="right")))
    with np.errstate(over="ignore"):  # what lies so far off is infinitely apart
        return off[first:][off[first:] > APART * off[first - 1 : -1]]


def sentence(raw: Raw, found: NDArray[np.bool_]) -> str:
    """What was found in x, by column, with the first value of each."""
    x = raw.x
    if x.ndim != 2:
        return _said(f"{int(found.sum()):,} values of x, such as {x[found][0]:.6g},", _remedy(raw, found))
    names = [repr(name) for name in raw.columns] if raw.columns is not None else [str(i) for i in range(x.shape[1])]
    told = []
    for i in np.flatnonzero(found.any(0))[:NAMED]:
        rows = np.flatnonzero(found[:, i])
        times = "" if len(rows) == 1 else f" ({len(rows):,} values such as this)"
        told.append(f"{x[rows[0], i]:.6g} in column {names[i]}, row {rows[0]}{times}")
    more = int(found.any(0).sum()) - NAMED
    what = "; ".join(told) + (f"; and such values in {more} more columns" if more > 0 else "")
    return _said(what, _remedy(raw, found))


def _remedy(raw: Raw, found: NDArray[np.bool_]) -> str:
    """What takes the same values as missing wherever they come; "" where they are many different ones."""
    values = np.unique(raw.x[found])
    return f" If it means missing: {remedy(raw, list(map(written, values)))}" if len(values) <= NAMED else ""


def _said(what: str, way: str) -> str:
    return (
        f"Far from all other values: {what}. It is taken as not observed, like a fill value; if it is something else, "
        f"correct it or leave its row out.{way}"
    )
