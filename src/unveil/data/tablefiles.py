"""Files of tables: .csv, .tsv and .parquet, read by pyarrow with every surprise turned into a sentence."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Fact, RequestError
from .compressed import CHUNK, is_compressed, kind_of, opened, size_of
from .decimalmarks import marks_of
from .frames import read_frame
from .headers import looks_like_values, only_numbers
from .npyfiles import BROKEN, require_memory
from .raw import MISSING, Raw
from .tablecolumns import is_number, named_twice, narwhals
from .writtennumbers import decimals

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet")
PEEK = 100  # lines that a separator is told by
NULLS = (  # what pyarrow takes as missing, in any column
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA", "NULL", "NaN",
    "n/a", "nan", "null",
)  # fmt: skip


@dataclass(frozen=True)
class TextTable:
    """A file of text as it stands there.

    Arguments: path; separator of its cells; names of the columns, in the file's order; has_header, whether the first
    line is they; marks, how often a text stands for a missing value, by column; notes, what to say of it; is_open,
    whether nothing tells which mark stands before fractions; decimal, that mark in columns that were read as numbers.
    """

    path: Path
    separator: str
    names: list[str]
    has_header: bool = True
    marks: Mapping[str, Counter[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_open: bool = False
    decimal: str = "."

    def cells(self) -> Iterator[list[str]]:
        """The cells of each row, as the text that stands in the file."""
        lines = _lines(self.path, self.separator)
        if self.has_header:
            next(lines)
        for _, cells in lines:
            if cells or len(self.names) == 1:  # else the line is empty, and no row
                yield cells or [""]


def read_table(
    path: Path,
    *,
    label: str = "",
    drop: str = "",
    columns: Sequence[str] | None = None,
    header: str = "auto",
    decimal: str = "auto",
    missing: str = "",
) -> Raw:
    """The numeric columns of a file as x; other arguments as of `read_frame`.

    Arguments: header, of text: "first", the first line names the columns; "none", it is a row; "auto", it names them,
    and is refused where it looks like a row.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise RequestError("Tables in files need pyarrow.", "pip install 'unveil[table]' brings it.") from error
    is_text = kind_of(path) in SEPARATORS
    if header != "auto" and not is_text:
        raise RequestError(f"data.header={header} is for tables of text, and {path} is none; leave it out.")
    with _refusing(path):
        if is_text:
            table, text, decimal = _text(path, header, decimal, columns)
        else:
            table, text = _parquet(path), None
    told: dict[str, Any] = {"label": label, "drop": drop, "columns": columns, "decimal": decimal, "missing": missing}
    return read_frame(table, **told, source=str(path), text=text)


def _parquet(path: Path) -> Any:
    import pyarrow.parquet

    info = pyarrow.parquet.read_metadata(path)
    require_memory(8 * info.num_rows * max(1, info.num_columns), str(path))
    return pyarrow.parquet.read_table(path)


def _text(path: Path, header: str, decimal: str, columns: Sequence[str] | None) -> tuple[Any, TextTable, str]:
    """A table of text as numbers where its columns hold numbers, and the mark before their fractions.

    It has as many rows as Python's own reader counts.
    """
    size_of(path, 2)
    text = TextTable(path, _separator(path), [], header != "none")
    rows, names, breaks, marks = _counted(text)
    found = {name: counts for name, counts in zip(names, marks, strict=True) if counts}
    text = replace(text, names=names, marks=found)
    table = _numbers(text, breaks, decimal)
    if len(table) != rows:
        raise RequestError(
            f"{path} has {rows:,} rows, and {len(table):,} of them could be read.",
            "Write it again, for instance with pandas.read_csv(path).to_csv(path, index=False).",
        )
    known = columns is not None and set(columns) <= set(names)
    if header == "auto" and not known and (only_numbers(names) or looks_like_values(names, _series_of(table))):
        _refuse_values(path, names, columns is None)
    if twice := named_twice([name for i, name in enumerate(names) if name or table.column(i).null_count < rows]):
        _refuse_twice(path, twice, header == "auto" and columns is None)
    empty = [i for i, name in enumerate(names) if not name and table.column(i).null_count == rows]
    kept = [i for i in range(len(names)) if names.count("") < 2 or i not in empty]
    table, decimal, is_open = _with_marks(table, text, breaks, decimal, columns is None)
    point = "," if decimal == "," else "."
    notes = _notes(text, len(names) - len(kept))
    return table.select(kept), replace(text, notes=notes, is_open=is_open, decimal=point), decimal


