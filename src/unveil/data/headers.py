"""Whether the first line of a table of text names its columns, or is a row already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .tablecolumns import is_number


def looks_like_values(names: Sequence[str], table: Any) -> bool:
    """Whether the first line looks like a row of the table of pyarrow below it.

    Only numbers do, but for 0, 1, …, which pandas writes for an array without names, above what is no row of them.
    Names and numbers do where each number lies near the values of its column, and the numbers are not in order (as
    years are), or have fractions, or a text stands again further down. Any do where a column counts on from its name:
    0, and below it 1, 2, 3, ….
    """
    given = [(name, column) for name, column in zip(names, table.columns, strict=True) if name]
    numbers = [(float(name), column) for name, column in given if is_number(name)]
    if not numbers:
        return False
    if any(_counts_on(value, column) for value, column in numbers):
        return True
    values = [value for value, _ in numbers]
    among = all(_is_among(value, column) for value, column in numbers)
    if len(numbers) == len(given):
        values = [value for value, _ in numbers]
        return values != list(range(len(values))) or (among and len(values) > 1 and _are_whole(numbers))
    unsorted = len(values) > 1 and values not in (sorted(values), sorted(values, reverse=True))
    fractions = any(value != round(value) for value in values)
    again = any(_stands_in(name, column) for name, column in given if not is_number(name))
    return among and (unsorted or fractions or again)


def _are_whole(columns: Sequence[tuple[float, Any]]) -> bool:
    import pyarrow

    return all(pyarrow.types.is_integer(column.type) for _, column in columns)


def _counts_on(value: float, column: Any) -> bool:
    """Whether the column goes on from the value in steps of one."""
    first = column.slice(0, 20).to_pylist()
    return len(first) > 2 and all(_same(cell, value + 1 + i) for i, cell in enumerate(first))


def _same(cell: Any, value: float) -> bool:
    return isinstance(cell, int) and not isinstance(cell, bool) and cell == value


def _is_among(value: float, column: Any) -> bool:
    import pyarrow
    import pyarrow.compute

    kind = column.type
    if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        return False
    ends = pyarrow.compute.min_max(column).as_py()
    if ends["min"] is None or (pyarrow.types.is_integer(kind) and value != round(value)):
        return False
    room = (ends["max"] - ends["min"]) / 2  # the first of a few rows may be their largest
    return bool(ends["min"] - room <= value <= ends["max"] + room)


def _stands_in(name: str, column: Any) -> bool:
    import pyarrow
    import pyarrow.compute

    is_text = pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)
    return is_text and pyarrow.compute.index(column, pyarrow.scalar(name, column.type)).as_py() >= 0
