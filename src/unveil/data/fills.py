"""Values that look like a mark of what is missing (-999, 99.9, 1e20) and may be real: said, and left as they are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .raw import Array, Raw

NINES = re.compile(r"9+(\.9+)?")
USUAL = (
    32767,
    32768,
    65535,
    2147483647,
    2147483648,
    4294967295,
    2**63,
    1e20,
    1e30,
    1e36,
    9.96921e36,
    3.40282e38,
)  # of either sign
NAMED = 3
STRANGE = 10.0  # times what the other values span, from which on one mark is enough


def fills(x: Array, observed: NDArray[np.bool_] | None) -> dict[int, dict[str, int]]:
    """The usual marks that stand apart in x [N, D] (of other shapes: in all of x), by column, and their rows.

    A mark stands in two rows or more, beyond all other values of its column, by as much as they span or more; or is
    negative where they are not.
    """
    if x.ndim != 2:
        return fills(x.reshape(-1, 1), None if observed is None else observed.reshape(-1, 1))
    found = {}
    for i in range(x.shape[1]):
        column = x[:, i] if observed is None else x[observed[:, i], i]
        if marks := _of_column(column):
            found[i] = marks
    return found


def _of_column(column: Array) -> dict[str, int]:
    """The marks among the values at both ends of a column, each looked for in one pass over it: most have none."""
    if not len(column) or not (_is_usual(column.min()) or _is_usual(column.max())):
        return {}
    below, rest = _usual_first(column, np.min)
    above, rest = _usual_first(rest, np.max)
    if not len(rest) or rest.min() == rest.max():
        return {}
    low, high = float(rest.min()), float(rest.max())
    whole = column.dtype.kind in "iu"
    return {
        written(value): count
        for value, count in (*below, *reversed(above))
        if count >= (1 if whole and _is_strange(float(value), low, high) else 2) and _apart(float(value), low, high)
    }


def _usual_first(column: Array, end: Callable[[Array], Any]) -> tuple[list[tuple[Any, int]], Array]:
    """The usual marks from one end on, with how often each stands there, and the column without them."""
    found = []
    while len(column) and _is_usual(value := end(column)):
        rest = column[column != value]
        found.append((value, len(column) - len(rest)))
        column = rest
    return found, column


def _is_usual(value: Any) -> bool:
    size = abs(float(value))
    return bool(NINES.fullmatch(f"{size:.7g}")) or any(math.isclose(size, usual, rel_tol=2e-6) for usual in USUAL)


def _is_strange(value: float, low: float, high: float) -> bool:
    """Whether one such value among whole numbers tells enough, as -999 among counts."""
    return _far(value, low, high) >= STRANGE * (high - low) or value <= -99 < 0 <= low


def _far(value: float, low: float, high: float) -> float:
    return max(low - value, value - high)


def _apart(value: float, low: float, high: float) -> bool:
    return _far(value, low, high) >= high - low or value < 0 <= low


def written(value: Any) -> str:
    """A number in the fewest digits that are read as the same."""
    if isinstance(value, np.integer):
        return str(value)
    short = f"{value:g}"
    return short if type(value)(short) == value else str(value)


def remedy(raw: Raw, marks: list[str]) -> str:
    """What makes such values of x missing, as it is typed."""
    if raw.frame is not None or raw.source != "array":
        return f"data.na_values={','.join(marks)}"
    if len(marks) == 1:
        return f"x = np.where(x == {marks[0]}, np.nan, x)"
    return f"x = np.where(np.isin(x, [{', '.join(marks)}]), np.nan, x)"


def noted(raw: Raw) -> tuple[str, ...]:
    """A sentence for each of the first such columns; whole numbers of 8 bits are left alone, as pictures."""
    if raw.x.dtype.kind not in "fiu" or raw.x.dtype == np.uint8 or not raw.x.size:
        return ()
    found = fills(raw.x, raw.observed)
    shown = [_said(raw, column, found) for column in list(found)[:NAMED]]
    more = len(found) - len(shown)
    return (*shown, f"Such values stand in {more} more columns.") if more > 0 else tuple(shown)


def way_out(raw: Raw) -> str:
    """What makes all such values of whole numbers missing, for a refusal of x; "" where there are none."""
    if raw.x.dtype.kind not in "iu" or raw.x.dtype == np.uint8 or not raw.x.size:
        return ""
    marks = sorted({mark for found in fills(raw.x, raw.observed).values() for mark in found}, key=float)
    below = np.unique(raw.x[raw.x < 0])
    if not marks and below.tolist() == [-1]:
        marks = ["-1"]
    return f"If {' and '.join(marks)} mean{'s' * (len(marks) == 1)} missing: {remedy(raw, marks)}" if marks else ""


def _said(raw: Raw, column: int, found: dict[int, dict[str, int]]) -> str:
    marks, where, places = found[column], "", "places"
    if raw.x.ndim == 2:
        where, places = f" of column {raw.columns[column]!r}" if raw.columns else f" of column {column}", "rows"
    told = " and ".join(
        f"{mark} stands in {count:,} {places if count > 1 else places[:-1]}" for mark, count in marks.items()
    )
    what = "if it means" if len(marks) == 1 else "if they mean"
    way = _alone(raw, column, list(marks)) if _stand_elsewhere(raw, column, found) else remedy(raw, list(marks))
    return f"{told}{where}, far from all its other values; {what} missing: {way}"


def _stand_elsewhere(raw: Raw, column: int, found: dict[int, dict[str, int]]) -> bool:
    """Whether the marks of a column are ordinary values of another one."""
    if raw.x.ndim != 2:
        return False
    ordinary = [i for i in range(raw.x.shape[1]) if not found[column].keys() <= found.get(i, {}).keys()]
    same = np.isin(raw.x[:, ordinary], [float(mark) for mark in found[column]])
    return bool((same if raw.observed is None else same & raw.observed[:, ordinary]).any())


def _alone(raw: Raw, column: int, marks: list[str]) -> str:
    """What makes marks missing in one column, and leaves the others as they are."""
    if raw.frame is not None and raw.columns:
        name = f"frame[{raw.columns[column]!r}]"
        return f"{name} = {name}.mask({name}.isin([{', '.join(marks)}])) in pandas, for other columns hold it, too"
    return f"x = x.astype(float); x[np.isin(x[:, {column}], [{', '.join(marks)}]), {column}] = np.nan"