def _numbers(text: TextTable, breaks: bool, decimal: str) -> Any:
    """The columns of a file of text, as numbers where all their cells are such with this mark, or with a point."""
    import pyarrow.csv

    point = "," if decimal == "," else "."
    missing = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=["", *NULLS], decimal_point=point)
    reading = pyarrow.csv.ReadOptions(column_names=None if text.has_header else text.names)
    with _native(text.path) as stream:
        return pyarrow.csv.read_csv(stream, reading, _parsing(text, breaks), missing)


def _cells(text: TextTable, breaks: bool) -> Any:
    """The columns of a file of text as text, named 0, 1, …."""
    import pyarrow.csv

    names = [str(i) for i in range(len(text.names))]
    kinds = dict.fromkeys(names, pyarrow.string())
    missing = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, null_values=["", *NULLS])
    with _native(text.path) as stream:
        reading = pyarrow.csv.ReadOptions(column_names=names)
        table = pyarrow.csv.read_csv(stream, reading, _parsing(text, breaks), missing)
    return table.slice(1) if text.has_header else table


def _parsing(text: TextTable, breaks: bool) -> Any:
    import pyarrow.csv

    return pyarrow.csv.ParseOptions(
        delimiter=text.separator,
        newlines_in_values=breaks,
        ignore_empty_lines=len(text.names) > 1,  # else a line is a missing value
    )


def _with_marks(table: Any, text: TextTable, breaks: bool, decimal: str, fitting: bool) -> tuple[Any, str, bool]:
    """(the table, the mark before its fractions, whether that stays open): "1.006" is 1.006 to pyarrow in any company.

    Columns that another mark makes other numbers are text again where the file does not prove a point. What a run was
    told holds for a new file unless that proves otherwise.
    """
    if not (_may_mislead(table, text) if decimal == "auto" else not fitting):
        return table, decimal, False
    cells = _cells(text, breaks)
    found = marks_of([column.unique().to_pylist() for column in cells.columns])
    if decimal != "auto":
        proven = found.decimal
        is_other = proven not in ("auto", decimal)
        return (_numbers(text, breaks, proven), proven, False) if is_other else (table, decimal, False)
    if found.decimal != ".":
        for i in found.open:
            table = table.set_column(i, table.field(i).name, cells.column(i))
    return table, found.decimal, found.decimal == "auto"


def _may_mislead(table: Any, text: TextTable) -> bool:
    """Whether a comma may stand before fractions: where semicolons separate cells, or a column of text says so."""
    import pyarrow

    texts = [column for column in table.columns if pyarrow.types.is_string(column.type)]
    return text.separator == ";" or marks_of([column.unique().to_pylist() for column in texts]).may_be_commas


def _native(path: Path) -> Any:
    """The bytes of a file, decompressed, as a stream of pyarrow.

    Its threads let go of a stream after `read_csv` is back: one of Python they would let go of while the process ends,
    which aborts it.
    """
    import pyarrow

    if not is_compressed(path):
        return pyarrow.OSFile(str(path), "rb")
    held = pyarrow.BufferOutputStream()
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            held.write(chunk)
    return pyarrow.BufferReader(held.getvalue())


def _series_of(table: Any) -> list[Any]:
    """The columns of a table, whose names may come twice."""
    nw = narwhals()
    return [nw.from_native(column, series_only=True) for column in table.columns]


def _notes(text: TextTable, left_out: int) -> tuple[str, ...]:
    """What to say of how a file was read."""
    said: list[str] = []
    if text.separator != SEPARATORS[kind_of(text.path)]:
        said.append(f"The cells of {text.path.name} are separated by {text.separator!r}.")
    if not text.has_header:
        said.append(Fact(f"The first line of {text.path.name} is a row: columns are named 0, 1, …."))
    if left_out:
        said.append(f"{left_out} columns without a name and without values are left out.")
    return tuple(said)


