"""Dates that may stand for none, as 9999-12-31 and 1900-01-01 do: said, and missing where that is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np

from .columns import Column
from .dates import fitting, read_dates
from .raw import Array
from .tablecolumns import joined

FAR = np.timedelta64(36_525, "D")  # from the median of the others: 100 years
EARLY, LATE = np.datetime64("1000-01-01"), np.datetime64("2200-01-01")  # beyond which one row is enough
USUAL = ("1900-01-01", "1899-12-30", "1899-12-31", "1970-01-01", "1753-01-01", "1601-01-01")  # where clocks begin
OFTEN, MOST = 2, 3  # rows from which one date is no slip, and such dates at either end of a column


def without_far(values: Array, missing: Sequence[str], zone: str = "") -> Array:
    """Dates [N], those being missing that are among texts for a missing value.

    Arguments: zone, whose clocks show the dates.
    """
    marks = [read_dates([text], ways[0], 0, zone)[0] for text in missing if (ways := fitting(text))]
    return np.where(np.isin(values, np.array(marks, values.dtype)), np.datetime64("NaT"), values) if marks else values


def said_far(column: Column, values: Array) -> tuple[str, ...]:
    """A sentence where dates [N] of a column stand apart from all others, with what makes them missing."""
    found = far_dates(values)
    if not found:
        return ()
    ticks = np.array(list(found)).astype(f"datetime64[{column.unit}]").astype(np.int64)
    texts = column.texts(ticks - int(column.origin))
    told = zip(texts, found.values(), strict=True)
    rows = [f"{text} stands in {count:,} row{'s' * (count != 1)}" for text, count in told]
    it = "it means" if len(texts) == 1 else "they mean"
    return (
        f"{' and '.join(rows)} of column {column.name!r}, far from all its other dates; if {it} missing: "
        f"{shlex.quote(f'data.na_values={joined(texts)}')}",
    )


def far_dates(values: Array) -> dict[np.datetime64, int]:
    """The dates at both ends of [N] that stand apart from all others, and their rows."""
    distinct, counts = np.unique(values[~np.isnat(values)].astype("datetime64[us]"), return_counts=True)
    found: dict[np.datetime64, int] = {}
    for end in (0, -1):
        for _ in range(MOST):
            if len(distinct) < 3 or not _is_far(distinct, counts, end):
                break
            found[distinct[end]] = int(counts[end])
            distinct, counts = np.delete(distinct, end), np.delete(counts, end)
    return found


def _is_far(distinct: Array, counts: Array, end: int) -> bool:
    """Whether the first or the last of rising dates stands apart from the others."""
    value, others, rows = distinct[end], np.delete(distinct, end), np.delete(counts, end)
    middle = others[np.searchsorted(rows.cumsum(), rows.sum() / 2)]
    away = np.abs(value - middle)
    if away > FAR:
        return bool(counts[end] >= OFTEN or value >= LATE or value < EARLY)
    is_usual = value in np.array(USUAL, "datetime64[us]") and counts[end] >= OFTEN
    return bool(is_usual and np.abs(value - others[end]) > others[-1] - others[0])
