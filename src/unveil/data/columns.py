"""A column of a mixed table: what was found of it, and its values as the numbers of x and back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import numpy as np

from ..domain import ColumnDomain, Domain
from ..domain.columns import ColumnKind
from .cells import Cells, cells_of_json, cells_to_json
from .dates import written_date
from .raw import Array, is_missing
from .tablecolumns import is_number

Kind = Literal["category", "ordinal", "yes/no", "whole", "count", "decimal", "real", "date"]
KINDS: tuple[Kind, ...] = ("category", "ordinal", "yes/no", "whole", "count", "decimal", "real", "date")
LEVELLED = ("category", "ordinal", "yes/no")
TUPLES = ("levels", "atoms", "gaps", "ways", "declared", "objects", "shown")  # fields of `Column`
NUMERIC = ("whole", "count", "decimal", "real")
NUMBERS = re.compile(r"(u?int|float|double|decimal)(?!erval)", re.IGNORECASE)  # types of numbers, by their names
OF_MEANS = 4  # more digits of a mean
FLOAT32 = 7  # digits that it tells


@dataclass(frozen=True)
class Column:
    """What a column of a table was taken for.

    Arguments:
        name, kind: of the column.
        why: what it was taken for that kind for, in words.
        levels: of categories, ordinals and yes/no, as text, in the order of their codes.
        decimals: of numbers, digits after the point; a cell is 10^−decimals wide.
        step: of numbers that lie at even distances but at no decimals, that distance; 0 of others.
        base: the number whose cell is counted from, where there is a step.
        origin: of numbers and dates, the cell (of real ones the value) that is 0 in x.
        atoms: codes that come so often that each has a probability of its own.
        low, high: the least and the greatest code that came.
        dtype: its type by name, in the library that it came from.
        is_counted: whether its name is a whole number in its frame, and no text.
        last_year: of dates whose years have two digits, the year that ends the hundred that these stand for.
        unit: of dates, the width of a cell: "D", "h", "m", "s", "ms" or "us".
        written: the format of a date.
        missing: the share of rows without a value.
        gaps: texts of a column of numbers or dates that stand for none.
        zone: of dates, the time zone whose clocks show them; "" where there is none, or they are in UTC.
        ways: of dates as text, other formats beside the one that new ones are written in.
        native: its type in full, as the library of its table names it; "" of one of a file of text.
        declared: the levels that its type has, where these are not those of it as they stand.
        objects: types of objects of Python, by name: one for all of them, or one for each level.
        cells: how numbers stand in a column of text; None where that is as Python writes them.
        shown: the levels as they stand in a file of text, where it writes them otherwise.
    """

    name: str
    kind: Kind
    why: str = ""
    levels: tuple[str, ...] = ()
    decimals: int = 0
    origin: int | float = 0
    atoms: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    dtype: str = "float64"
    unit: str = ""
    written: str = ""
    missing: float = 0.0
    gaps: tuple[str, ...] = ()
    step: float = 0.0
    base: float = 0.0
    last_year: int = 0
    is_counted: bool = False
    zone: str = ""
    ways: tuple[str, ...] = ()
    native: str = ""
    declared: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    cells: Cells | None = None
    shown: tuple[str, ...] = ()

    @property
    def domain(self) -> ColumnDomain:
        if self.kind in LEVELLED:
            return ColumnDomain("ordinal" if self.kind == "ordinal" else "category", len(self.levels))
        kind = {"real": "real", "count": "count"}.get(self.kind, "cells")
        return ColumnDomain(cast(ColumnKind, kind), 0, self.atoms)

    @property
    def is_number(self) -> bool:
        return self.kind in NUMERIC

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest number that came in training."""
        low, high = (float(np.asarray(self.values(np.array([code])))[0]) for code in (self.low, self.high))
        return low, high

    @property
    def has_percent(self) -> bool:
        """Whether a percent sign stands behind each number in its file."""
        return self.cells is not None and self.cells.style.percent

    @property
    def has_zone(self) -> bool:
        """Whether it is of moments in a time zone, which x holds in UTC."""
        name = self.dtype.lower()
        return name.startswith(("datetime", "timestamp")) and "," in name and "time_zone=none" not in name

    @property
    def is_date_in_numbers(self) -> bool:
        """Whether it is of dates written as whole numbers: 20240131."""
        return self.kind == "date" and bool(self.written) and bool(NUMBERS.match(self.dtype))

    @property
    def num_levels(self) -> int:
        return len(self.levels)

    def codes(self, values: Any) -> tuple[Array, list[str]]:
        """x [N], NaN where nothing is known, and the levels that came and that training had none of.

        Arguments: values, texts or None for levels (`texts_of`), float64 or integers for numbers, datetime64 for dates.
        """
        if self.kind in LEVELLED:
            known = {level: float(code) for code, level in enumerate(self.levels)}
            found = np.array([math.nan if v is None else known.get(v, math.nan) for v in values], np.float32)
            return found, sorted({v for v in values if v is not None and v not in known})
        if self.kind == "date":
            ticks = values.astype(f"datetime64[{self.unit}]").astype(np.int64)
            return np.where(np.isnat(values), np.nan, ticks - int(self.origin)).astype(np.float32), []
        cells = values if self.kind == "real" else self._cells(values)
        with np.errstate(over="ignore"):
            return (cells - self.origin).astype(np.float32), []

    def _cells(self, values: Array) -> Array:
        if self.step:
            return np.rint((values.astype(np.float64) - self.base) / self.step)
        if values.dtype.kind in "iu" and self.decimals == 0:
            return signed(values)
        return np.rint(values.astype(np.float64) * 10.0**self.decimals)

    def values(self, codes: Array, bounded: bool = False) -> Any:
        """What the codes [n] stand for: texts, float64, integers or datetime64.

        Arguments: bounded, bring numbers between the least and the greatest that came in training.
        """
        if self.kind in LEVELLED:
            return [self.levels[int(code)] for code in np.clip(np.rint(codes), 0, len(self.levels) - 1)]
        wide = np.asarray(codes, np.float64)
        wide = np.clip(wide, self.low, self.high) if bounded else wide
        if self.kind == "real":
            return wide + self.origin
        cells = np.rint(wide).astype(np.int64) + int(self.origin)
        if self.kind == "date":
            return cells.astype(f"datetime64[{self.unit}]")
        if self.step:
            return self.base + self.step * cells
        return cells if self.decimals == 0 else np.round(cells / 10.0**self.decimals, self.decimals)

    def mean_values(self, codes: Array) -> Any:
        """As `values`, where the codes of numbers are means, which need not be whole."""
        if not self.is_number or self.kind == "real":
            return self.values(codes)
        wide = np.asarray(codes, np.float64) + float(self.origin)
        return self.base + self.step * wide if self.step else wide / 10.0**self.decimals

    def brought(self, codes: Array, drawn: bool) -> Array:
        """The codes as numbers, draws with the digits of the column; of dates and levels of text as they are."""
        if self.kind in LEVELLED and all(map(is_number, self.levels)):
            return np.array([float(level) for level in self.values(codes)])
        if not self.is_number:
            return codes
        return np.asarray(self.values(codes, bounded=True) if drawn else self.mean_values(codes))

    def held(self, codes: Array, drawn: bool) -> Array:
        """As `brought`, levels as their texts and dates as such, in a type of NumPy."""
        if self.is_number:
            return self.brought(codes, drawn)
        if self.is_date_in_numbers:
            return np.array([int(text) for text in self.texts(codes, bounded=True)], np.int64)
        return np.array(self.values(codes, bounded=True), object if self.kind in LEVELLED else None)

    def texts(self, codes: Array, bounded: bool = False) -> list[str]:
        """What the codes stand for, written as the column was."""
        values = self.values(codes, bounded)
        if self.kind in LEVELLED:
            known = dict(zip(self.levels, self.shown, strict=False))
            return [known.get(level, level) for level in values]
        if self.kind == "date":
            is_utc = self.has_zone and not self.zone
            return [written_date(value, self.written, self.unit, self.zone, is_utc) for value in values]
        if self.kind == "real" or self.step:
            return self._written(self._short(values))
        return self._written(values) if self.cells else [written_number(v, self.decimals) for v in values.tolist()]

    def as_text(self, codes: Array, drawn: bool) -> list[str]:
        """As `brought`, written as the column was; means of numbers have more digits than these."""
        if drawn or not self.is_number:
            return self.texts(codes, bounded=True)
        values = self.mean_values(codes)
        if self.kind == "real" or self.step:
            return self._written(self._short(values))
        if self.cells:
            return list(map(self.cells.of_means(OF_MEANS).write, values.tolist()))
        return [written_number(value, self.decimals + OF_MEANS) for value in values.tolist()]

    def _written(self, values: Array) -> list[str]:
        return list(map((self.cells or Cells()).write, values.tolist()))

    def _short(self, values: Array) -> Array:
        """Numbers without the digits that float32, in which they are learnt, does not tell."""
        if not (self.origin or self.step):
            return np.asarray(values, np.float32).astype(str).astype(np.float64)
        smallest = self.step or max(abs(self.low), abs(self.high)) or 1.0
        return np.round(values, FLOAT32 - math.floor(math.log10(smallest)))

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        found = {f.name: getattr(self, f.name) for f in fields(Column)}
        found = {f.name: found[f.name] for f in fields(Column) if found[f.name] != f.default}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
        return plain | ({"cells": cells_to_json(self.cells)} if self.cells else {})


