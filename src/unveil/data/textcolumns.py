"""Columns that came as text or as objects of Python: the numbers that they hold, or why they hold none and a remedy."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from .decimalmarks import marks_of
from .headers import DATE
from .raw import MISSING
from .tablecolumns import NAMED, TOLD, are, dropping, is_empty, it_or_them, joined, listed, listing, narwhals
from .unfit import unfit
from .writtennumbers import PLAIN, NotNumbers, Style, read_numbers

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

EXACT = 2**53  # up to which float64 has all whole numbers
LONG = 200  # characters of words that an option offers, at most
DATES = "dates or times"


@dataclass(frozen=True)
class Numeric:
    """A column as numbers.

    Arguments: series; style, of its texts; marks, how often each text stood for a missing value; is_text, whether it
    was all text.
    """

    series: AnySeries
    style: Style
    marks: Counter[str]
    is_text: bool


@dataclass(frozen=True)
class Reading:
    """How columns are read.

    Arguments: fitting, whether one may be left out; decimal and missing, as of `read_frame`; dropped, those that are
    left out already; guesses, as of `read_numbers`.
    """

    fitting: bool
    decimal: str = "auto"
    missing: Sequence[str] = ()
    dropped: Sequence[str] = ()
    guesses: bool = True


def numeric_columns(columns: Mapping[str, AnySeries], names: Mapping[str, Any], how: Reading) -> dict[str, Numeric]:
    """Those columns as numbers that do not come as such.

    Arguments: columns, by their names as text; names, as the frame has them.
    """
    found, wrong, how = {}, {}, decided(columns, how)
    for name, series in columns.items():
        if _is_numeric(series):
            continue
        try:
            found[name] = read_or_why(series, how)
        except NotNumbers as error:
            wrong[name] = error
    if wrong:
        refuse_columns(wrong, names, how, len(wrong) == len(columns))
    return found


def decided(columns: Mapping[str, AnySeries], how: Reading) -> Reading:
    """How columns are read once all those of text were asked for the mark before fractions."""
    if how.decimal != "auto" or not how.guesses:
        return how
    texts = (series for series in columns.values() if series.dtype == narwhals().String)
    found = marks_of((series.unique(maintain_order=True).to_list() for series in texts), how.missing)
    return replace(how, decimal=found.decimal, guesses=len(found.proven) < 2)


def said_of(
    read: Mapping[str, Numeric], marks: Mapping[str, Counter[str]], taken: Mapping[str, Counter[str]]
) -> tuple[str, ...]:
    """What was taken for missing values, and how numbers were written, in sentences.

    Arguments: read, as of `numeric_columns`; marks, those of a file by column; taken, numbers that stand for none.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for name, counts in [*marks.items(), *taken.items(), *((name, column.marks) for name, column in read.items())]:
        counted.update({(name, text): count for text, count in counts.items()})
    parts = [f"{text.strip()!r} ({count:,} in {name!r})" for (name, text), count in counted.most_common(2 * NAMED)]
    more = f" and {len(counted) - len(parts)} more" if len(counted) > len(parts) else ""
    said = [f"Taken as missing values: {', '.join(parts)}{more}."] if parts else []
    styles: dict[Style, list[str]] = {}
    for name, column in read.items():
        if column.is_text and (column.style != PLAIN or (name not in marks and not column.marks)):
            styles.setdefault(column.style, []).append(name)
    return (*said, *(_said(style, names) for style, names in styles.items()))


def _said(style: Style, names: Sequence[str]) -> str:
    holds = "holds" if len(names) == 1 else "hold"
    told = f", with {style}" if style != PLAIN else ""
    per = "; 5% is read as 5" if style.percent else ""
    they = "it is" if len(names) == 1 else "they are"
    return f"{listing(names)} {holds} numbers as text{told}: {they} read as numbers{per}."


def _is_numeric(series: AnySeries) -> bool:
    return series.dtype.is_numeric() or series.dtype == narwhals().Boolean or is_empty(series)


def read_or_why(series: AnySeries, how: Reading) -> Numeric:
    """A column of text or objects as numbers, or `NotNumbers`."""
    nw = narwhals()
    if what := unfit(series):
        raise NotNumbers(what, is_name=True)
    if series.dtype.is_temporal():
        raise NotNumbers(DATES)
    if (known := _of_other_numbers(series)) is not None:
        return Numeric(known, PLAIN, Counter(), False)
    cells = listed(series)
    if isinstance(series.dtype, nw.Categorical | nw.Enum):
        raise NotNumbers(_categories(cells))
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip().casefold() not in MISSING]
    if texts and all(DATE.fullmatch(text.strip()) for text in texts):
        raise NotNumbers(DATES)
    written = read_numbers(cells, how.decimal, how.missing, how.guesses)
    return Numeric(_series(series, written.values), written.style, written.marks, series.dtype == nw.String)


