"""The columns of a frame as the codes of a mixed table that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from .alike import plain
from .columnkinds import GONE
from .columns import LEVELLED, Column, Table, texts_of
from .columnvalues import cells_of, moments_of, number_values, without_marks
from .compactdates import FORMAT, days_of
from .datecolumns import UNITS, read_ways
from .fardates import without_far
from .raw import MISSING, Array
from .scales import said_of_scale
from .tablecolumns import NAMED, is_empty, listed, narwhals
from .textcolumns import Numeric, Reading, read_or_why, refuse_columns
from .writtennumbers import NotNumbers
from .zones import in_utc

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

LISTED = 3  # unknown levels of a column that a sentence lists
FINER = 1e-3  # of a cell, between two of which a number lies


class Coded:
    """The columns of a table as x, put in one after the other.

    Attributes: x [N, D]; observed [N, D]; strange [N, D], where a level stands that training had none of: it is taken
    as missing, and a sentence names it; read, numbers that came as text, by column.
    """

    def __init__(self, table: Table, rows: int) -> None:
        shape = rows, len(table.columns)
        self.table, self.x = table, np.zeros(shape, np.float32)
        self.observed, self.strange = np.ones(shape, bool), np.zeros(shape, bool)
        self.read: dict[str, Numeric] = {}
        self._unknown: dict[str, list[str]] = {}
        self._said: list[str] = []

    def put(self, d: int, values: Any, seen: Array) -> None:
        """Column d from its values for `Column.codes` [N], and whether each is known [N]."""
        column = self.table.columns[d]
        codes, new = column.codes(values)
        known = seen & ~np.isnan(codes)
        self.x[known, d], self.observed[:, d], self.strange[:, d] = codes[known], known, seen & ~known
        if new:
            self._unknown[column.name] = new
        if column.kind == "date":
            self._said += _said_finer_dates(column, values[seen])
        if column.is_number:
            self._said += [*_said_finer(column, values, seen), *_said_scale(column, values[seen], self.read)]

    @property
    def said(self) -> tuple[str, ...]:
        """What there is to say of new rows."""
        return (*_said_strange(self.table, self._unknown, self.observed), *self._said)


def coded(table: Table, given: Mapping[str, AnySeries], how: Reading, far: Mapping[str, Array] | None = None) -> Coded:
    """The columns of a frame as x.

    Arguments: far, rows of a column that are taken as missing.
    """
    found = Coded(table, len(next(iter(given.values()))))
    for d, column in enumerate(table.columns):
        series = given[column.name]
        if column.is_number and not (series.dtype.is_numeric() or is_empty(series)):
            found.read[column.name] = _as_numbers(column, series, how)
            series = found.read[column.name].series
        values, seen = _values(column, series, how)
        found.put(d, values, seen & ~far[column.name] if far and column.name in far else seen)
    return found


def _said_finer(column: Column, values: Array, seen: Array) -> list[str]:
    """A sentence where numbers [N] have more decimals than in training: each is taken at the nearest with as many."""
    if column.kind == "real" or values.dtype.kind != "f":
        return []
    step = column.step or 10.0**-column.decimals
    wide = (np.where(seen, values, column.base).astype(np.float64) - column.base) / step
    between = np.abs(wide - np.rint(wide)) > FINER * (1 + 1e-3 * np.abs(wide))
    if not between.any():
        return []
    row, digits = int(between.argmax()), f"{column.decimals} decimals" if column.decimals else "whole numbers"
    digits = f"steps of {column.step:.4g}" if column.step else digits
    return [
        f"Column {column.name!r} holds {digits} in training and now {values[row]:g} (row {row}), as {between.sum():,} "
        "rows do: each is taken at the nearest."
    ]


def _said_finer_dates(column: Column, known: Array) -> list[str]:
    """A sentence where dates [n] are finer than in training: what is finer is left off."""
    whole = known.astype(f"datetime64[{column.unit}]").astype(known.dtype)
    rest = whole != known
    if column.zone and rest.any():  # where a zone leaves a midnight out, the day begins later
        rest &= in_utc(whole.astype("datetime64[us]"), column.zone) != in_utc(
            known.astype("datetime64[us]"), column.zone
        )
    if not rest.any():
        return []
    first = str(known[rest.argmax()]).replace("T", " ")
    return [
        f"Column {column.name!r} holds dates to the {UNITS[column.unit]} in training and now {first}; "
        f"in {rest.sum():,} rows what is finer is left off."
    ]


def _said_scale(column: Column, known: Array, read: Mapping[str, Numeric]) -> tuple[str, ...]:
    """A sentence where numbers are a hundredth or a thousandth of those in training, or as many times as much."""
    is_percent = column.name in read and read[column.name].style.percent
    said = said_of_scale(column.name, known, column.ends, column.has_percent, is_percent)
    if is_percent and not column.has_percent and not said:
        return (f"Column {column.name!r} holds percent signs, and held none in training; 5% is read as 5.",)
    return said


def _as_numbers(column: Column, series: AnySeries, how: Reading) -> Numeric:
    """A column of text in which the run was fitted on numbers."""
    try:
        return read_or_why(series, replace(how, missing=(*how.missing, *column.gaps)))
    except NotNumbers as error:
        refuse_columns({column.name: error}, {column.name: column.name}, how, False)
        raise


def _said_strange(table: Table, strange: Mapping[str, Sequence[str]], observed: Array) -> tuple[str, ...]:
    """Sentences about levels that training had none of, by column, in x of which some is observed [N, D]."""
    if not strange:
        return ()
    told = "; ".join(f"{name!r}: {_listed(new)}" for name, new in list(strange.items())[:NAMED])
    more = f"; and such in {len(strange) - NAMED} more columns" if len(strange) > NAMED else ""
    said = [f"Levels came that training had none of ({told}{more}): they are taken as missing."]
    for name, new in strange.items():
        d = table.names.index(name)
        known = {plain(level): level for level in table.columns[d].levels}
        meant = [(known[plain(level)], level) for level in new if plain(level) in known]
        hint = " Did you mean {!r} for {!r}?".format(*meant[0]) if meant else ""
        if not observed[:, d].any():
            other = hint or " It may be another column than the one of that name in training."
            said.append(f"No value of {name!r} is known to the run, so the column tells nothing.{other}")
        elif hint:
            said.append(hint.strip())
    return tuple(said)


def _listed(levels: Sequence[str]) -> str:
    """The first levels, and how many there are beyond."""
    more = f" and {len(levels) - LISTED:,} more" if len(levels) > LISTED else ""
    return f"{', '.join(map(repr, levels[:LISTED]))}{more}"


def _values(column: Column, series: AnySeries, how: Reading) -> tuple[Any, Array]:
    """(the values of a series for `Column.codes`, whether each is known [N])."""
    if column.kind in LEVELLED:
        texts = _texts(column, series, how)
        return texts, np.array([text is not None for text in texts], bool)
    if column.kind == "date":
        moments = _moments(column, series, how)
        return moments, ~np.isnat(moments)
    if is_empty(series):
        return np.full(len(series), np.nan), np.zeros(len(series), bool)
    values, known = number_values(series, how.missing)
    whole = values.dtype.kind in "biu"  # to the last digit
    return np.where(known, values, 0).astype(np.int64 if whole else np.float64), known


def _texts(column: Column, series: AnySeries, how: Reading) -> list[str | None]:
    """The levels of a series, None where there is none."""
    nw = narwhals()
    if is_empty(series):
        return [None] * len(series)
    is_level = isinstance(series.dtype, nw.Categorical | nw.Enum) or series.dtype == nw.Boolean
    gone = GONE - {level.casefold() for level in column.levels}
    return texts_of(cells_of(series) if is_level else without_marks(listed(series), how), gone)


def _moments(column: Column, series: AnySeries, how: Reading) -> Array:
    """The dates of a series, NaT where there is none."""
    nw = narwhals()
    if is_empty(series):
        return np.full(len(series), "NaT", "datetime64[us]")
    if series.dtype in (nw.Date, nw.Datetime):
        return without_far(moments_of(series, column.zone), how.missing, column.zone)
    return _days(column, series, how) if column.is_date_in_numbers else _dates(column, series, how)


def _days(column: Column, series: AnySeries, how: Reading) -> Array:
    """Dates written YYYYMMDD, as numbers or texts; those that were none in training are missing."""
    if column.written != FORMAT or not series.dtype.is_numeric():
        return _dates(column, series, how)
    values, known = number_values(series, (*how.missing, *column.gaps))
    days = days_of(np.where(known, values, 0))
    if (known & np.isnat(days)).any():
        return _dates(column, series, how)  # which refuses it
    return np.where(known, days, np.datetime64("NaT")).astype("datetime64[us]")


def _dates(column: Column, series: AnySeries, how: Reading) -> Array:
    texts = [None if text in (*how.missing, *column.gaps) else text for text in texts_of(listed(series), MISSING)]
    ways = (column.written, *column.ways) if column.written else ()
    found = read_ways(texts, ways, column.last_year, column.zone)
    bad = next((t for t, v in zip(texts, found, strict=True) if t is not None and np.isnat(v)), None)
    if bad is not None:
        said = f"Column {column.name!r} holds {bad!r}, and the run was fitted on dates there"
        if column.written:
            raise RequestError(f"{said}, written as {column.written}.", "Write them so, or leave the cell empty.")
        raise RequestError(f"{said}.", f"Give dates, in pandas with pandas.to_datetime(frame[{column.name!r}]).")
    return found
