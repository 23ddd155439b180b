"""The columns of a table: what they hold as numbers or labels, and those that no density can be of."""

from __future__ import annotations

import difflib
import math
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..domain.values import deleting
from ..errors import RequestError
from .raw import Array, Raw, is_missing, unknown_texts

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

NAMED = 5  # columns that a sentence names
TOLD = 20  # columns that a sentence lists
NEAR = 0.8  # how like two names are, from 0 to 1, of which one may be the other misspelt
ROWS = 5000  # rows that columns are judged by
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)
PIECE = 2**16  # cells of text that become Python's own at once
OFTEN = 0.2  # share of rows with one value from which on a column breaks a density


def narwhals() -> Any:
    """The module, or what to install."""
    try:
        import narwhals
    except ImportError as error:
        raise RequestError("Tables need narwhals.", "pip install 'unveil[table]' brings it.") from error
    return narwhals


def matrix(columns: Mapping[str, AnySeries], missing: Sequence[str] = ()) -> tuple[Array, dict[str, Counter[str]]]:
    """Numeric columns as x [N, D] float64, NaN where they are missing, and how often each of `missing` stood there."""
    x = np.stack([numbers(series) for series in columns.values()], axis=1)
    taken: dict[str, Counter[str]] = {}
    for mark in number_marks(missing):
        for name, column in zip(columns, x.T, strict=True):
            if count := int((column == float(mark)).sum()):
                taken.setdefault(name, Counter())[mark] += count
        x[x == float(mark)] = np.nan
    infinite = [name for name, bad in zip(columns, np.isinf(x).any(0), strict=True) if bad]
    if infinite:
        row = int(np.isinf(x).any(1).argmax())
        raise RequestError(f"{listing(infinite)} of the table: inf came, first in row {row}.", without_inf(x))
    return x, taken


def number_marks(missing: Iterable[str]) -> list[str]:
    """Those of the words for a missing value that are numbers, inf among them."""
    return [mark for mark in missing if is_number(mark) or INFINITE.fullmatch(mark)]


def without_inf(x: Array) -> str:
    """What to do about the infinite numbers among x."""
    came = [mark for mark in ("inf", "-inf") if (x == float(mark)).any()]
    return f"data.na_values={','.join(came)} takes them as missing; or drop those rows, or put numbers there."


def taking(name: str, kind: str) -> str:
    """The option that takes a column as of a kind, as it is typed in a shell."""
    return shlex.quote(f"data.kinds={joined([f'{name}={kind}'])}")


def listed(series: AnySeries) -> list[Any]:
    """The cells of a column; of text each different one is held in memory once."""
    if series.dtype != narwhals().String:
        return list(series.to_list())
    held: dict[Any, Any] = {None: None}
    found: list[Any] = []
    for first in range(0, len(series), PIECE):
        found += [held.setdefault(cell, cell) for cell in series[first : first + PIECE].to_list()]
    return found


def numbers(series: AnySeries) -> Array:
    """A numeric column as float64 [N], NaN where it is missing."""
    nw = narwhals()
    if series.dtype == nw.Float64:
        return np.array(series.to_numpy(), np.float64)
    if is_empty(series):
        return np.full(len(series), np.nan)
    if is_whole(series):
        return np.where(series.is_null().to_numpy(), np.nan, whole_numbers(series))
    if series.dtype.is_decimal():  # whose cast to floats is off by a last digit in pyarrow
        return np.array([np.nan if is_missing(cell) else float(cell) for cell in series.to_list()])
    return np.array(series.cast(nw.Float64).to_numpy(), np.float64)


def whole_numbers(series: AnySeries) -> Array:
    """A column of integers or booleans [N] in their own type, to the last digit; 0 where it is missing.

    Those of 128 bits, which NumPy does not have, are of 64, or float64 where these do not hold them.
    """
    if series.dtype in (narwhals().Int128, narwhals().UInt128):
        values = series.fill_null(0).to_list()
        fits = all(-(2**63) <= value < 2**63 for value in values)
        return np.array(values, np.int64 if fits else np.float64)
    return np.array(series.fill_null(False if series.dtype == narwhals().Boolean else 0).to_numpy())


def is_counted(name: Any) -> bool:
    """Whether the name of a column is a whole number, which pandas allows."""
    return isinstance(name, int | np.integer) and not isinstance(name, bool)


def is_empty(series: AnySeries) -> bool:
    """Whether a column holds no value."""
    return bool(series.is_null().all())


def is_whole(series: AnySeries) -> bool:
    """Whether a column is of integers or of yes and no."""
    return bool(series.dtype.is_integer()) or bool(series.dtype == narwhals().Boolean)


def labels(series: AnySeries, name: str, written: Sequence[str] | None = None, missing: Collection[str] = ()) -> Array:
    """A column of labels, integers or text, None where it is missing.

    Arguments: name, for sentences; written, its cells as they stand in a file; missing, more texts for a missing one.
    """
    nw = narwhals()
    if series.dtype.is_temporal() or series.dtype.is_nested():
        raise RequestError(f"data.label={name} came as {series.dtype}; labels are integers or text.")
    if isinstance(series.dtype, nw.Categorical | nw.Enum):
        series = series.cast(nw.String)
    values = [None if is_missing(value) else value for value in series.to_list()] if written is None else list(written)
    gone = _gone(set(values), missing)
    values = [None if value in gone else value for value in values]
    found = np.empty(len(series), object)
    found[:] = values if written is None else _of_texts(values)
    if all(value is None for value in found):
        raise RequestError(f"data.label={name} names a column that holds nothing.")
    return found


