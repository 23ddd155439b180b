"""The value that a condition gives of a column, read as the column is written in its file, as a number of x."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..data.cells import Cells
from ..data.columns import LEVELLED, Column, texts_of
from ..data.datecolumns import read_ways
from ..data.dates import IN_UTC, formats_of, has_offset
from ..data.scales import said_of_scale
from ..data.tablecolumns import is_number
from ..errors import RequestError, nearest, remark


def code_of(column: Column, value: Any, sign: str) -> float:
    """The number in x of a value, of one that lies between two recorded ones halfway between these.

    Arguments: value, text as it stands in a file, or an object of Python; sign, what it is compared by.
    """
    if column.kind in LEVELLED:
        return _level(column, str(texts_of([value], frozenset())[0]))
    return _moment(column, str(value)) if column.kind == "date" else _number(column, value, sign)


def _level(column: Column, value: str) -> float:
    """The code of a level by its name, as the file writes it, or of a number that is the same."""
    shown = column.shown or column.levels
    for names in (column.levels, shown):
        if value in names:
            return float(names.index(value))
    if is_number(value):
        same = [code for code, level in enumerate(column.levels) if is_number(level) and float(level) == float(value)]
        if same:
            return float(same[0])
    raise RequestError(f"{column.name!r} has no level {value!r}.", nearest(value, shown))


def _moment(column: Column, value: str) -> float:
    """The code of a date as its file writes it, or as in ISO 8601."""
    if value.endswith("Z") and not column.written.endswith("Z"):
        value = value[:-1] + IN_UTC
    fits = formats_of([value])
    others = [way for way in fits if way.startswith("%Y") and (column.zone or column.has_zone or not has_offset(way))]
    ways = (column.written, *column.ways, *others) if column.written else others or fits[:1]
    found = read_ways([value], ways, column.last_year, column.zone)
    if np.isnat(found[0]):
        form = column.written or "%Y-%m-%d"
        raise RequestError(f"{column.name!r} holds dates and where gives {value!r}; write it as {form}.")
    return float(column.codes(found)[0][0])


def _number(column: Column, value: Any, sign: str) -> float:
    number = _read(column, value) if isinstance(value, str) else float(value)
    is_percent = isinstance(value, str) and value.rstrip().endswith("%")
    told = np.array([number]), column.ends, column.has_percent, is_percent
    remark(said_of_scale(column.name, *told, came="is asked for as"), up=6)
    code = float(column.codes(np.array([number]))[0][0])
    recorded = float(np.asarray(column.values(np.array([code])))[0])
    if column.kind == "real" or math.isclose(recorded, number, rel_tol=1e-9, abs_tol=1e-12):
        return code
    if sign in ("=", "!="):
        shown = column.texts(np.array([code]))[0]
        raise RequestError(
            f"{column.name!r} holds no value between {shown} and its neighbours, and where gives {value}; "
            f"give {shown}, or take > or <."
        )
    return code + (0.5 if recorded < number else -0.5)


def _read(column: Column, text: str) -> float:
    cells = column.cells or Cells()
    number, example = cells.read(text), column.texts(np.array([column.low]))[0]
    if number is None:
        raise RequestError(
            f"{column.name!r} holds numbers and where gives {text!r}; give a number.", f"Such: {example}"
        )
    if text.rstrip().endswith("%") and "%" not in cells.after:
        raise RequestError(f"{column.name!r} holds no percent signs and where gives {text!r}.", f"Such: {example}")
    return float(number)
