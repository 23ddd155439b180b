"""Data frames of any library: their numeric columns as x, and results as a frame of the same kind with the same index.

What is missing (null or NaN) is not observed. Narwhals speaks to pandas, polars and pyarrow; none is imported before a
table comes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError, nearest
from .raw import Array, Raw, encode_labels
from .tablecolumns import (
    are,
    is_empty,
    is_whole,
    labels,
    listing,
    matrix,
    narwhals,
    numbers,
    rounded,
    whole_numbers,
)

if TYPE_CHECKING:
    import narwhals as nw

    AnyFrame = nw.DataFrame[Any]
    AnySeries = nw.Series[Any]

LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf", "narwhals")
DRAW = "draw"  # the column that numbers multiple imputations


@dataclass(frozen=True)
class Frame:
    """A data frame and the columns of it that are x, in the order of x.

    Arguments: whole, all of it as it came; columns, by their names as text; ignored, those that a run does not know;
    cells, of a file of text, gives its names and then each row again as the text it came as.
    """

    whole: AnyFrame
    columns: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    cells: Callable[[], Iterator[list[str]]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, also those that are not x."""
        return tuple(map(str, self.whole.columns))

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say where columns of a new table are not used."""
        if not self.ignored:
            return ()
        return (f"{listing(self.ignored)} of the table {are(self.ignored)} not used: the run was fitted without.",)

    def give(self, values: Mapping[str, Array]) -> Any:
        """New columns [N] as a frame of the same library with the same index."""
        nw = narwhals()
        made = [self._series(name, column).to_frame() for name, column in values.items()]
        native = nw.concat(made, how="horizontal").to_native()
        if self.whole.implementation.is_pandas_like():
            native.index = self.whole.to_native().index
        return native

    def whole_among(self, names: Sequence[str]) -> list[str]:
        """Those of the named columns that are of whole numbers or of yes and no."""
        given = _by_text(self.whole)
        return [name for name in names if is_whole(self.whole.get_column(given[name]))]

    def filled(self, x: Array, observed: Array, drawn: bool) -> Any:
        """The whole frame as it came, with x [N, D] in its columns wherever they are not observed.

        Arguments: drawn, x is a draw: columns of whole numbers keep their type, with x rounded.
        """
        names = _by_text(self.whole)
        columns = {name: self.whole.get_column(names[name]) for name in self.columns}
        changed = [
            self._completed(name, column, x[:, i], observed[:, i], drawn)
            for i, (name, column) in enumerate(columns.items())
            if not observed[:, i].all()
        ]
        return _renamed(_renamed(self.whole, list(names)).with_columns(*changed), self.whole.columns).to_native()

    def stacked(self, draws: Sequence[Any]) -> Any:
        """Multiple imputations below each other, numbered from 0 in a first column "draw"."""
        nw = narwhals()
        parts = [nw.from_native(native, eager_only=True) for native in draws]
        numbers = [self._series(DRAW, np.full(len(part), i, np.int64)) for i, part in enumerate(parts)]
        numbered = [p.with_columns(s).select(DRAW, *p.columns) for p, s in zip(parts, numbers, strict=True)]
        return nw.concat(numbered).to_native()

    def _completed(self, name: str, column: AnySeries, x: Array, observed: Array, drawn: bool) -> AnySeries:
        nw = narwhals()
        rounds = drawn and is_whole(column)
        keeps = rounds or column.dtype == nw.Float32
        kept = whole_numbers(column) if rounds else numbers(column)
        made = self._series(name, np.where(observed, kept, rounded(x, kept[observed]) if rounds else x))
        if keeps and self.whole.implementation.is_pandas_like():  # whose types are more than those of narwhals
            made = nw.from_native(made.to_native().astype(column.to_native().dtype), series_only=True)
        return made.cast(column.dtype) if keeps else made

    def _series(self, name: str, values: Array) -> AnySeries:
        made: AnySeries = narwhals().new_series(name, values, backend=self.whole.implementation)
        return made


def is_frame(x: Any) -> bool:
    """Whether x is an object of a library of data frames."""
    return type(x).__module__.split(".")[0] in LIBRARIES


def read_frame(
    native: Any,
    *,
    label: str = "",
    drop: str = "",
    columns: Sequence[str] | None = None,
    source: str = "array",
    cells: Callable[[], Iterator[list[str]]] | None = None,
) -> Raw:
    """The numeric columns of a data frame in memory as x.

    Arguments:
        native: a pandas, polars or pyarrow frame.
        label: the column of labels, "" for none.
        drop: columns that are left out, separated by commas.
        columns: those that a run was fitted on: exactly these are x, in this order; label and drop only say which
            others are no surprise.
        source: what `load` reads again.
        cells: as of `Frame`.
    """
    whole = _eager(native)
    names, index = _by_text(whole), _index_columns(whole)
    if not names or not len(whole):
        raise RequestError(f"The table has {len(whole)} rows and {len(names)} columns; it holds nothing.")
    fitting = columns is None
    label = next(iter(_named(label, names, fitting)), label) if label else ""
    empty = [
        name for name in names if not name.strip() and name not in index and is_empty(whole.get_column(names[name]))
    ]
    others = [*index, *empty, *_listed(drop, names, fitting), *([label] if label in names else [])]
    chosen = [name for name in names if name not in others] if columns is None else list(columns)
    _require_columns(chosen, names)
    x = matrix({name: whole.get_column(names[name]) for name in chosen}, fitting)
    y, classes = encode_labels(labels(whole.get_column(names[label]), label)) if label and fitting else (None, None)
    notes = ["The column without a name is taken as names of the rows, not as x."] if "" in index else []
    if empty and fitting:
        notes.append("A column without a name and without values is left out.")
    frame = Frame(whole, tuple(chosen), tuple(name for name in names if name not in (*chosen, *others)), cells)
    return Raw(source, x, y, classes, notes=tuple(notes), columns=frame.columns, frame=frame, domain="real")


def _eager(native: Any) -> AnyFrame:
    nw = narwhals()
    same = "Two columns of the table have the same name; give each its own."
    try:
        frame = nw.from_native(native)
    except nw.exceptions.DuplicateError as error:
        raise RequestError(same) from error
    except TypeError as error:
        what = f"x came as {type(native).__module__.split('.')[0]}'s {type(native).__name__}"
        raise RequestError(f"{what}; give a data frame, a column of one as frame[[name]].") from error
    if isinstance(frame, nw.LazyFrame):
        raise RequestError("x came as a lazy frame, which holds no rows yet; give frame.collect().")
    if any(isinstance(name, tuple) for name in frame.columns):
        raise RequestError("The columns of the table have names of several levels; join each into one name.")
    if len(_by_text(frame)) < len(frame.columns):
        raise RequestError(same)
    return frame


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
    """Columns that name rows: a nameless first one, as frame.to_csv() writes it, and what pandas keeps in .parquet."""
    found = [name for name in frame.columns[:1] if name == ""]
    return found + [name for name in frame.columns if str(name).startswith("__index_level_")]


def _listed(text: str, names: Mapping[str, Any], strict: bool) -> list[str]:
    """The columns of `data.drop`: names separated by commas; one that holds a comma stands in double quotes."""
    wanted = next(csv.reader([text], skipinitialspace=True)) if text.strip() else []
    return [name for part in wanted for name in _named(part, names, strict, "data.drop")]


def _named(name: str, names: Mapping[str, Any], strict: bool, key: str = "data.label") -> list[str]:
    """The column of this name, or else the only one that differs by spaces around it."""
    found = [name] if name in names else [other for other in names if other.strip() == name.strip()]
    if len(found) != 1 and strict:
        raise RequestError(f"{key} names a column {name!r}, which the table does not have.", _near(name, names))
    return found if len(found) == 1 else []


def _near(name: str, names: Mapping[str, Any]) -> str:
    said = nearest(name, names)
    return said if len(said) < 200 else f"It has {len(names)} columns, none of them near."


def _require_columns(wanted: Sequence[str], names: Mapping[str, Any]) -> None:
    if not wanted:
        raise RequestError("No column of the table is left to be x.")
    if missing := [name for name in wanted if name not in names]:
        lacks = listing(missing).replace("Column", "column", 1)
        raise RequestError(f"The table lacks the {lacks} that the run was fitted on.", _near(missing[0], names))