def _lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the last line of each row of a file of text, and its cells, however long; none of an empty line."""
    most = csv.field_size_limit(2**31 - 1)
    try:
        with opened(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=separator, strict=True)
            for cells in reader:
                yield reader.line_num, cells
    finally:
        csv.field_size_limit(most)


def _separator(path: Path) -> str:
    """That of the file's ending, or another where only that cuts every line into as many cells, two or more.

    Lines such as "0,5;1,5" are cut alike by both; the semicolon is the one where it leaves nothing but numbers.
    """
    own = SEPARATORS[kind_of(path)]
    tried = [own, *(other for other in (";", "\t", ",", "|") if other != own)]
    lengths = {separator: _lengths(path, separator) for separator in tried}
    even = [separator for separator, found in lengths.items() if len(set(found)) == 1 and found[0] > 1]
    named = [separator for separator, found in lengths.items() if found and found[0] > 1]
    if {",", ";"} <= set(even) and _are_numbers(path, ";"):
        return ";"
    return next(iter([*even, *named]), own) if own not in named or even else own


def _are_numbers(path: Path, separator: str) -> bool:
    """Whether a separator leaves numbers and marks of a missing value in all the first lines, some with a comma."""
    cells = [cell for _, (_, row) in zip(range(PEEK), _lines(path, separator), strict=False) for cell in row]
    given = [cell for cell in cells if cell.strip().casefold() not in MISSING]
    return any("," in cell for cell in given) and all(decimals([cell]) or is_number(cell) for cell in given)


def _lengths(path: Path, separator: str) -> list[int]:
    """The numbers of cells of the first lines; none where a quote does not end."""
    try:
        lines = (cells for _, cells in _lines(path, separator) if cells)
        return [len(cells) for cells, _ in zip(lines, range(PEEK), strict=False)]
    except csv.Error:
        return []


def _counted(text: TextTable) -> tuple[int, list[str], bool, list[Counter[str]]]:
    """(rows, names, whether a cell goes over several lines, texts for missing values by column).

    Refuses a row of another length, and a quote that does not end.
    """
    rows, before, breaks, known = 0, 0, False, frozenset(NULLS)
    lines = _lines(text.path, text.separator)
    names: list[str] = []
    try:
        before, names = next(lines, (0, []))
        marks: list[Counter[str]] = [Counter() for _ in names]
        if not text.has_header:
            rows = 1
            _mark(marks, names, known)
        for line, cells in lines:
            if len(cells) not in (0, len(names)):
                _refuse_row(text.path, line, len(cells), len(names))
            rows += bool(cells) or len(names) == 1
            _mark(marks, cells, known)
            breaks, before = breaks or line > before + 1, line
    except csv.Error as error:
        raise RequestError(
            f"A cell that begins in line {before + 1} of {text.path} has a quote that does not end: {error}.",
            'Write a quote within a cell twice, with the cell in quotes: "a 5"" pipe".',
        ) from error
    return rows, names if text.has_header else [str(i) for i in range(len(names))], breaks, marks


def _mark(marks: list[Counter[str]], cells: list[str], known: frozenset[str]) -> None:
    if not known.isdisjoint(cells):
        for i, cell in enumerate(cells):
            if cell in known:
                marks[i][cell] += 1


def _refuse_row(path: Path, line: int, cells: int, columns: int) -> None:
    raise RequestError(
        f"Line {line} of {path} has {cells} cell{'s' if cells > 1 else ''}, and the first line {columns}.",
        "Give each row a cell for each column; a cell that holds the separator stands in quotes.",
    )


def _refuse_values(path: Path, names: Sequence[str], fitting: bool) -> None:
    only = "holds only numbers" if all(map(is_number, filter(None, names))) else ""
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    if not fitting:
        way = "Give it a first line with the names of the columns that the run was fitted on."
    else:
        way = (
            "data.header=none takes it as the first row, of columns named 0, 1, …; data.header=first takes it as the "
            "names of the columns."
        )
    raise RequestError(f"The first line of {path} {only or 'looks like a row of values'}: {shown}.", way)


def _refuse_twice(path: Path, twice: str, may_be_a_row: bool) -> None:
    way = "Give each its own name"
    if may_be_a_row:
        way += "; if the first line is a row and not the names, data.header=none takes it so"
    raise RequestError(f"Two columns of {path} have the same name, {twice}.", f"{way}.")


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what a damaged or foreign file raises into a sentence."""
    import pyarrow

    try:
        yield
    except RequestError:
        raise
    except PermissionError:
        raise RequestError(f"{str(path)!r} may not be read: no permission.") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not in UTF-8; write it again in that encoding.") from error
    except (pyarrow.ArrowException, csv.Error, *BROKEN) as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise RequestError(f"{path} cannot be read as {''.join(path.suffixes[-2:])}: {what}.") from error
