"""The type of a column as its own library names it, and columns made again in it: to the last parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from .cells import DIGITS
from .raw import is_missing
from .tablecolumns import narwhals

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

MOST_LISTED = 100_000  # levels of a type that are kept where no row has them
DICTIONARY = re.compile(r"dictionary<values=(.+), indices=(\w+), ordered=([01])>")
PRECISE = re.compile(r"decimal(128|256)?\((?:precision=)?(\d+), (?:scale=)?(-?\d+)\)", re.IGNORECASE)
STAMP = re.compile(r"timestamp\[(\w+), tz=(.+)\]")
MOMENT = re.compile(r"Datetime\(time_unit='(\w+)', time_zone=(?:None|'(.+)')\)")
SPAN = re.compile(r"(?:(-?\d+) days?,? ?)?(?:(\d+):(\d\d):(\d\d)(?:\.(\d+))?)?")
OF_ARROW, NULLABLE = "[pyarrow]", "nullable string"  # the second with what holds it: both are "string" in pandas
FLOATS = re.compile(r"(decimal|float|double|halffloat|sparse\[float)", re.IGNORECASE)  # types that hold a mean


def native_name(series: AnySeries) -> str:
    """The name of the type of a column, as its library has it; "Enum" without its levels."""
    native = series.to_native()
    if series.implementation.is_pyarrow():
        return str(native.type)
    name = str(native.dtype)
    if name == "string":
        return f"{NULLABLE}[{native.dtype.storage}]"
    return name.split("(")[0] if name.startswith("Enum") else name


def declared_levels(series: AnySeries) -> tuple[str, ...]:
    """The levels that the type of a column has, also those that no row has; none of another type, or of too many."""
    levels = _levels_of_type(series)
    return tuple(map(str, levels)) if len(levels) <= MOST_LISTED else ()


def is_ordered(series: AnySeries) -> bool:
    """Whether the levels of the type of a column are in an order."""
    native = series.to_native()
    kind = native.type if series.implementation.is_pyarrow() else getattr(native.dtype, "pyarrow_dtype", native.dtype)
    return bool(getattr(kind, "ordered", False)) or type(kind).__name__ == "Enum"


def _levels_of_type(series: AnySeries) -> Sequence[Any]:
    native = series.to_native()
    if not series.implementation.is_pyarrow():
        if (found := getattr(native.dtype, "categories", None)) is not None:
            return list(found)
        if not hasattr(getattr(native.dtype, "pyarrow_dtype", None), "index_type"):
            return ()
        native = native.array.__arrow_array__()
    elif not hasattr(native.type, "index_type"):
        return ()
    if hasattr(native, "chunks"):
        native = native.unify_dictionaries().combine_chunks()
    return list(native.dictionary.to_pylist())


def object_types(cells: Sequence[Any], texts: Sequence[str | None], levels: Sequence[str]) -> tuple[str, ...]:
    """The types of objects by their names: one where all are of it, else that of each level; none where they are more.

    Arguments: texts, of the cells; levels, the different ones.
    """
    kinds = {type(cell) for cell in cells if not is_missing(cell)}
    if len(kinds) == 1:
        return (next(iter(kinds)).__name__,)
    first = {text: type(cell).__name__ for cell, text in zip(reversed(cells), reversed(texts), strict=True)}
    return tuple(first[level] for level in levels) if levels and set(levels) <= first.keys() else ()


def as_object(value: Any, kind: str) -> Any:
    """A value of a column as an object of Python of a type by its name; as it is where that cannot be."""
    if kind not in MADE or type(value).__name__ == kind:
        return value
    return MADE[kind](value)


def _span(text: str) -> timedelta:
    days, hours, minutes, seconds, rest = (found or "0" for found in SPAN.fullmatch(text.strip()).groups())  # type: ignore[union-attr]
    return timedelta(int(days), int(seconds), int(rest.ljust(6, "0")[:6]), 0, int(minutes), int(hours))


MADE: dict[str, Any] = {
    "bool": lambda value: str(value).casefold() in ("true", "1"),
    "int": lambda value: int(value),
    "float": lambda value: float(value),
    "str": lambda value: str(value),
    "Decimal": lambda value: Decimal(str(value)),
    "date": lambda value: value.date() if isinstance(value, datetime) else date.fromisoformat(str(value)),
    "datetime": lambda value: value if isinstance(value, datetime) else datetime.fromisoformat(str(value)),
    "time": lambda value: time.fromisoformat(str(value)),
    "timedelta": lambda value: _span(str(value)),
}


def object_series(like: AnySeries, cells: Sequence[Any]) -> AnySeries:
    """Objects of Python as a column of the library and the name of another, as they are."""
    if like.implementation.is_pandas_like():
        import pandas

        made: Any = pandas.Series(list(cells), dtype=object, name=like.name)
    else:
        import polars

        made = polars.Series(like.name, list(cells), dtype=polars.Object)
    found: AnySeries = narwhals().from_native(made, series_only=True)
    return found


def in_native(series: AnySeries, name: str, levels: Sequence[str] = ()) -> AnySeries:
    """A column in a type of its library by its name; as it is where that type is not known here, or cannot hold it.

    Arguments: levels, of a type that lists them.
    """
    try:
        found: AnySeries = narwhals().from_native(_changed(series, name, levels), series_only=True)
    except (TypeError, ValueError, NotImplementedError):  # also what pyarrow raises
        return series
    return found


def _changed(series: AnySeries, name: str, levels: Sequence[str]) -> Any:
    made = series.to_native()
    if series.implementation.is_pandas_like():
        return _in_pandas(made, name, levels)
    if series.implementation.is_pyarrow():
        return in_arrow(made, arrow_type(name), levels)
    kind = _polars_type(name, levels)
    return made if kind is None else _scaled(made, name).cast(kind)


def _in_pandas(made: Any, name: str, levels: Sequence[str]) -> Any:
    import pandas

    if name.startswith(NULLABLE):
        return made.astype(pandas.StringDtype(name.removeprefix(NULLABLE).strip("[]")))
    if not name.endswith(OF_ARROW):
        return made.astype(name)
    import pyarrow

    kind = arrow_type(name.removesuffix(OF_ARROW))
    if kind is None:
        return made
    values = _scaled(made, name).tolist()
    gone = [None if is_missing(value) else value for value in values]
    own = pandas.arrays.ArrowExtensionArray(in_arrow(pyarrow.chunked_array([gone]), kind, levels))
    return pandas.Series(own, made.index, name=made.name)


def _scaled(made: Any, name: str) -> Any:
    """Numbers as exact decimals where their type is such, as a column of the same library."""
    exact = PRECISE.match(name)
    if exact is None:
        return made
    step = Decimal(1).scaleb(-int(exact[3]))
    with localcontext(prec=DIGITS):
        cells = [None if is_missing(value) else Decimal(str(value)).quantize(step) for value in made.to_list()]
    return type(made)(cells)


def in_arrow(values: Any, kind: Any, levels: Sequence[str] = ()) -> Any:
    """A column of pyarrow in a type of it.

    Arguments: levels, in the order in which a dictionary is to list them.
    """
    import pyarrow

    if kind is None or values.type == kind:
        return values
    if pyarrow.types.is_dictionary(kind):
        return _dictionary(values, kind, levels)
    if pyarrow.types.is_decimal(kind):
        step = Decimal(1).scaleb(-kind.scale)
        with localcontext(prec=DIGITS):
            cells = [None if v is None else Decimal(str(v)).quantize(step) for v in values.to_pylist()]
        return pyarrow.chunked_array([pyarrow.array(cells, kind)])
    if pyarrow.types.is_date(kind):
        days = [None if cell is None else as_object(cell, "date") for cell in values.to_pylist()]
        return pyarrow.chunked_array([pyarrow.array(days, kind)])
    return values.cast(kind)


def _dictionary(values: Any, kind: Any, levels: Sequence[str]) -> Any:
    """Values as a dictionary, of the levels in their order where these are told."""
    import pyarrow

    plain = values.cast(kind.value_type)
    known = pyarrow.array(list(levels)).cast(kind.value_type) if levels else plain.drop_null().unique()
    codes = pyarrow.compute.index_in(plain, known).cast(kind.index_type)
    chunks = codes.chunks if hasattr(codes, "chunks") else [codes]
    made = [pyarrow.DictionaryArray.from_arrays(chunk, known, ordered=kind.ordered) for chunk in chunks]
    return pyarrow.chunked_array(made, kind)


def arrow_type(name: str) -> Any:
    """A type of pyarrow by its name; None where it is not known here."""
    import pyarrow

    if found := DICTIONARY.fullmatch(name):
        value, index = arrow_type(found[1]), arrow_type(found[2])
        return None if value is None or index is None else pyarrow.dictionary(index, value, found[3] == "1")
    if found := PRECISE.fullmatch(name):
        make = pyarrow.decimal256 if found[1] == "256" else pyarrow.decimal128
        return make(int(found[2]), int(found[3]))
    if found := STAMP.fullmatch(name):
        return pyarrow.timestamp(found[1], found[2])
    try:
        return pyarrow.type_for_alias(name)
    except ValueError:
        return None


def _polars_type(name: str, levels: Sequence[str]) -> Any:
    import polars

    if name == "Enum":
        return polars.Enum(list(levels)) if levels else None
    if found := MOMENT.fullmatch(name):
        return polars.Datetime(found[1], found[2])  # type: ignore[arg-type]
    if found := PRECISE.fullmatch(name):
        return polars.Decimal(int(found[2]), int(found[3]))
    return getattr(polars, name) if name in PLAIN_POLARS else None


PLAIN_POLARS = frozenset(
    {
        "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64",
        "Boolean", "String", "Date", "Categorical",
    }
)  # fmt: skip
