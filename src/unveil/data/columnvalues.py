"""The values of a column of a frame: numbers, moments, and cells as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from .columns import signed
from .raw import Array
from .tablecolumns import is_whole, narwhals, number_marks, numbers, whole_numbers, without_inf
from .textcolumns import Reading

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]


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


def moments_of(series: AnySeries) -> Array:
    """Dates and times [N] as datetime64 in microseconds, of a zone in UTC; NaT where there is none."""
    nw = narwhals()
    if series.dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    if getattr(series.dtype, "time_zone", None):
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    gone = np.asarray(series.is_null().to_numpy(), bool)
    found = np.asarray(series.fill_null(datetime(1970, 1, 1)).dt.timestamp("us").to_numpy()).astype("datetime64[us]")
    found[gone] = np.datetime64("NaT")
    return found


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
