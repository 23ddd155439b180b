"""Whether the names of columns are names, or a row of the table already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .raw import MISSING
from .tablecolumns import ROWS, is_empty, is_number, narwhals
from .writtennumbers import decimals

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

DATE = re.compile(r"(\d{4}([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3(\d{4}|\d\d))([ T]\d\d?:\d\d.*)?")
TIME = re.compile(r"\d\d?:\d\d(:\d\d.*)?")
NEAR = 0.75  # share of the names that are numbers and near their columns, from which on a first line is a row


def only_numbers(names: Sequence[str]) -> bool:
    """Whether names are numbers, and not 0, 1, …, which pandas writes for an array without names."""
    given = [name for name in names if name]
    return bool(given) and all(map(is_number, given)) and list(map(float, given)) != list(range(len(given)))


def looks_like_values(names: Sequence[str], columns: Sequence[AnySeries]) -> bool:
    """Whether names look like a row of the columns below them.

    They do where all are numbers, dates, marks of a missing value or texts that stand again further down, or most are,
    and one such text among them. They do, too, where each name that is a number lies near the values of its column, and
    these numbers are not in order (as years are), or have fractions, or a text among the names stands again further
    down; 0, 1, … where all columns hold such whole numbers; and where a column counts on from its name: 0, and below it
    1, 2, 3, ….
    """
    given = [(name, column) for name, column in zip(names, columns, strict=True) if name]
    numbers = [(float(name), column) for name, column in given if is_number(name)]
    if any(_counts_on(value, column) for value, column in numbers) or _are_cells(given):
        return True
    if not numbers or not all(_is_near(value, column) for value, column in numbers):
        return False
    values = [value for value, _ in numbers]
    if len(numbers) == len(given) and values == list(range(len(values))):
        return len(values) > 1 and all(column.dtype.is_integer() for _, column in numbers)
    unsorted = len(values) > 1 and values not in (sorted(values), sorted(values, reverse=True))
    fractions = any(value != round(value) for value in values)
    return unsorted or fractions or any(_stands_in(name, column) for name, column in given if not is_number(name))


def surely_values(names: Sequence[str], columns: Sequence[AnySeries]) -> bool:
    """Whether a first line that looks like values, or is of numbers alone, can be nothing but a row.

    No column contradicts: a text stands above text, a date above dates. And a text stands again below, a date stands
    above dates, or three quarters of the numbers are near those of their columns. Numbers that rise by equal steps
    (2019, 2020, …; 400.5, 401.0, …) may be names whatever stands below them, and so may 0, 1, … above whole numbers.
    """
    given = [(name, column) for name, column in zip(names, columns, strict=True) if not _is_mark(name)]
    if not all(_may_stand_in(name, column) for name, column in given):
        return False
    if any(_stands_in(name, column) or _is_written_like(name, column) for name, column in given):
        return True
    numbers = [(float(name), column) for name, column in given if is_number(name)]
    on = [_counts_on(value, column) for value, column in numbers]
    near = [counts or _is_near(value, column) for counts, (value, column) in zip(on, numbers, strict=True)]
    if not numbers or sum(near) < NEAR * len(near):
        return False
    return any(on) or len(numbers) < len(given) or not _are_steps([value for value, _ in numbers])


def holds_values(names: Sequence[str], columns: Sequence[AnySeries]) -> bool:
    """Whether a first line that should hold no names holds a number, a date, a mark or a text from below."""
    given = [name for name in names if not _is_mark(name)]
    are_values = any(is_number(name) or decimals([name]) or DATE.fullmatch(name.strip()) for name in given)
    return len(given) < len(names) or are_values or looks_like_values(names, columns)


def _are_steps(values: Sequence[float]) -> bool:
    """Whether numbers rise by equal steps, as years and wavelengths do; two of them where they are whole."""
    steps = np.diff(values)
    if len(values) == 2 and any(value != round(value) for value in values):
        return False
    return len(values) > 1 and bool((steps > 0).all()) and bool(np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def _is_mark(name: str) -> bool:
    return name.strip().casefold() in MISSING


def _is_written_like(name: str, column: AnySeries) -> bool:
    """Whether a name is a date above dates, or a number that only text has (5%, 0,5) above such."""
    if column.dtype.is_temporal() or is_number(name):
        return not is_number(name)
    cells = column.drop_nulls().head(1).to_list() if column.dtype == narwhals().String else []
    both = [name.strip(), *(cell.strip() for cell in cells)]
    return bool(cells) and (all(map(DATE.fullmatch, both)) or all(bool(decimals([text])) for text in both))


def _may_stand_in(name: str, column: AnySeries) -> bool:
    """Whether a column may hold a name: one of numbers holds no text, one of dates nothing but dates."""
    if is_empty(column) or is_number(name):
        return not column.dtype.is_temporal()
    if column.dtype.is_temporal():
        return DATE.fullmatch(name.strip()) is not None or TIME.fullmatch(name.strip()) is not None
    if column.dtype != narwhals().String:
        return False
    cells = column.drop_nulls().head(ROWS).to_list()
    numbers = sum(is_number(cell) or bool(decimals([cell])) for cell in cells)
    return bool(decimals([name])) or 2 * numbers < len(cells)


def _are_cells(given: Sequence[tuple[str, AnySeries]]) -> bool:
    """Whether names are what cells hold, whatever stands below them."""
    values = [name for name, _ in given if DATE.fullmatch(name.strip()) or decimals([name]) or is_number(name)]
    known = set(values)
    gaps = [name for name, _ in given if name not in known and name.strip().casefold() in MISSING]
    known |= set(gaps)
    again = [name for name, column in given if name not in known and _stands_in(name, column)]
    if len(values) + len(gaps) + len(again) == len(given):
        return (bool(values) and len(given) > len(values)) or len(again) > 1 or _are_written(values)
    return bool(again) and bool(values) and 2 * (len(values) + len(gaps) + len(again)) > len(given)


def _are_written(values: Sequence[str]) -> bool:
    """Whether values are dates, or numbers as only text has them: 5%, 0,5."""
    return bool(values) and not all(map(is_number, values))


def _counts_on(value: float, column: AnySeries) -> bool:
    """Whether a column of whole numbers goes on from the value in steps of one."""
    if not column.dtype.is_integer():
        return False
    first = column.head(20).to_list()
    return len(first) > 2 and first == [value + 1 + i for i in range(len(first))]


def _is_near(value: float, column: AnySeries) -> bool:
    """Whether a value is one that the column of numbers, marks of a missing value among them, might hold."""
    held = column
    if column.dtype == narwhals().String:
        cells = column.drop_nulls().head(ROWS).to_list()
        found = [float(cell) for cell in cells if is_number(cell)]
        if 2 * len(found) <= len(cells):
            return False
        held = narwhals().new_series(column.name, found, backend=column.implementation)
    if not held.dtype.is_numeric() or held.is_null().all():
        return False
    low, high = float(held.min()), float(held.max())
    if np.isnan(low) or (held.dtype.is_integer() and value != round(value)):
        return False
    room = (high - low) / 2  # the first of a few rows may be their largest
    return low - room <= value <= high + room


def _stands_in(name: str, column: AnySeries) -> bool:
    """Whether a name is a value of its column of text; not of one of numbers, which holds a header again."""
    if column.dtype != narwhals().String or name not in set(column.to_list()):
        return False
    cells = column.drop_nulls().head(ROWS).to_list()
    return 2 * sum(map(is_number, cells)) < len(cells)
