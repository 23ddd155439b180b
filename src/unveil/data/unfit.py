"""Columns whose cells are no values: lists, records, bytes, complex numbers, objects of Python."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

from .raw import is_missing
from .tablecolumns import narwhals

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

HELD = {  # by the type of a cell
    "list": "lists", "tuple": "lists", "ndarray": "arrays", "dict": "records", "set": "sets", "bytes": "bytes",
    "complex": "complex numbers", "complex128": "complex numbers", "complex64": "complex numbers",
    "Interval": "intervals", "Period": "periods",
}  # fmt: skip


def unfit(series: AnySeries) -> str:
    """What the cells of a column are, where no model here takes such; "" of one of numbers, texts, dates or yes and no.

    Of a column of objects the first one tells.
    """
    nw = narwhals()
    if series.dtype == nw.Binary:
        return "bytes"
    if series.dtype.is_nested():
        return "records" if isinstance(series.dtype, nw.Struct) else "lists"
    if series.dtype not in (nw.Object, nw.Unknown):
        return ""
    cell = next((cell for cell in series.to_list() if not _is_missing(cell)), None)
    return HELD.get(type(cell).__name__, "") or ("" if _is_value(cell) else f"objects of {type(cell).__name__}")


def _is_missing(cell: Any) -> bool:
    return type(cell).__name__ not in HELD and is_missing(cell)


def _is_value(cell: Any) -> bool:
    """Whether a cell is a number, a text, a date or nothing."""
    return cell is None or isinstance(cell, numbers.Number | str | bool) or hasattr(cell, "isoformat") or _is_span(cell)


def _is_span(cell: Any) -> bool:
    return hasattr(cell, "total_seconds") or hasattr(cell, "dtype")
