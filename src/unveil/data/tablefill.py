"""The codes of a mixed table as data frames: gaps filled in a frame as it came, and new rows in its types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from .columnforms import Form
from .columns import LEVELLED, Column, Table, texts_of
from .filling import PLAIN, filled_column, named_as_came, of_type, series_like
from .nativetypes import FLOATS, as_object, in_native, object_series
from .raw import Array
from .tablecolumns import narwhals
from .zones import in_utc, zone_of

BY_LEVEL = ("period", "timedelta64", "interval")  # types of pandas whose values may be levels

if TYPE_CHECKING:
    import narwhals as nw

    from .frames import Frame

    AnySeries = nw.Series[Any]


def filled_frame(frame: Frame, table: Table, codes: Array, observed: Array, drawn: bool) -> Any:
    """The whole frame as it came, with the codes [N, D] of its columns wherever they are not observed.

    Arguments: drawn, numbers are draws, which have the digits of their column, and no means.
    """
    changed = [
        _filled(frame, column, codes[:, d], observed[:, d], drawn).alias(column.name)
        for d, column in enumerate(table.columns)
        if not observed[:, d].all()
    ]
    return frame.with_columns(changed)


def _filled(frame: Frame, column: Column, codes: Array, observed: Array, drawn: bool) -> AnySeries:
    came = frame.whole.get_column(frame.natives[column.name])
    if column.is_number:
        values = column.values(codes, bounded=True) if drawn else column.mean_values(codes)
        values = values if drawn and values.dtype.kind == "i" else values.astype(np.float64)
        return filled_column(came, frame.read.get(column.name), values, observed, _form(column), drawn)
    cells = came.to_list()
    new = _new_cells(column, codes[~observed], came.dtype)
    if column.kind in LEVELLED and not came.dtype.is_numeric():
        known = _objects(column, came, [cell for cell, seen in zip(cells, observed, strict=True) if seen])
        new = [known.get(str(value), value) for value in new]
    for row, value in zip(np.flatnonzero(~observed).tolist(), new, strict=True):
        cells[row] = value
    if came.dtype.is_numeric() and any(isinstance(value, str) for value in new):  # none of its numbers was a level
        return series_like(came, [None if cell is None or cell != cell else str(cell) for cell in cells])
    return of_type(series_like(came, cells), came)


def _new_cells(column: Column, codes: Array, dtype: Any) -> list[Any]:
    """What the codes of levels or dates stand for, as cells of a type: moments where it has a zone, else wall times."""
    nw = narwhals()
    if column.kind != "date" or dtype not in (nw.Date, nw.Datetime):
        return python_values(column, codes, dtype == nw.String)
    values = column.values(codes, bounded=True).astype("datetime64[us]")
    if dtype == nw.Date:
        return [moment.date() for moment in values.tolist()]
    if not getattr(dtype, "time_zone", None):
        return list(values.tolist())
    moments = in_utc(values, column.zone) if column.zone else values
    return [moment.replace(tzinfo=UTC) for moment in moments.tolist()]


def _objects(column: Column, came: AnySeries, cells: Sequence[Any]) -> dict[str | None, Any]:
    """Levels by their texts: of a type of pandas in that, else as the cells that are observed have them."""
    own = (
        level_objects(column, column.levels) if came.implementation.is_pandas_like() else _levels(column, column.levels)
    )
    known = dict(zip(column.levels, own, strict=True))
    return {**known, **dict(reversed(list(zip(texts_of(cells, frozenset()), cells, strict=True))))}


def _form(column: Column) -> Form:
    """How the numbers of a column are held, as tables of numbers alone have it."""
    if column.kind == "real":
        return Form(None, dtype=column.dtype)
    low, high = (column.values(np.array([code])).item() for code in (column.low, column.high))
    return Form(column.decimals, low, high, column.dtype, 1) if column.decimals == 0 else Form(column.decimals)


def python_values(column: Column, codes: Array, as_text: bool = False) -> list[Any]:
    """What the codes of levels or dates stand for, as objects of Python; `as_text`, as a file writes them."""
    if as_text:
        return list(column.texts(codes, bounded=True))
    if column.is_date_in_numbers:
        return list(map(int, column.texts(codes, bounded=True)))
    if column.kind == "date":
        values = column.values(codes, bounded=True).astype("datetime64[us]")
        moments = (in_utc(values, column.zone) if column.zone else values).tolist()
        if column.dtype == "object[date]":
            return [moment.date() for moment in moments]
        return [moment.replace(tzinfo=UTC) for moment in moments] if column.has_zone or column.zone else list(moments)
    return _levels(column, column.values(codes))


def _levels(column: Column, texts: Sequence[str]) -> list[Any]:
    """Levels in the type of their column: texts, yes and no, or numbers."""
    name = column.dtype.lower()
    if name.startswith("bool") or name == "object[bool]":
        return [text.casefold() in ("true", "1") for text in texts]
    if name.startswith(("int", "uint")) and not name.startswith("interval"):
        return list(map(int, texts))
    return list(map(float, texts)) if name.startswith("float") else list(texts)


def level_objects(column: Column, levels: Sequence[str]) -> list[Any]:
    """Levels of a column as objects of the type of pandas that it has by its name."""
    name = column.dtype
    plain, _, inner = name.removesuffix("]").partition("[")
    of_pandas = inner if plain == "category" else name if plain in BY_LEVEL else ""
    if not of_pandas:
        return _levels(column, levels)
    if of_pandas.startswith("bool"):
        return [level == "True" for level in levels]
    return list(_index(levels, of_pandas))


def _index(texts: Sequence[str], dtype: str) -> Any:
    """Texts as an index of pandas of a type by its name; of intervals as "(0.0, 1.5]"."""
    import pandas

    if dtype.startswith("interval["):
        inner, _, closed = dtype.removeprefix("interval[").removesuffix("]").rpartition(", ")
        left, right = zip(*(text[1:-1].split(", ") for text in texts), strict=True)
        return pandas.IntervalIndex.from_arrays(_index(left, inner), _index(right, inner), closed)
    index = pandas.to_timedelta(list(texts)) if dtype.startswith("timedelta") else pandas.Index(list(texts))
    return index.astype(dtype)


def new_frame(table: Table, codes: Array, library: str, drawn: bool = True) -> Any:
    """New rows [n, D] as a frame of a library, each column in the type that it had in training."""
    nw = narwhals()
    columns = {c.name: _new_values(c, codes[:, d], drawn) for d, c in enumerate(table.columns)}
    frame = nw.from_dict(columns, backend=library)
    own = library == table.library
    made = [
        (
            _in_own(frame.get_column(c.name), c, drawn)
            if own and c.native
            else _typed(frame.get_column(c.name), c, drawn)
        )
        for c in table.columns
    ]
    made = [series.alias(c.name) for series, c in zip(made, table.columns, strict=True)]
    native = frame.with_columns(*made).to_native()
    counted = [column.is_counted for column in table.columns]
    return named_as_came(native, table.names, counted, library)


def _new_values(column: Column, codes: Array, drawn: bool) -> Any:
    if column.is_number:
        return column.values(codes, bounded=True) if drawn else column.mean_values(codes)
    if column.is_date_in_numbers:
        return python_values(column, codes)
    if column.written and column.kind == "date" and not column.dtype.lower().startswith(("date", "object[date")):
        return column.texts(codes, bounded=True)
    return python_values(column, codes)


def _in_own(series: AnySeries, column: Column, drawn: bool) -> AnySeries:
    """A new column in the type that it had in its own library."""
    name = column.native
    if column.is_number and not drawn and not FLOATS.match(name):
        return _of_objects(series, column, "float") if column.objects == ("Decimal",) else series
    if name.startswith(("category", *BY_LEVEL)):
        return _typed(series, column, drawn)
    made = _of_objects(series, column, name) if column.objects else series
    return made if name.casefold() == "object" else in_native(made, name, column.declared or column.levels)


def _of_objects(series: AnySeries, column: Column, name: str) -> AnySeries:
    """A column as objects of Python: of one type, or of the type of each level."""
    kinds = dict(zip(column.levels, column.objects, strict=False)) if len(column.objects) > 1 else {}
    one = column.objects[0]
    cells = [as_object(cell, kinds.get(str(cell), one)) for cell in _python_cells(series, column)]
    return object_series(series, cells) if name.casefold() in ("object", "float") else series_like(series, cells)


def _python_cells(series: AnySeries, column: Column) -> list[Any]:
    """The cells as objects, exact decimals with the digits of their column."""
    cells = list(series.to_list())
    if column.objects != ("Decimal",):
        return cells
    return [Decimal(f"{cell:.{column.decimals}f}") if isinstance(cell, float) else cell for cell in cells]


def _typed(series: AnySeries, column: Column, drawn: bool) -> AnySeries:
    """A new column in the type by its name that it had, where the library has that."""
    nw, name = narwhals(), column.dtype
    plain = name.lower().split("[")[0].split("(")[0]
    is_pandas = series.implementation.is_pandas_like()
    if plain in ("category", "categorical", "enum") and column.kind in LEVELLED:
        if is_pandas:
            import pandas

            known = column.declared or column.levels
            levels = pandas.CategoricalDtype(list(known), ordered=column.kind == "ordinal")
            native = series.to_native().astype(levels).cat.rename_categories(level_objects(column, known))
            made: AnySeries = nw.from_native(native, series_only=True)
            return made
        return series.cast(nw.Categorical)
    if column.is_number and not drawn and plain not in ("float32", "float64"):
        return series
    if column.zone and is_pandas and series.dtype == nw.Datetime and plain == "datetime":
        zoned: AnySeries = nw.from_native(series.to_native().dt.tz_convert(zone_of(column.zone)), series_only=True)
        return zoned
    if is_pandas and (
        name in ("Int64", "Float64", "boolean", "string", "str") or plain in PLAIN or plain == "datetime64"
    ):
        typed: AnySeries = nw.from_native(
            series.to_native().astype(name if plain != "boolean" else "boolean"), series_only=True
        )
        return typed
    if is_pandas and (plain in BY_LEVEL or name.startswith("object[")):
        native = series.to_native()
        if plain in BY_LEVEL:
            native = native.map(dict(zip(column.levels, level_objects(column, column.levels), strict=True)))
        found: AnySeries = nw.from_native(native.astype(name if plain in BY_LEVEL else object), series_only=True)
        return found
    if plain in PLAIN:
        return series.cast(getattr(nw, PLAIN[plain]))
    if plain == "date" and series.dtype == nw.Datetime:
        return series.cast(nw.Date)
    return series


def written_columns(table: Sequence[Column], codes: Array, drawn: bool = True) -> dict[str, list[str]]:
    """New rows [n, D] as text, each column written as it was in the file."""
    return {column.name: column.as_text(codes[:, d], drawn) for d, column in enumerate(table)}
