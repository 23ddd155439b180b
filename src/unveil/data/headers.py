"""Whether the names of columns are names, or a row of the table already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .tablecolumns import is_number, narwhals

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

Numbers = list[tuple[float, "AnySeries"]]  # names that are numbers, and their columns


def only_numbers(names: Sequence[str]) -> bool:
    """Whether names are numbers, and not 0, 1, …, which pandas writes for an array without names."""
    given = [name for name in names if name]
    return bool(given) and all(map(is_number, given)) and list(map(float, given)) != list(range(len(given)))


def looks_like_values(names: Sequence[str], columns: Sequence[AnySeries]) -> bool:
    """Whether names look like a row of the columns below them.

    They do where each name that is a number lies near the values of its column, and these numbers are not in order (as
    years are), or have fractions, or a text among the names stands again further down; 0, 1, … where all columns hold
    such whole numbers. They do, too, where a column counts on from its name: 0, and below it 1, 2, 3, ….
    """
    given = [(name, column) for name, column in zip(names, columns, strict=True) if name]
    numbers = [(float(name), column) for name, column in given if is_number(name)]
    if any(_counts_on(value, column) for value, column in numbers):
        return True
    if not numbers or not all(_is_near(value, column) for value, column in numbers):
        return False
    values = [value for value, _ in numbers]
    if len(numbers) == len(given) and values == list(range(len(values))):
        return len(values) > 1 and all(column.dtype.is_integer() for _, column in numbers)
    unsorted = len(values) > 1 and values not in (sorted(values), sorted(values, reverse=True))
    fractions = any(value != round(value) for value in values)
    return unsorted or fractions or any(_stands_in(name, column) for name, column in given if not is_number(name))


def _counts_on(value: float, column: AnySeries) -> bool:
    """Whether a column of whole numbers goes on from the value in steps of one."""
    if not column.dtype.is_integer():
        return False
    first = column.head(20).to_list()
    return len(first) > 2 and first == [value + 1 + i for i in range(len(first))]


def _is_near(value: float, column: AnySeries) -> bool:
    """Whether a value is one that the column of numbers might hold."""
    if not column.dtype.is_numeric() or column.is_null().all():
        return False
    low, high = float(column.min()), float(column.max())
    if np.isnan(low) or (column.dtype.is_integer() and value != round(value)):
        return False
    room = (high - low) / 2  # the first of a few rows may be their largest
    return low - room <= value <= high + room


def _stands_in(name: str, column: AnySeries) -> bool:
    return column.dtype == narwhals().String and bool((column == name).any())