def _gone(values: Collection[Any], missing: Collection[str]) -> set[Any]:
    """Which of different labels are missing."""
    asked = {value for value in values if str(value).strip() in missing or _same_number(value, missing)}
    texts = [value for value in values if isinstance(value, str) and value not in asked]
    return asked | unknown_texts(texts)


def _same_number(value: Any, missing: Collection[str]) -> bool:
    return is_number(str(value)) and any(float(value) == float(mark) for mark in missing if is_number(mark))


def _of_texts(values: Sequence[str | None]) -> list[Any]:
    """Labels of a file: integers where all are written so, floats (which are none), else the texts that they are."""
    known = {value for value in values if value is not None}
    if all(len(value) <= 20 and INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63 for value in known):
        return [None if value is None else int(value) for value in values]
    if not all(map(is_number, known)):
        return list(values)
    if any(float(value) != round(float(value)) for value in known):
        return [None if value is None else float(value) for value in values]
    numbers = {float(value) for value in known}
    marks = {number for number in numbers if number < 0} == {-1.0} and numbers != {-1.0, 1.0}
    return [None if value is None or (marks and float(value) == -1) else value for value in values]


def refuse_empty(raw: Raw, rows: Array) -> None:
    """Refuse columns of x [N, D] that no training row holds a value of."""
    if raw.observed is None or raw.x.ndim != 2:
        return
    empty = np.flatnonzero(~raw.observed[rows].any(0)).tolist()
    if not empty:
        return
    if len(empty) == raw.x.shape[1]:
        raise RequestError("x holds no value in any training row; there is nothing to learn from it.")
    names = [str(i) if raw.columns is None else raw.columns[i] for i in empty]
    way = deleting(empty) if raw.columns is None else dropping([*raw.dropped, *names])
    has = "has" if len(names) == 1 else "have"
    raise RequestError(f"{listing(names)} {has} no value in any training row.", f"Leave {it_or_them(names)} out: {way}")


def refuse_constant(raw: Raw, rows: Array) -> None:
    """Refuse columns of a table with one value only in the training rows: a density of them has no bound."""
    x, seen = _training(raw, rows)
    low, high = np.where(seen, x, np.inf).min(0), np.where(seen, x, -np.inf).max(0)
    names = [name for name, equal in zip(raw.columns or (), low == high, strict=True) if equal]
    if not names:
        return
    if len(names) == x.shape[1]:
        raise RequestError("Every column of the table is constant in the training rows; there is nothing to learn.")
    said = f"{listing(names)} {are(names)} constant in the training rows"
    raise RequestError(
        f"{said}, so a density of {it_or_them(names)} has no bound.",
        f"Leave {it_or_them(names)} out: {dropping([*raw.dropped, *names])}",
    )


def breaking(raw: Raw, rows: Array) -> tuple[str, ...]:
    """A sentence that names the columns that break a density, if there are any."""
    x, seen = _training(raw, rows[:: -(-len(rows) // ROWS)])
    names = [name for name, v, s in zip(raw.columns or (), x.T, seen.T, strict=True) if _breaks(v[s])]
    if not names:
        return ()
    holds = "holds" if len(names) == 1 else "hold"
    return (
        f"{listing(names)} {holds} whole numbers, or one value in {OFTEN:.0%} of the rows: a density makes these as "
        "likely as its smallest noise allows, so log p(x) says less about them; data.domain=count, levels or binary "
        "takes a table of whole numbers otherwise.",
    )


def listing(names: Sequence[str]) -> str:
    """ "Columns 'a', 'b'" for a sentence."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"Column{'s' if len(names) > 1 else ''} {', '.join(map(repr, names[:NAMED]))}{more}"


def named_twice(names: Sequence[str]) -> str:
    """The first name that comes twice, in quotes; "" where each has its own."""
    return next((repr(name) for name, count in Counter(names).items() if count > 1), "")


def near_column(name: str, names: Iterable[str], those: str = "It has") -> str:
    """A sentence that offers the column whose name differs from this by little, or says which there are."""
    plain = {_plain(other): other for other in names}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=NEAR)
    if close:
        return f"Did you mean {plain[close[0]]!r}?"
    if not plain:
        return ""
    shown = [repr(other) if "," in other or other != other.strip() else other for other in plain.values()]
    return f"{those} {', '.join(shown[:TOLD])}{f' and {len(shown) - TOLD} more' if len(shown) > TOLD else ''}."


def _plain(name: str) -> str:
    """A name without accents, capitals and what stands between its words."""
    return "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if c.isalnum()) or name


def are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def is_number(text: str) -> bool:
    """Whether text is written as a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _training(raw: Raw, rows: Array) -> tuple[Array, Array]:
    """x [n, D] and what of it is observed."""
    x = raw.x[rows]
    return x, np.ones_like(x, bool) if raw.observed is None else raw.observed[rows]


def _breaks(values: Array) -> bool:
    """Whether one value comes often, or only whole numbers do."""
    if not len(values):
        return False
    _, counts = np.unique(values, return_counts=True)
    whole = bool((values == np.rint(values)).all()) and np.abs(values).max() < 2**53  # above, every float64 is whole
    return bool(counts.max() >= OFTEN * len(values) or whole)


def dropping(names: Sequence[str]) -> str:
    """The option that leaves all of the columns out, as it is typed in a shell; in pandas where it cannot be typed."""
    if not all(name.isprintable() for name in names):
        return f"frame.drop(columns={list(names)!r}) in pandas"
    return shlex.quote(f"data.drop={joined(names)}")


def joined(names: Sequence[str]) -> str:
    """Names with commas between them; one that holds a comma, a quote or spaces around it stands in double quotes."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    needed = [not name or name != name.strip() or any(mark in name for mark in ',"\r\n') for name in names]
    return ",".join(long if needs else name for name, long, needs in zip(names, quoted, needed, strict=True))


def it_or_them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
