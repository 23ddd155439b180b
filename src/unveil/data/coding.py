"""What the columns of a data frame or an array are taken for: the columns of a mixed table, recognised once."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..domain.columns import OWN
from ..errors import RequestError
from .alike import said_alike
from .cells import Cells
from .columnkinds import (
    AS_ASKED,
    EMPTY,
    GONE,
    MOST_WORDS,
    NO_VALUE,
    WORDS_SHARE,
    asked_kinds,
    levels_column,
    numbers_column,
)
from .columns import LEVELLED, NUMERIC, Column, Table, texts_of
from .columnvalues import cells_of, dated, in_full, levels_of, number_values, without_marks
from .compactdates import are_days
from .datecolumns import Dated, dates_column, dates_of_texts, days_in_numbers, may_be_dates
from .fardates import said_far, without_far
from .filling import type_name
from .fills import fills, noted
from .identifiers import said_identifier
from .nativetypes import declared_levels, is_ordered
from .raw import MISSING, Array, Raw, is_missing
from .stray import sentence, stray_values
from .tablecolumns import (
    NAMED,
    are,
    is_counted,
    is_empty,
    is_number,
    is_whole,
    joined,
    listed,
    listing,
    narwhals,
    taking,
    whole_numbers,
)  # fmt: skip
from .textcolumns import Numeric, Reading, decided, read_or_why, refuse_columns, remedy_of
from .unfit import unfit
from .writtennumbers import PLAIN, NotNumbers, Style

if TYPE_CHECKING:
    import narwhals as nw

    from .frames import AsText

    AnySeries = nw.Series[Any]

MANY = 0.4  # different texts to a value, from which on numbers with words among them are no levels
ENOUGH = 20  # different texts from which on numbers with a unit are measurements
SCARCE = 5  # known values of a column, below which they tell little
LONGEST_UNIT = 3  # characters; what is longer is text that begins with a number
PEEK = 5000  # rows that tell how numbers are written
DIGITS, ZEROS = re.compile(r"\d+", re.ASCII), "digits with zeros in front"
NO_USE = {"Duration": "durations", "Time": "times of day"}
MOST_WHOLE, ALIKE = 2**53, "its whole numbers are too large to be told apart"
HOLDS, AS_TEXT = "it holds ", ("durations", "times of day", "periods", "intervals")  # that texts can stand for


@dataclass(frozen=True)
class Recognised:
    """What the columns of a table are: a `Table`, and sentences for whoever gave it.

    Arguments: table; read, columns that came as text or objects, as numbers; far, rows [N] whose number lies so far
    from all others of the column that it is taken as missing, by column; notes.
    """

    table: Table
    read: Mapping[str, Numeric]
    far: Mapping[str, Array]
    notes: tuple[str, ...]


@dataclass
class Found:
    """What is found while the columns are gone through."""

    how: Reading
    num_columns: int
    style: Style = PLAIN
    read: dict[str, Numeric] = field(default_factory=dict)
    far: dict[str, Array] = field(default_factory=dict)
    numbers: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def without_far(self, name: str, values: Array, known: Array) -> Array:
        """Where a column of numbers [N] is known, but for what lies far from all others, which is kept in mind."""
        far = np.zeros(len(values), bool)
        far[known] = stray_values(values[known].astype(np.float64))
        self.numbers[name] = values, known
        if not far.any():
            return known
        self.far[name] = far
        return known & ~far


def recognised(
    given: Mapping[str, AnySeries], names: Mapping[str, Any], how: Reading, kinds: Sequence[str], text: AsText | None
) -> Recognised:
    """What each column is taken for.

    Arguments: given, the columns by their names as text; names, as the frame has them; kinds, the parts of data.kinds;
    text, the file of text that the frame came from.
    """
    asked = asked_kinds(kinds, list(given))
    shown = first_cells(text, list(given)) if text else {}
    state = Found(decided(given, how), len(given), Style(text.decimal) if text else PLAIN)
    columns, left_out = [], {}
    wrong: dict[str, NotNumbers] = {}
    for name, series in given.items():
        try:
            found = _column(name, series, asked.get(name, ""), shown.get(name, []), state)
        except NotNumbers as error:
            wrong[name] = error
            continue
        if isinstance(found, str):
            left_out[name] = found
        else:
            told = found if text else in_full(found, series)
            columns.append(replace(told, is_counted=is_counted(names[name])))
    if wrong:
        refuse_columns(wrong, names, how, False)
    if not columns:
        why = "; ".join(f"{name!r}: {why}" for name, why in list(left_out.items())[:NAMED])
        able = [name for name, why in left_out.items() if why not in (AS_ASKED, NO_VALUE)]
        way = (
            f"{taking(able[0], 'category')} takes {able[0]!r} all the same."
            if able
            else "Leave fewer out, or give values."
        )
        raise RequestError(f"No column of the table is left to be x ({why}).", way)
    said = (
        *said_of_far(state, text),
        *_said_shared(columns),
        *_said_scarce(columns, given),
        *said_alike(columns),
        *said_left_out(left_out),
    )
    notes = (*state.notes, *said)
    library = "" if text else _library(next(iter(given.values())))
    return Recognised(Table(tuple(columns), left_out, library), state.read, state.far, notes)


def _library(series: AnySeries) -> str:
    """The library of a column, where it is one that new rows can be made in."""
    found = series.implementation
    return "polars" if found.is_polars() else "pyarrow" if found.is_pyarrow() else "pandas" if found.is_pandas() else ""


def _said_shared(columns: Sequence[Column]) -> tuple[str, ...]:
    """What the rarest levels of long categories cost."""
    long = [column for column in columns if column.num_levels > OWN]
    return tuple(f"Column {column.name!r} is taken as {column.kind}: {column.why}." for column in long)


def _said_scarce(columns: Sequence[Column], given: Mapping[str, AnySeries]) -> tuple[str, ...]:
    """Which columns hold so few values that a model can but guess at others."""
    rows = len(next(iter(given.values())))
    known = {column.name: round((1 - column.missing) * rows) for column in columns if column.missing}
    few = {name: count for name, count in known.items() if count < SCARCE}
    if not few or rows < 2 * SCARCE:
        return ()
    first = next(iter(few))
    told = ", ".join(f"{name!r} ({count})" for name, count in list(few.items())[:NAMED])
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    return (
        f"Fewer than {SCARCE} values are known of {told}{more}: what a model says of others there is a guess. "
        f"{taking(first, 'drop')} leaves {first!r} out.",
    )


def said_of_far(state: Found, text: AsText | None) -> tuple[str, ...]:
    """What lies far from all other numbers of its column, and marks of a missing value that may be such."""
    alone = (fills(values[known].astype(np.float64), None) for values, known in state.numbers.values())
    if not state.far and not any(alone):
        return ()
    x = np.stack([values for values, _ in state.numbers.values()], 1).astype(np.float64)
    known = np.stack([seen for _, seen in state.numbers.values()], 1)
    raw = Raw("table", x, observed=known, columns=tuple(state.numbers))
    far = np.stack([state.far.get(name, np.zeros(len(x), bool)) for name in state.numbers], 1)
    told = (sentence(raw, far),) if far.any() else ()
    return (*told, *noted(replace(raw, observed=known & ~far)))


def _column(name: str, series: AnySeries, asked: str, shown: Sequence[str], state: Found) -> Column | str:
    """The column, or why it is left out."""
    nw = narwhals()
    kind = str(series.dtype).split("(")[0]
    if asked == "drop":
        return AS_ASKED
    if is_empty(series):
        return NO_VALUE
    dtype = type_name(series, None)
    if held := unfit(series) or NO_USE.get(kind):
        if asked in LEVELLED and held in AS_TEXT:
            return levels_column(name, without_marks(series.to_list(), state.how), dtype, asked)
        return f"it holds {held}"
    if series.dtype in (nw.Date, nw.Datetime):
        _require(name, asked, ("date",), "dates")
        return _as_dates(name, dated(series, shown), dtype, asked, state)
    if series.dtype == nw.Boolean or isinstance(series.dtype, nw.Categorical | nw.Enum):
        _require(name, asked, LEVELLED, "yes and no" if series.dtype == nw.Boolean else "categories")
        found = levels_column(name, cells_of(series), _type_of_levels(series, dtype), asked, _order(series))
        return found if isinstance(found, str) else _as_in_file(found, Cells.among(shown))
    if series.dtype.is_numeric():
        if (days := _of_dated_numbers(name, series, dtype, asked, state)) is not None:
            return days
        _require(name, asked, (*LEVELLED, *NUMERIC), "numbers")
        own = Cells.among([cell for cell in shown if cell.strip() not in state.how.missing], state.style)
        return _of_numbers(name, series, dtype, asked, own, state)
    return _of_texts(name, series, asked, shown, state, dtype)


def _require(name: str, asked: str, allowed: Sequence[str], held: str) -> None:
    """Refuse a kind that a column of such values cannot be of."""
    if asked and asked not in allowed:
        raise RequestError(
            f"data.kinds takes {name} as {asked}, and it holds {held}, which can be {', '.join(allowed)}."
        )


def _of_numbers(name: str, series: AnySeries, dtype: str, asked: str, cells: Cells, state: Found) -> Column | str:
    values, known = number_values(series, state.how.missing)
    if asked not in LEVELLED:
        known = state.without_far(name, values, known)
        if is_whole(series) and _are_alike(values[known]):
            if asked:
                raise RequestError(f"data.kinds takes {name} as {asked}, and {ALIKE}.", f"Give {taking(name, 'drop')}.")
            return ALIKE
    elif is_whole(series):
        values = whole_numbers(series)  # also those beyond 63 bits to the last digit
    found = numbers_column(name, values, known, dtype, asked, state.num_columns)
    if isinstance(found, str):
        return found
    state.notes += said_identifier(name, values[known]) if not asked else ()
    return _as_in_file(found, cells)


def _as_in_file(column: Column, cells: Cells) -> Column:
    """The column, with how its numbers, or levels that are numbers or yes and no, stand in a file."""
    if column.kind not in LEVELLED:
        return replace(column, cells=cells.of_column(None if column.kind == "real" or column.step else column.decimals))
    if column.levels and set(column.levels) <= {"True", "False"}:
        texts = tuple(cells.words[level == "True"] for level in column.levels)
    elif all(map(is_number, column.levels)):
        most = cells.of_column(max(len(level.partition(".")[2]) for level in column.levels))
        texts = tuple(map(most.write, column.levels)) if most else column.levels
    else:
        return column
    return column if texts == column.levels else replace(column, shown=texts)


def _are_alike(values: Array) -> bool:
    """Whether whole numbers are so large that different ones would be one: float64 has them up to 2^53."""
    if not len(values) or float(np.abs(values.astype(np.float64)).max()) <= MOST_WHOLE:
        return False
    return values.dtype.kind == "f" or int(values.max()) - int(values.min()) > MOST_WHOLE


def _of_dated_numbers(name: str, series: AnySeries, dtype: str, asked: str, state: Found) -> Column | str | None:
    """A column of numbers as dates: in the format that is asked for, or YYYYMMDD; None where they are none."""
    if asked.startswith("date:"):
        return _dated(name, texts_of(series.to_list(), MISSING), dtype, asked, state)
    return _of_days(name, series, dtype, asked, state) if asked in ("", "date") else None


def _of_days(name: str, series: AnySeries, dtype: str, asked: str, state: Found) -> Column | str | None:
    """A column of whole numbers as the dates that they are, YYYYMMDD; None where they are none."""
    values, known = number_values(series, state.how.missing)
    if not are_days(values[known]):
        return None
    days = days_in_numbers(values, known)
    found = _as_dates(name, days, dtype, "", state)
    if isinstance(found, str) or asked:
        return found
    gone = int(np.isin(values[known].astype(np.int64).astype(str), found.gaps).sum())
    told = f" {', '.join(found.gaps[:NAMED])} in {gone:,} row{'s' * (gone != 1)}: taken as missing." if gone else ""
    state.notes.append(
        f"Column {name!r} holds whole numbers that are dates, YYYYMMDD: they are taken as dates.{told} "
        f"{taking(name, 'whole')} takes them as whole numbers."
    )
    return found


def _dated(name: str, texts: Sequence[str | None], dtype: str, asked: str, state: Found) -> Column | str | None:
    """A column of texts as the dates that they are; None where they are none."""
    found = dates_of_texts(name, texts, asked)
    if found is None:
        return None
    state.notes += found.said
    return _as_dates(name, found, dtype, asked, state)


def _as_dates(name: str, found: Dated, dtype: str, asked: str, state: Found) -> Column | str:
    """A column of dates, without those that data.na_values names; what stands far from the others is said."""
    kept = replace(found, values=without_far(found.values, state.how.missing, found.zone))
    column = dates_column(name, kept, dtype, asked, state.num_columns)
    state.notes += () if isinstance(column, str) else said_far(column, kept.values)
    return column


def _are_digits(texts: Sequence[str | None]) -> bool:
    return all(text is None or DIGITS.fullmatch(text) for text in texts)


def _of_texts(name: str, series: AnySeries, asked: str, shown: Sequence[str], state: Found, dtype: str) -> Column | str:
    """A column of texts or of objects: numbers, dates, yes and no, or levels."""
    cells, how = listed(series), state.how
    types = {type(cell) for cell in cells if not is_missing(cell)}
    if dtype == "object" and len(types) == 1 and types <= {bool, np.bool_, date}:
        dtype = "object[date]" if types == {date} else "object[bool]"
    if asked in LEVELLED or types <= {bool, np.bool_}:
        kept = without_marks(cells, how)
        state.notes += _said_words(name, kept) if asked else []
        return levels_column(name, kept, dtype, asked)
    texts = [None if t is None or t in how.missing else t for t in texts_of(cells, MISSING)]
    is_said = asked.startswith("date") and not (asked == "date" and _are_digits(texts))
    tries = is_said or (not asked and may_be_dates(texts))
    if tries and (days := _dated(name, texts, dtype, asked, state)) is not None:
        return days
    if not any(character.isdigit() for text in {t for t in texts if t is not None} for character in text):
        return levels_column(name, without_marks(cells, how), dtype, asked)
    if not asked and _have_zeros(texts):
        found = levels_column(name, without_marks(cells, how), dtype, "")
        return f"{found}, {ZEROS}" if isinstance(found, str) else replace(found, why=f"{found.why}, {ZEROS}")
    gaps: tuple[str, ...] = ()
    try:
        numeric = read_or_why(series, how)
    except NotNumbers as error:
        gaps = _gaps(error, cells)
        if not gaps:
            found = levels_column(name, without_marks(cells, how), dtype, "")
            if error.ways or asked or _is_no_category(found, error, texts):
                raise
            state.notes += _said_almost(name, found, error, texts)
            return found
        numeric = read_or_why(series, replace(how, missing=(*how.missing, *gaps)))
        state.notes.append(
            f"Column {name!r} holds numbers, and {', '.join(map(repr, gaps))} in {_count(cells, gaps):,} rows: taken "
            f"as missing. {taking(name, 'category')} takes all of it as levels."
        )
    if asked in ("", "date") and (days := _of_days(name, numeric.series, dtype, asked, state)) is not None:
        is_text = series.dtype == narwhals().String
        return days if isinstance(days, str) or is_text else replace(days, dtype=type_name(series, numeric))
    known = [cell for cell in cells if isinstance(cell, str) and cell.strip() not in how.missing]
    own = Cells.among(known, numeric.style)
    found = _of_numbers(name, numeric.series, type_name(series, numeric), asked, own, state)
    if isinstance(found, str):
        return found
    state.read[name] = numeric
    return replace(found, gaps=gaps)


def _said_words(name: str, cells: Sequence[Any]) -> list[str]:
    """A sentence where words that elsewhere stand for a missing value are levels."""
    words = Counter(cell.strip() for cell in cells if isinstance(cell, str))
    found = {word: count for word, count in words.items() if word.casefold() in GONE - EMPTY}
    if not found:
        return []
    listed, rows = ", ".join(map(repr, found)), sum(found.values())
    they = ("a level", "it") if len(found) == 1 else ("levels", "them")
    way = shlex.quote(f"data.na_values={joined(list(found))}")
    hold = f"{rows:,} row" + "s" * (rows != 1)
    return [f"Column {name!r} holds {listed} in {hold}, taken as {they[0]}; {way} takes {they[1]} as missing."]


def _have_zeros(texts: Sequence[str | None]) -> bool:
    """Whether texts are digits that name something, as postcodes do: some have zeros in front."""
    known = {text for text in texts if text is not None}
    return any(len(text) > 1 and text[0] == "0" for text in known) and all(map(DIGITS.fullmatch, known))


def _is_no_category(found: Column | str, error: NotNumbers, texts: Sequence[str | None]) -> bool:
    """Whether a column that is almost one of numbers has too many texts to be taken as levels in silence."""
    known = [text for text in texts if text is not None]
    has_many = isinstance(found, str) or (bool(error.words) and len(set(known)) > MANY * len(known))
    return has_many and _is_almost(error, texts)


def _said_almost(name: str, found: Column | str, error: NotNumbers, texts: Sequence[str | None]) -> list[str]:
    """A sentence where a column that holds numbers, and is none, is taken as levels."""
    is_unit = bool(error.unit or error.units) and len({*texts}) > ENOUGH and not _is_name(error, texts)
    if isinstance(found, str) or not (error.words or error.unlike or is_unit):
        return []
    told = f"Column {name!r} holds {error.what}: it is taken as {found.kind}, each text a level."
    return [f"{told} To have numbers: {remedy_of(error, name)}"]


def _is_almost(error: NotNumbers, texts: Sequence[str | None]) -> bool:
    """Whether a column is numbers but for how they are written, so that nobody would want it left out."""
    has_unit = 0 < len(error.unit) <= LONGEST_UNIT and " " not in error.unit
    return bool(error.words or error.unlike) or (has_unit and not _is_name(error, texts))


def _is_name(error: NotNumbers, texts: Sequence[str | None]) -> bool:
    """Whether letters that stand right before digits make names of them: L12."""
    first = next((text for text in texts if text is not None), "")
    return error.unit.isalpha() and first.startswith(error.unit) and first.removeprefix(error.unit)[:1].isdigit()


def _gaps(error: NotNumbers, cells: Sequence[Any]) -> tuple[str, ...]:
    """Words among numbers that are few enough to be marks of a missing value."""
    if not error.words or len(error.words) > MOST_WORDS:
        return ()
    known = sum(cell is not None for cell in cells)
    return error.words if _count(cells, error.words) <= max(2, WORDS_SHARE * known) else ()


def _count(cells: Sequence[Any], words: Sequence[str]) -> int:
    return sum(isinstance(cell, str) and cell.strip() in words for cell in cells)


def _type_of_levels(series: AnySeries, dtype: str) -> str:
    """The name of a type, that of categories of pandas with the type of the levels, where these are no texts."""
    levels = levels_of(series)
    name = "object" if levels is None else str(levels.dtype)
    return dtype if name in ("object", "str", "string") else f"category[{name}]"


def _order(series: AnySeries) -> tuple[str, ...]:
    """The levels of a type whose levels are in an order; none of another."""
    return declared_levels(series) if is_ordered(series) else ()


def first_cells(text: AsText, names: Sequence[str]) -> dict[str, list[str]]:
    """The first cells of each column as they stand in a file of text."""
    rows = list(islice(text.cells(), PEEK))
    place = {name: text.names.index(name) for name in names if name in text.names}
    return {name: [row[i] for row in rows if i < len(row)] for name, i in place.items()}


def said_left_out(left_out: Mapping[str, str]) -> tuple[str, ...]:
    asked = {name: why for name, why in left_out.items() if why != AS_ASKED}
    if not asked:
        return ()
    names = list(asked)
    told = "; ".join(f"{name!r}: {why}" for name, why in list(asked.items())[:NAMED])
    able = [name for name, why in asked.items() if not why.startswith(HOLDS) or why.removeprefix(HOLDS) in AS_TEXT]
    it = "it" if len(names) == 1 else repr(able[0]) if able else ""
    way = f" {taking(able[0], 'category')} takes {it} all the same." if able else ""
    return (f"{listing(names)} {are(names)} left out ({told}).{way}",)
