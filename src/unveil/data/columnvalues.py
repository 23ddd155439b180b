"""The values of a column of a frame: numbers, moments, and cells as they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from .columns import LEVELLED, Column, signed, texts_of
from .datecolumns import Dated
from .dates import all_fit, formats_of, zone_of_texts
from .nativetypes import declared_levels, native_name, object_types
from .raw import MISSING, Array
from .tablecolumns import is_whole, narwhals, number_marks, numbers, whole_numbers, without_inf
from .textcolumns import Reading
from .zones import are_days, local

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]


SPANS = re.compile(r"(time|duration)", re.IGNORECASE)  # types of times of day and durations
FIRST = 100  # cells of a file that tell the format of all


def without_marks(cells: Sequence[Any], how: Reading) -> list[Any]:
    """Cells without those that data.na_values names."""
    return [None if isinstance(cell, str) and cell.strip() in how.missing else cell for cell in cells]


def number_values(series: AnySeries, missing: Sequence[str]) -> tuple[Array, Array]:
    """(numbers [N], whole ones in their own type; whether each is known), numbers among `missing` being not."""
    if is_whole(series):
        values, known = signed(whole_numbers(series)), ~np.asarray(series.is_null().to_numpy(), bool)
    else:
        values = numbers(series)
        if series.dtype == narwhals().Float32:
            values = values.astype(np.float32)
        known = ~np.isnan(values)
    for mark in number_marks(missing):
        known &= values != float(mark)
    wide = values[known].astype(np.float64)
    if np.isinf(wide).any():
        row = int((np.isinf(values) & known).argmax())
        raise RequestError(f"Column {series.name!r} of the table: inf came, first in row {row}.", without_inf(wide))
    return values, known


def dated(series: AnySeries, cells: Sequence[str]) -> Dated:
    """A column of dates, in the zone that makes days of all, or in which its texts are.

    Arguments: cells, the first of them as they stand in a file of text.
    """
    known = [cell.strip() for cell in cells if cell.strip().casefold() not in MISSING]
    way = next(iter(formats_of(known[:FIRST])), "")
    zone, moments = zone_of_texts(known, way) if all_fit(known, way) else "", moments_of(series)
    own = getattr(series.dtype, "time_zone", None) or ""
    if own and not zone and are_days(moments, own) and not are_days(moments, "UTC"):
        zone = own
    shown = local(moments, zone) if zone else moments
    if zone and are_days(moments, zone):
        shown = shown.astype("datetime64[D]")  # where a zone leaves a midnight out, the day begins later
    return Dated(shown, (way,) if way else (), zone)


def moments_of(series: AnySeries, zone: str = "") -> Array:
    """Dates and times [N] as datetime64 in microseconds, NaT where there is none.

    Arguments: zone, whose clocks show the times of a column that has one; UTC by default.
    """
    if zone and getattr(series.dtype, "time_zone", None):
        return local(moments_of(series), zone)
    nw = narwhals()
    if series.dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    if getattr(series.dtype, "time_zone", None):
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    gone = np.asarray(series.is_null().to_numpy(), bool)
    found = np.asarray(series.fill_null(datetime(1970, 1, 1)).dt.timestamp("us").to_numpy()).astype("datetime64[us]")
    found[gone] = np.datetime64("NaT")
    return found


def in_full(column: Column, series: AnySeries) -> Column:
    """A column with what its type is in its own library."""
    name, declared, kinds = native_name(series), declared_levels(series), tuple[str, ...]()
    if name.casefold() == "object" or (column.kind in LEVELLED and SPANS.match(name)):
        cells = series.to_list()
        kinds = object_types(cells, texts_of(cells, frozenset()), column.levels)
    return replace(column, native=name, declared=() if declared == column.levels else declared, objects=kinds)


def cells_of(series: AnySeries) -> list[Any]:
    nw = narwhals()
    if series.dtype == nw.Boolean:
        return list(series.to_list())
    if (levels := levels_of(series)) is not None:  # by code: as text, intervals of whole ends change beside a gap
        texts = [*map(str, levels), None]
        return [texts[code] for code in series.to_native().cat.codes]
    return list(series.cast(nw.String).to_list())


def levels_of(series: AnySeries) -> Any:
    """The index of levels of a type of pandas; None of another."""
    if not series.implementation.is_pandas_like():
        return None
    return getattr(series.to_native().dtype, "categories", None)
