"""A column of a data frame with its gaps filled: in the type, and written, as it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from .cells import DIGITS, Cells
from .columnforms import Form, rounded
from .nativetypes import declared_levels, in_arrow
from .raw import Array
from .tablecolumns import is_whole, narwhals, numbers, whole_numbers
from .textcolumns import EXACT, Numeric

PLAIN = {  # types by their names in small letters, and what narwhals calls them
    "bool": "Boolean", "boolean": "Boolean", "float32": "Float32", "float64": "Float64", "int8": "Int8",
    "int16": "Int16", "int32": "Int32", "int64": "Int64", "uint8": "UInt8", "uint16": "UInt16", "uint32": "UInt32",
    "uint64": "UInt64",
}  # fmt: skip

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]


def filled_column(
    came: AnySeries, read: Numeric | None, x: Array, observed: Array, form: Form, drawn: bool
) -> AnySeries:
    """A column with x [N] wherever it is not observed.

    Arguments: came, the column; read, what it is as numbers, where it came as text or objects; form, of its numbers;
    drawn, x is a draw: a column of whole numbers keeps its type, with x rounded.
    """
    column = came if read is None else read.series
    if column.dtype.is_decimal():
        return of_type(series_like(came, _decimals(column.to_list(), x, observed)), came)
    filled = _numbers(column, x, observed, form, drawn)
    if read is None:
        return filled
    if came.dtype == narwhals().String:
        known = {cell for cell, seen in zip(came.to_list(), observed, strict=True) if seen}
        write = Cells.of(known, read.style).write
        cells = [
            cell if seen else write(value)
            for cell, seen, value in zip(came.to_list(), observed, filled.to_list(), strict=True)
        ]
    else:
        cells = _objects(came.to_list(), filled.to_list(), observed)
    return of_type(series_like(came, cells), came)


def frame_of(columns: Mapping[str, Array], forms: Sequence[Any] | None, drawn: bool, library: str) -> Any:
    """Columns [N] as a frame of a library, each in the type by its name that its form says, where there is that."""
    nw = narwhals()
    frame = nw.from_dict(dict(columns), backend=library)
    made = [_typed(frame.get_column(name), form, drawn) for name, form in zip(columns, forms or (), strict=False)]
    native = frame.with_columns(*made).to_native()
    counted = [form.is_counted for form in forms or ()]
    return named_as_came(native, list(columns), counted, library)


def named_as_came(native: Any, names: Sequence[str], counted: Sequence[bool], library: str) -> Any:
    """A frame of a library with the names of its columns, in pandas those that were whole numbers as such."""
    if library != "pandas" or not any(counted):
        return native
    native.columns = [int(name) if is_counted else name for name, is_counted in zip(names, counted, strict=True)]
    return native


def _typed(series: AnySeries, form: Form, drawn: bool) -> AnySeries:
    nw, name = narwhals(), form.dtype
    if name.startswith("decimal"):
        step = Decimal(1).scaleb(-int(name[8:-1]))
        with localcontext(prec=DIGITS):
            return series_like(series, [Decimal(str(value)).quantize(step) for value in series.to_list()])
    plain = name.lower().split("[")[0]
    if plain not in PLAIN or (form.is_whole and not drawn):
        return series
    if _is_pandas(series):
        made: AnySeries = nw.from_native(series.to_native().astype(name.split("[")[0]), series_only=True)
        return made
    return series.cast(getattr(nw, PLAIN[plain]))


def type_name(came: AnySeries, read: Numeric | None) -> str:
    """The type of a column of numbers by its name: int64, Int64 (pandas has both), bool, decimal(2), …"""
    column = came if read is None else read.series
    if column.dtype.is_decimal() or (read is not None and not read.is_text):
        cells = [cell for cell in came.to_list() if isinstance(cell, Decimal) and cell.is_finite()]
        if cells:
            return f"decimal({-min(_places(cells))})"
    return str(column.to_native().dtype) if _is_pandas(column) else str(column.dtype).lower().replace("boolean", "bool")


def _numbers(column: AnySeries, x: Array, observed: Array, form: Form, drawn: bool) -> AnySeries:
    nw = narwhals()
    rounds = is_whole(column) and (drawn or _is_large(whole_numbers(column)))
    keeps = rounds or column.dtype in (nw.Float32, nw.Float64)
    if rounds:
        kept = whole_numbers(column)
        made = series_like(column, np.where(observed, kept, _whole(x, kept.dtype, form)))
    else:
        made = series_like(column, np.where(observed, numbers(column), x))
    return of_type(made, column) if keeps else made


def _is_large(values: Array) -> bool:
    """Whether some whole numbers are none of float64, which has them up to 2^53."""
    return bool(values.size) and max(int(values.max()), -int(values.min())) > EXACT


def _whole(x: Array, kind: Any, form: Form) -> Array:
    """x [N] as whole numbers of a type; what is whole already is so to the last digit."""
    if x.dtype.kind != "i":
        return rounded(x, kind.type, form.low, form.high)
    low, high = max(np.iinfo(kind).min, -(2**63)), min(np.iinfo(kind).max, 2**63 - 1)
    return np.clip(x, low, high).astype(kind)


def _decimals(cells: list[Any], x: Array, observed: Array) -> list[Any]:
    """Exact decimals, with as many digits after their point as the longest that is observed."""
    places = _places([cell for cell, seen in zip(cells, observed, strict=True) if seen])
    step = Decimal(1).scaleb(min(places, default=0))
    with localcontext(prec=DIGITS):
        return [
            cell if seen else Decimal(str(value)).quantize(step)
            for cell, seen, value in zip(cells, observed, x.tolist(), strict=True)
        ]


def _places(cells: list[Any]) -> list[int]:
    """The exponents of exact decimals, 0 at most: −2 of 1.50."""
    return [min(0, cell.as_tuple().exponent) for cell in cells]


def _objects(cells: list[Any], filled: list[Any], observed: Array) -> list[Any]:
    """Objects of Python, the filled ones of the type of the others where these are all of one."""
    kinds = {type(cell) for cell, seen in zip(cells, observed, strict=True) if seen}
    if kinds and all(issubclass(kind, Decimal) for kind in kinds):
        return _decimals(cells, np.array(filled, np.float64), observed)
    kind = next(iter(kinds)) if len(kinds) == 1 else float
    keeps = issubclass(kind, int | np.integer | np.bool_) and all(value == round(value) for value in filled)
    return [
        cell if seen else kind(round(value)) if keeps else value
        for cell, seen, value in zip(cells, observed, filled, strict=True)
    ]


def series_like(like: AnySeries, values: Any) -> AnySeries:
    """A column of the library and the name of another."""
    made: AnySeries = narwhals().new_series(like.name, values, backend=like.implementation)
    return made


def of_type(made: AnySeries, came: AnySeries) -> AnySeries:
    """A column in the type of another, as its own library has it."""
    native, own = made.to_native(), came.to_native()
    if _is_pandas(came):
        changed = native.astype(own.dtype)
    elif came.implementation.is_pyarrow():
        changed = in_arrow(native, own.type, declared_levels(came))
    else:
        changed = native.cast(own.dtype)
    found: AnySeries = narwhals().from_native(changed, series_only=True)
    return found


def _is_pandas(series: AnySeries) -> bool:
    return bool(series.implementation.is_pandas_like())