def column_of_json(stored: Mapping[str, Any]) -> Column:
    tuples = {name: tuple(stored[name]) for name in TUPLES if name in stored}
    return Column(**{**stored, **tuples, "cells": cells_of_json(stored.get("cells"))})


@dataclass(frozen=True)
class Table:
    """The columns of a mixed table, in the order of x, and those that were left out, with the reason.

    Arguments: columns; left_out, {name: why}; library, of the frame that it came in, "numpy" for an
    array, "" for a file.
    """

    columns: tuple[Column, ...]
    left_out: Mapping[str, str]
    library: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def domain(self) -> Domain:
        return Domain("mixed", (len(self.columns),), None, tuple(column.domain for column in self.columns))

    @property
    def fingerprint(self) -> str:
        """What the codes stand for, as text."""
        return repr([(c.name, c.kind, c.levels, c.decimals, c.origin, c.unit, c.step, c.base) for c in self.columns])

    def to_json(self) -> dict[str, Any]:
        columns = [column.to_json() for column in self.columns]
        return {"columns": columns, "left_out": dict(self.left_out), "library": self.library}

    @staticmethod
    def from_json(stored: Mapping[str, Any] | None) -> Table | None:
        if stored is None:
            return None
        return Table(tuple(map(column_of_json, stored["columns"])), stored["left_out"], stored.get("library", ""))


def texts_of(cells: Sequence[Any], gone: frozenset[str] | set[str]) -> list[str | None]:
    """Cells as the texts of levels, None where one is missing: 1.0 and 1 are the same level."""
    known: dict[str, str | None] = {}  # most cells have come before
    found = []
    for cell in cells:
        if type(cell) is not str:
            found.append(_text(cell, gone))
            continue
        if cell not in known:
            known[cell] = _text(cell, gone)
        found.append(known[cell])
    return found


def _text(cell: Any, gone: frozenset[str] | set[str]) -> str | None:
    if is_missing(cell):
        return None
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, float | np.floating) and cell == round(cell):
        return str(int(cell))
    text = str(cell).strip()
    return None if text.casefold() in gone else text


def signed(values: Array) -> Array:
    """Whole numbers in a type in which differences have a sign; beyond 63 bits as floats."""
    if values.dtype.kind != "u":
        return values
    return values.astype(np.int64 if not values.size or values.max() < 2**63 else np.float64)


def written_number(value: float, decimals: int) -> str:
    """A number with so many decimals at most, without zeros at its end."""
    text = f"{value:.{decimals}f}"
    if decimals:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
