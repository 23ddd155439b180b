"""The codes of a mixed table as data frames: gaps filled in a frame as it came, and new rows in its types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from .columnforms import Form
from .columns import LEVELLED, Column, Table
from .filling import PLAIN, filled_column, of_type, series_like
from .raw import Array
from .tablecolumns import narwhals

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
        return filled_column(
            came, frame.read.get(column.name), values.astype(np.float64), observed, _form(column), drawn
        )
    cells = came.to_list()
    new = python_values(column, codes[~observed], came.dtype == narwhals().String)
    for row, value in zip(np.flatnonzero(~observed).tolist(), new, strict=True):
        cells[row] = value
    if came.dtype.is_numeric() and any(isinstance(value, str) for value in new):  # none of its numbers was a level
        return series_like(came, [None if cell is None or cell != cell else str(cell) for cell in cells])
    return of_type(series_like(came, cells), came)


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
    if column.kind == "date":
        moments = column.values(codes, bounded=True).astype("datetime64[us]").tolist()
        return [moment.replace(tzinfo=UTC) for moment in moments] if column.has_zone else list(moments)
    return _levels(column, column.values(codes))


def _levels(column: Column, texts: Sequence[str]) -> list[Any]:
    """Levels in the type of their column: texts, yes and no, or numbers."""
    name = column.dtype.lower()
    if name.startswith("bool"):
        return [text.casefold() in ("true", "1") for text in texts]
    if name.startswith(("int", "uint")):
        return list(map(int, texts))
    return list(map(float, texts)) if name.startswith("float") else list(texts)


def new_frame(table: Table, codes: Array, library: str, drawn: bool = True) -> Any:
    """New rows [n, D] as a frame of a library, each column in the type that it had in training."""
    nw = narwhals()
    columns = {c.name: _new_values(c, codes[:, d], drawn) for d, c in enumerate(table.columns)}
    frame = nw.from_dict(columns, backend=library)
    made = [_typed(frame.get_column(c.name), c, drawn) for c in table.columns]
    native = frame.with_columns(*made).to_native()
    if library == "pandas":
        native.columns = [int(c.name) if c.is_counted else c.name for c in table.columns]
    return native


def _new_values(column: Column, codes: Array, drawn: bool) -> Any:
    if column.is_number:
        return column.values(codes, bounded=True) if drawn else column.mean_values(codes)
    if column.written and column.kind == "date" and not column.dtype.lower().startswith("date"):
        return column.texts(codes, bounded=True)
    return python_values(column, codes)


def _typed(series: AnySeries, column: Column, drawn: bool) -> AnySeries:
    """A new column in the type by its name that it had, where the library has that."""
    nw, name = narwhals(), column.dtype
    plain = name.lower().split("[")[0].split("(")[0]
    is_pandas = series.implementation.is_pandas_like()
    if plain in ("category", "categorical", "enum") and column.kind in LEVELLED:
        if is_pandas:
            import pandas

            levels = pandas.CategoricalDtype(_levels(column, column.levels), ordered=column.kind == "ordinal")
            made: AnySeries = nw.from_native(series.to_native().astype(levels), series_only=True)
            return made
        return series.cast(nw.Categorical)
    if column.is_number and not drawn and plain not in ("float32", "float64"):
        return series
    if is_pandas and (
        name in ("Int64", "Float64", "boolean", "string", "str") or plain in PLAIN or plain == "datetime64"
    ):
        typed: AnySeries = nw.from_native(
            series.to_native().astype(name if plain != "boolean" else "boolean"), series_only=True
        )
        return typed
    if plain in PLAIN:
        return series.cast(getattr(nw, PLAIN[plain]))
    if plain == "date" and series.dtype == nw.Datetime:
        return series.cast(nw.Date)
    return series


def written_columns(table: Sequence[Column], codes: Array, drawn: bool = True) -> dict[str, list[str]]:
    """New rows [n, D] as text, each column written as it was in the file."""
    return {c.name: _as_text(c, codes[:, d], drawn) for d, c in enumerate(table)}


def _as_text(column: Column, codes: Array, drawn: bool) -> list[str]:
    if drawn or not column.is_number:
        return column.texts(codes, bounded=True)
    return [f"{value:.{column.decimals + 4}f}".rstrip("0").rstrip(".") for value in column.mean_values(codes)]
