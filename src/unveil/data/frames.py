"""Data frames of any library: their numeric columns as x, and results as a frame of the same kind with the same index.

What is missing (null or NaN) is not observed. Narwhals speaks to pandas, polars and pyarrow; none is imported before a
table comes.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..errors import RequestError
from .alike import said_alike_labels
from .cells import Cells
from .coding import Recognised, first_cells, recognised
from .columnforms import Form, form_of
from .columns import Table
from .filling import filled_column, type_name
from .headers import looks_like_values
from .limits import MAX_NAME
from .newcodes import coded
from .raw import Array, Raw, encode_labels, is_missing
from .rowless import LAZY, library_of, no_frame, require_rows
from .tablecolumns import (
    are,
    is_counted,
    is_empty,
    is_whole,
    labels,
    listing,
    matrix,
    named_twice,
    narwhals,
    near_column,
    numbers,
    whole_numbers,
)
from .textcolumns import Numeric, Reading, numeric_columns, said_of
from .writtennumbers import Style

if TYPE_CHECKING:
    import narwhals as nw

    AnyFrame = nw.DataFrame[Any]
    AnySeries = nw.Series[Any]

LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf", "narwhals", *LAZY)
NAME_SHOWN = 20  # characters of a name that is too long
DRAW = "draw"  # the column that numbers multiple imputations
NAMELESS = re.compile(r"\s*|Unnamed: \d+(\.\d+)*")  # the second is what pandas calls a column without a name


@runtime_checkable
class AsText(Protocol):
    """A table of text, as `texttables.TextTable`."""

    @property
    def separator(self) -> str: ...

    @property
    def names(self) -> list[str]: ...

    @property
    def titles(self) -> Sequence[str]: ...

    @property
    def header(self) -> list[str]: ...

    @property
    def has_header(self) -> bool: ...

    @property
    def marks(self) -> Mapping[str, Counter[str]]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def is_open(self) -> bool: ...

    @property
    def decimal(self) -> str: ...

    @property
    def above(self) -> tuple[str, ...]: ...

    def lines(self) -> Iterator[tuple[bool, list[str]]]: ...

    def cells(self) -> Iterator[list[str]]: ...


@dataclass(frozen=True)
class Frame:
    """A data frame and the columns of it that are x, in the order of x.

    Arguments: whole, all of it as it came; columns, by their names as text; ignored, those that a run does not know;
    text, the file of text that it came from; read, columns that came as text or objects, and what they are as numbers.
    """

    whole: AnyFrame
    columns: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    text: AsText | None = None
    read: Mapping[str, Numeric] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, also those that are not x."""
        return tuple(map(str, self.whole.columns))

    @cached_property
    def natives(self) -> dict[str, Any]:
        """The columns as the library has them, by their names as text: asked for once, since each may be asked for."""
        return _by_text(self.whole)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say where columns of a new table are not used."""
        if not self.ignored:
            return ()
        return (f"{listing(self.ignored)} of the table {are(self.ignored)} not used: the run was fitted without.",)

    @property
    def still_empty(self) -> tuple[str, ...]:
        """A sentence where columns that are not x have cells without a value: nothing can fill them."""
        gaps = {
            name: sum(map(is_missing, self.whole.get_column(native).to_list()))
            for name, native in self.natives.items()
            if name not in self.columns
        }
        names = [name for name, count in gaps.items() if count]
        if not names:
            return ()
        count = sum(gaps.values())
        stay = "1 cell there stays" if count == 1 else f"{count:,} cells there stay"
        return (f"{listing(names)} of the table {are(names)} not in the model, and {stay} empty.",)

    def give(self, values: Mapping[str, Array]) -> Any:
        """New columns [N] as a frame of the same library with the same index."""
        nw = narwhals()
        made = [self._series(name, column).to_frame() for name, column in values.items()]
        native = nw.concat(made, how="horizontal").to_native()
        if self.whole.implementation.is_pandas_like():
            native.index = self.whole.to_native().index
        return native

    def forms(
        self, observed: Array | None, rows: Array | slice = slice(None), x: Array | None = None
    ) -> tuple[Form, ...]:
        """How the numbers of each column of x are held, by those that are observed [N, D] in some rows.

        Arguments: x [N, D], where it is at hand in float64.
        """
        x = x if x is not None and x.dtype == np.float64 else None
        shown = first_cells(self.text, self.columns) if self.text else {}
        found = []
        for i, name in enumerate(self.columns):
            series = self.column(name)
            known = numbers(series) if x is None else x[:, i]
            values = whole_numbers(series) if is_whole(series) else known
            if series.dtype == narwhals().Float32:
                values = values.astype(np.float32)
            seen = np.ones(len(values), bool) if observed is None else observed[:, i]
            came = self.whole.get_column(self.natives[name])
            form = form_of(values[rows][seen[rows]], type_name(came, self.read.get(name)))
            cells = self._cells(name, shown[name]).of_column(form.decimals) if self.text else None
            found.append(replace(form, is_counted=is_counted(self.natives[name]), cells=cells))
        return tuple(found)

    def _cells(self, name: str, shown: Sequence[str]) -> Cells:
        """How the numbers of a column stand in a file of text, of which the first cells are shown."""
        style = self.read[name].style if name in self.read else Style(self.text.decimal if self.text else ".")
        return Cells.among(shown, style)

    def column(self, name: str) -> AnySeries:
        """A column as numbers, where it is x, by its name as text."""
        return self.read[name].series if name in self.read else self.whole.get_column(self.natives[name])

    def filled(self, x: Array, observed: Array, drawn: bool, forms: Sequence[Form] | None = None) -> Any:
        """The whole frame as it came, with x [N, D] in its columns wherever they are not observed.

        Arguments: drawn, x is a draw: columns of whole numbers keep their type, with x rounded; forms, of all columns.
        """
        forms = forms or self.forms(observed)
        changed = [
            self._filled(name, x[:, i], observed[:, i], forms[i], drawn)
            for i, name in enumerate(self.columns)
            if not observed[:, i].all()
        ]
        return self.with_columns(changed)

    def with_columns(self, changed: Sequence[AnySeries]) -> Any:
        """The whole frame with some of its columns changed, by their names as text, as its own library has it."""
        whole = _renamed(self.whole, list(self.natives))
        return _renamed(whole.with_columns(*changed), self.whole.columns).to_native()

    def _filled(self, name: str, x: Array, observed: Array, form: Form, drawn: bool) -> AnySeries:
        came = self.whole.get_column(self.natives[name])
        return filled_column(came, self.read.get(name), x, observed, form, drawn).alias(name)

    def stacked(self, draws: Sequence[Any]) -> Any:
        """Multiple imputations below each other, numbered from 0 in a first column "draw"."""
        nw = narwhals()
        parts = [nw.from_native(native, eager_only=True) for native in draws]
        numbers = [self._series(DRAW, np.full(len(part), i, np.int64)) for i, part in enumerate(parts)]
        numbered = [p.with_columns(s).select(DRAW, *p.columns) for p, s in zip(parts, numbers, strict=True)]
        return nw.concat(numbered).to_native()

    def _series(self, name: str, values: Array) -> AnySeries:
        made: AnySeries = narwhals().new_series(name, values, backend=self.whole.implementation)
        return made


def is_frame(x: Any) -> bool:
    """Whether x is an object of a library of data frames."""
    return library_of(x) in LIBRARIES


def read_frame(
    native: Any,
    *,
    label: str = "",
    drop: str = "",
    columns: Sequence[str] | None = None,
    decimal: str = "auto",
    missing: str = "",
    source: str = "array",
    text: AsText | None = None,
    kinds: str = "",
    domain: str = "auto",
    table: Table | None = None,
) -> Raw:
    """The columns of a data frame in memory as x: numbers, or the codes of a mixed table.

    Arguments:
        native: a pandas, polars or pyarrow frame.
        label: the column of labels, "" for none.
        drop: columns that are left out, separated by commas.
        columns: those that a run was fitted on: exactly these are x, in this order; label and drop only say which
            others are no surprise.
        decimal: the mark before fractions in numbers written as text, "." or ","; "auto" finds it.
        missing: more texts and numbers that stand for a missing value, separated by commas.
        source: what `load` reads again.
        text: as of `Frame`.
        kinds: what columns are taken for, as "a=ordinal,b=drop".
        domain: "auto" and "mixed" recognise the kinds of columns; any other takes numbers alone.
        table: of a run on a mixed table, its columns.
    """
    whole = _eager(native)
    names, index = _by_text(whole), _index_columns(whole)
    if not names or not len(whole):
        raise RequestError(f"The table has {len(whole)} rows and {len(names)} columns; it holds nothing.")
    fitting = columns is None
    label = next(iter(_named(label, names, fitting)), label) if label else ""
    empty = [
        name
        for name in names
        if NAMELESS.fullmatch(name) and name not in index and is_empty(whole.get_column(names[name]))
    ]
    dropped = named_columns(drop, names, fitting)
    others = {*index, *empty, *dropped, *([label] if label and label in names else [])}
    chosen = [name for name in names if name not in others] if columns is None else list(columns)
    _require_columns(chosen, names)
    given = {name: whole.get_column(names[name]) for name in chosen}
    marks = words(missing)
    how = Reading(fitting, decimal, marks, dropped, not (text and text.is_open))
    y, classes = _labels(whole, names, label, text, marks) if fitting else (None, None)
    notes = [*_notes(index, empty if fitting else (), text), *said_alike_labels(label, classes or ())]
    if fitting and text is None and all(isinstance(name, str) for name in names.values()):
        unnamed = {*index, *empty}
        notes += _suspicion({name: whole.get_column(name) for name in names if name not in unnamed})
    known = {*chosen, *others, *(table.left_out if table else ())}
    frame = Frame(whole, tuple(chosen), tuple(name for name in names if name not in known), text)
    common = Raw(source, np.empty(0), y, classes, notes=tuple(notes), dropped=tuple(dropped), frame=frame)
    if table is not None:
        new = coded(table, given, how)
        frame = replace(frame, read=new.read)
        own = replace(common, x=new.x, observed=new.observed, strange=new.strange, columns=frame.columns, frame=frame)
        return replace(own, domain="mixed", table=table, remarks=new.said)
    if fitting and (domain in ("auto", "mixed") or kinds):
        found = recognised(given, names, how, [*split_words(kinds)], text)
        if domain == "mixed" or kinds or not _are_measured(found.table):
            return _mixed(common, found, given, how)
    read = numeric_columns(given, names, how)
    x, taken = matrix({name: read[name].series if name in read else series for name, series in given.items()}, marks)
    said = said_of(read, {name: text.marks[name] for name in chosen if text and name in text.marks}, taken)
    return replace(
        common,
        x=x,
        notes=(*notes, *said),
        columns=frame.columns,
        frame=replace(frame, read=read),
        remarks=said,
        domain="real",
    )


def _labels(
    whole: AnyFrame, names: Mapping[str, Any], label: str, text: AsText | None, marks: Sequence[str]
) -> tuple[Array | None, tuple[str, ...] | None]:
    """(codes, classes) of the column of labels; None without one."""
    if not label:
        return None, None
    cells = None if text is None else [row[text.names.index(label)] for row in text.cells()]
    return encode_labels(labels(whole.get_column(names[label]), label, cells, marks))


def _are_measured(table: Table) -> bool:
    """Whether all columns are numbers without a last digit that is to be seen, nothing being left out or repeated."""
    return all(column.kind == "real" and not column.atoms for column in table.columns) and not table.left_out


def _mixed(common: Raw, found: Recognised, given: Mapping[str, AnySeries], how: Reading) -> Raw:
    """The codes of a table whose columns were recognised."""
    table, frame = found.table, common.frame
    kept = {name: given[name] for name in table.names}
    own = coded(table, kept, how, found.far)
    text = frame.text
    said = said_of(found.read, {name: text.marks[name] for name in kept if text and name in text.marks}, {})
    return replace(
        common,
        x=own.x,
        observed=own.observed,
        notes=(*common.notes, *said, *found.notes),
        columns=table.names,
        frame=replace(frame, columns=table.names, read=found.read, ignored=()),
        remarks=said,
        domain="mixed",
        table=table,
    )


def _suspicion(columns: Mapping[str, AnySeries]) -> list[str]:
    """A sentence where the names of a frame look like the first row of a file without a header."""
    if not looks_like_values(list(columns), list(columns.values())):
        return []
    shown = ", ".join(list(columns)[:3])
    return [
        f"The names of the columns look like a row of values ({shown}): of a file without a header, "
        "pandas.read_csv(path, header=None) takes the first row as one."
    ]


def _notes(index: Sequence[str], empty: Sequence[str], text: AsText | None) -> list[str]:
    """What to say of a table before its columns."""
    notes = list(text.notes) if text else []
    if nameless := [name for name in index if NAMELESS.fullmatch(name)]:
        names, several = ", ".join(repr(name) for name in nameless), len(nameless) > 1
        which = "The columns" if several else "The column"
        shown = f" ({names})" if any(nameless) else ""
        are = "are" if several else "is"
        notes.append(f"{which} without a name{shown} {are} taken as names of the rows, not as x.")
    if empty:
        notes.append("A column without a name and without values is left out.")
    return notes


def _eager(native: Any) -> AnyFrame:
    nw = narwhals()
    require_rows(native)
    try:
        frame = nw.from_native(native)
    except nw.exceptions.DuplicateError as error:
        names = getattr(native, "column_names", None) or list(native.columns)
        raise _same_name(list(map(str, names))) from error
    except TypeError as error:
        raise no_frame(native) from error
    if isinstance(frame, nw.LazyFrame):
        raise RequestError("x came as a lazy frame, which holds no rows yet; give frame.collect().")
    if any(isinstance(name, tuple) for name in frame.columns):
        raise RequestError("The columns of the table have names of several levels; join each into one name.")
    if long := [name for name in map(str, frame.columns) if len(name) > MAX_NAME]:
        raise RequestError(
            f"A column of the table has a name of {len(long[0]):,} characters, {long[0][:NAME_SHOWN]!r}…; a name has "
            f"at most {MAX_NAME:,}."
        )
    if len(_by_text(frame)) < len(frame.columns):
        raise _same_name(list(map(str, frame.columns)))
    return frame


def _same_name(names: Sequence[str]) -> RequestError:
    return RequestError(f"Two columns of the table have the same name, {named_twice(names)}.", "Give each its own.")


def _by_text(frame: AnyFrame) -> dict[str, Any]:
    """Columns by their names as text, which those of pandas need not be."""
    return {str(name): name for name in frame.columns}


def _renamed(frame: AnyFrame, names: Sequence[Any]) -> AnyFrame:
    if list(frame.columns) == list(names):
        return frame
    native = frame.to_native().copy()
    native.columns = list(names)
    return narwhals().from_native(native, eager_only=True)


def _index_columns(frame: AnyFrame) -> list[str]:
    """Columns that name rows: nameless first ones, as frame.to_csv() writes them, and what pandas keeps in .parquet."""
    names = list(map(str, frame.columns))
    first = list(itertools.takewhile(NAMELESS.fullmatch, names[:-1]))
    held = [name for name in first if name == names[0] or not is_empty(frame.get_column(name))]
    return held + [name for name in names if name.startswith("__index_level_")]


def named_columns(text: str, names: Iterable[str], strict: bool) -> list[str]:
    """The columns of `data.drop`: names separated by commas; one that holds a comma stands in double quotes."""
    return [name for part in split_words(text) for name in _named(part, names, strict, "data.drop")]


def words(text: str) -> list[str]:
    """What commas separate, without spaces around it; a comma may stand in double quotes."""
    return [word.strip() for word in split_words(text)]


def split_words(text: str) -> list[str]:
    """What commas separate, as it stands; a comma may stand in double quotes."""
    return next(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)) if text.strip() else []


def _named(name: str, names: Iterable[str], strict: bool, key: str = "data.label") -> list[str]:
    """The column of this name, or else the only one that differs by spaces around it."""
    found = [name] if name in names else [other for other in names if other.strip() == name.strip()]
    if len(found) != 1 and strict:
        raise RequestError(f"{key} names a column {name!r}, which the table does not have.", near_column(name, names))
    return found if len(found) == 1 else []


def _require_columns(wanted: Sequence[str], names: Mapping[str, Any]) -> None:
    if not wanted:
        raise RequestError("No column of the table is left to be x.")
    if missing := [name for name in wanted if name not in names]:
        lacks = listing(missing).replace("Column", "column", 1)
        raise RequestError(
            f"The table lacks the {lacks} that the run was fitted on.", _renaming(missing, wanted, names)
        )


def _renaming(missing: Sequence[str], wanted: Sequence[str], names: Mapping[str, Any]) -> str:
    """Which of the columns that are not used may be the first that is missing."""
    return near_column(missing[0], [name for name in names if name not in wanted], "It has, unused,")