def _of_other_numbers(series: AnySeries) -> AnySeries | None:
    """Numbers of a type that narwhals does not know: big-endian, of 16 bits, sparse."""
    nw = narwhals()
    if series.dtype != nw.Unknown:
        return None
    values = np.asarray(series.to_native())
    if values.dtype.kind not in "biuf":
        return None
    plain = values.astype(np.float32 if values.dtype == np.float16 else values.dtype.newbyteorder("="))
    made: AnySeries = nw.new_series(series.name, plain, backend=series.implementation)
    return made


def _categories(cells: Sequence[Any]) -> str:
    first = next((cell for cell in cells if cell is not None), None)
    return f"categories, such as {str(first)[:20]!r}"


def _series(series: AnySeries, values: list[int | float | None]) -> AnySeries:
    """A column of numbers in the library of another: whole where they all are and it can be."""
    nw = narwhals()
    known = [value for value in values if value is not None]
    whole = all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in known)
    made: AnySeries
    if whole and (len(known) == len(values) or not series.implementation.is_pandas_like()):
        made = nw.new_series(series.name, values, nw.Int64, backend=series.implementation)
    elif whole and max(map(abs, known), default=0) > EXACT:
        made = nw.from_native(_nullable(series.name, values), series_only=True)
    else:
        floats = np.array([np.nan if value is None else value for value in values], np.float64)
        made = nw.new_series(series.name, floats, backend=series.implementation)
    return made


def _nullable(name: str, values: list[int | float | None]) -> Any:
    """Whole numbers with gaps to the last digit, which floats do not have beyond 2^53."""
    import pandas

    return pandas.Series(pandas.array(values, "Int64"), name=name)


def refuse_columns(wrong: Mapping[str, NotNumbers], names: Mapping[str, Any], how: Reading, are_all: bool) -> None:
    """Refuse columns that are no numbers, with what to do about the first."""
    first, error = next(iter(wrong.items()))
    all_names = list(wrong)
    said = f"{listing(all_names)} of the table {are(all_names)} not numeric ({first!r} holds {error.what})"
    if not how.fitting:
        way = "Give numbers, NaN where there are none."
        if error.ways:
            way = f"Write {error.ways[0][1]} without a mark between thousands, or as {float(error.ways[0][1]):.4f}."
        raise RequestError(f"{said}, and the run was fitted on numbers there.", way)
    leave = "" if are_all else f"Leave {it_or_them(all_names)} out: {dropping([*how.dropped, *all_names])}"
    if error.is_name:
        raise RequestError(f"{said}.", leave)
    if remedy := remedy_of(error, names[first]):
        raise RequestError(f"{said}.", f"{remedy} {leave}".strip())
    ways = "ne-hot encode: pandas.get_dummies(frame); data.label=NAME takes one as labels."
    other = "data.domain=mixed takes them as categories"
    raise RequestError(
        f"{said}, and numbers alone were asked for.",
        f"{leave}; {other}; or o{ways}" if leave else f"D{other[1:]}; or o{ways}",
    )


def remedy_of(error: NotNumbers, name: Any) -> str:
    """What makes numbers of a column that is meant as such, "" of another; a name as the frame has it."""
    if error.what == DATES:
        return "Give a number, such as the days since the first."
    if error.ways:
        ways = [f"data.decimal={mark} takes it as {value}" for mark, value in error.ways]
        return f"Say which: {'; '.join(ways)}; pandas.read_csv has decimal=',' and thousands=','."
    if error.words:
        return f"{_as_missing(error.words)}pandas.to_numeric(frame[{name!r}], errors='coerce') does for all such text."
    if error.units:
        return "Bring all of them to one unit, and write the numbers alone."
    if error.unlike:
        return "Write all of them in one way."
    if error.unit:
        return f"Write the numbers alone, in pandas with frame[{name!r}].str.replace({error.unit!r}, '')."
    return ""


def _as_missing(words: Sequence[str]) -> str:
    """The option that takes words as missing, as it is typed in a shell; "" where they are too many, or cannot be."""
    if len(words) > TOLD or sum(map(len, words)) > LONG or not all(word.isprintable() for word in words):
        return ""
    return f"{shlex.quote(f'data.na_values={joined(words)}')} takes {it_or_them(words)} as missing, and in pandas "
