"""Files of tables: .csv, .tsv and .parquet, read by pyarrow with every surprise turned into a sentence."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import Fact, RequestError
from ..legible import quoted
from .columnkinds import asked_kinds
from .columns import LEVELLED
from .compressed import CHUNK, is_compressed, kind_of, opened, size_of, table_in
from .decimalmarks import marks_of
from .firstlines import is_row, refuse_below, said_of_row
from .frames import read_frame, split_words
from .npyfiles import BROKEN
from .parquet import dropped as parquet_dropped
from .parquet import read_parquet
from .raw import Raw
from .sheets import BOOKS, read_sheet
from .tablecolumns import NAMED, is_number, named_twice, narwhals
from .textfiles import PEEK, sheet_file, text_file
from .texttables import NULLS, SEPARATORS, Opening, TextTable, text_table

SUFFIXES = (*SEPARATORS, ".parquet", *BOOKS)
BLOCK = 2**23  # bytes that are cut into cells at once: the longest row, or two


def read_table(
    path: Path,
    *,
    member: str | None = None,
    label: str = "",
    drop: str = "",
    columns: Sequence[str] | None = None,
    header: int | str = "auto",
    decimal: str = "auto",
    missing: str = "",
    **kinds: Any,
) -> Raw:
    """The columns of a file as x; other arguments, also kinds, domain and table, as of `read_frame`.

    Arguments: member, of a .zip the table in it, of a workbook the sheet; header, of text: "first", the first line
    names the columns; "none", it is a row; the number of the line that does; "auto", the first does, or is a row where
    it can be nothing else, and is refused where it may be either.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise RequestError("Tables in files need pyarrow.", "pip install 'unveil[table]' brings it.") from error
    source = f"{path}:{member}" if member else str(path)
    with _refusing(path):
        if kind_of(path) == ".parquet":
            if header != "auto":
                raise RequestError(f"data.header={header} is for tables of text, and {path} is none; leave it out.")
            return _columnar(path, label, drop, columns, decimal, missing, kinds)
        table, text, decimal = _text(_opening(path, member), header, decimal, columns)
        table = _with_words(table, text, _levels(kinds, text.names))
    told: dict[str, Any] = {"label": label, "drop": drop, "columns": columns, "decimal": decimal, "missing": missing}
    return read_frame(table, **told, **kinds, source=source, text=text)


def _opening(path: Path, member: str | None) -> Opening:
    """What gives the text of a file, or of what is in it."""
    if kind_of(path) in BOOKS:
        return partial(sheet_file, path, *read_sheet(path, member))
    found, said = table_in(path, member) if path.suffix.lower() == ".zip" else (path, ())
    size_of(found, 2)
    return partial(text_file, found, said=said)


def _columnar(
    path: Path, label: str, drop: str, columns: Sequence[str] | None, decimal: str, missing: str, kinds: dict[str, Any]
) -> Raw:
    """A file of columns; those that are left out of x for good are not read, and a run may write the others again."""
    dropped = parquet_dropped(path, drop) if columns is None else ()
    table = read_parquet(path, dropped)
    told: dict[str, Any] = {"label": label, "columns": columns, "decimal": decimal, "missing": missing, **kinds}
    raw = read_frame(table, **told, drop=drop if columns else "", source=str(path))
    return raw if columns is not None else replace(raw, dropped=dropped)


def _text(at: Opening, header: int | str, decimal: str, columns: Sequence[str] | None) -> tuple[Any, TextTable, str]:
    """A table of text as numbers where its columns hold numbers, and the mark before their fractions.

    It has as many rows as Python's own reader counts.
    """
    text, rows, breaks = text_table(at, header, columns)
    names = text.names
    _refuse_one_column(text)
    table = _numbers(text, breaks, decimal)
    if len(table) != rows:
        raise RequestError(
            f"{text.path} has {rows:,} rows, and {len(table):,} of them could be read.",
            "Write it again, for instance with pandas.read_csv(path).to_csv(path, index=False).",
        )
    if header == "auto" and is_row(text, _series_of(table), columns):
        return _without_header(at, decimal, columns)
    empty = [i for i, title in enumerate(text.titles) if not title and table.column(i).null_count == rows]
    gone = set(empty) if list(text.titles).count("") > 1 else set()
    text = _told_apart(text, gone)
    kept = [i for i in range(len(names)) if i not in gone]
    table, decimal, is_open = _with_marks(table, text, breaks, decimal, columns is None)
    table = _with_zeros(table, text, breaks)
    point = "," if decimal == "," else "."
    notes = _notes(text, len(names) - len(kept))
    return table.select(kept), replace(text, notes=notes, is_open=is_open, decimal=point), decimal


def _told_apart(text: TextTable, gone: Collection[int]) -> TextTable:
    """The table, with what there is to say of columns that have the same name; refused where names may stand below."""
    twice = named_twice([title for i, title in enumerate(text.titles) if i not in gone]) if text.has_header else ""
    if twice or [bool(title.strip()) for title in text.header].count(True) == 1 < len(text.header):
        refuse_below(text, twice)
    if not twice:
        return text
    changed = [(i, name) for i, name in enumerate(text.names) if name != text.titles[i] and i not in gone]
    taken = ", ".join(f"{text.titles[i]!r} in place {i} is taken as {name!r}" for i, name in changed[:NAMED])
    said = f"Columns of {text.path.name} have the same name: {taken}; data.header=none takes the first line as a row."
    return replace(text, notes=(*text.notes, said))


def _without_header(at: Opening, decimal: str, columns: Sequence[str] | None) -> tuple[Any, TextTable, str]:
    """As `_text`, of a table whose first line is a row."""
    table, text, decimal = _text(at, "none", decimal, columns)
    kept = [note for note in text.notes if not isinstance(note, Fact)]
    return table, replace(text, notes=(said_of_row(text), *kept)), decimal


def _numbers(text: TextTable, breaks: bool, decimal: str) -> Any:
    """The columns of a file of text, as numbers where all their cells are such with this mark, or with a point."""
    import pyarrow.csv

    point = "," if decimal == "," else "."
    missing = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=["", *NULLS], decimal_point=point)
    reading = pyarrow.csv.ReadOptions(column_names=None if text.has_header else text.names, block_size=BLOCK)
    with _native(text) as stream:
        table = pyarrow.csv.read_csv(stream, reading, _parsing(text, breaks), missing)
    return table.rename_columns(text.names)


def _cells(text: TextTable, breaks: bool) -> Any:
    """The columns of a file of text as text, named 0, 1, …."""
    import pyarrow.csv

    names = [str(i) for i in range(len(text.names))]
    kinds = dict.fromkeys(names, pyarrow.string())
    missing = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, null_values=["", *NULLS])
    with _native(text) as stream:
        reading = pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK)
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


def _levels(kinds: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Columns in which a word for a missing value is a level: asked for as such, or of a run that has that level."""
    table = kinds.get("table")
    if table is not None:
        return [column.name for column in table.columns if {*column.levels} & {*NULLS}]
    asked = asked_kinds(split_words(kinds.get("kinds", "")), names)
    return [name for name, kind in asked.items() if kind in LEVELLED]


def _with_words(table: Any, text: TextTable, levels: Collection[str]) -> Any:
    """The table, with words for a missing value as they stand in some of its columns of text."""
    import pyarrow

    for i, name in enumerate(table.column_names):
        if name in levels and name in text.marks and pyarrow.types.is_string(table.field(i).type):
            place = text.names.index(name)
            cells = [row[place] if row[place].strip() else None for row in text.cells()]
            table = table.set_column(i, name, pyarrow.array(cells, pyarrow.string()))
    return table


def _with_zeros(table: Any, text: TextTable, breaks: bool) -> Any:
    """The table, columns of whole numbers as text where some have zeros in front, as postcodes and phones have."""
    import pyarrow

    whole = [i for i, column in enumerate(table.columns) if pyarrow.types.is_integer(column.type)]
    if not (zeros := _zeros(text, breaks, whole)):
        return table
    cells = _cells(text, breaks)
    for i in zeros:
        table = table.set_column(i, table.field(i).name, cells.column(i))
    return table


def _zeros(text: TextTable, breaks: bool, whole: Sequence[int]) -> list[int]:
    """Which of the columns have a cell with a zero before another digit, read block by block."""
    import pyarrow.compute
    import pyarrow.csv

    if not whole:
        return []
    names, kept = [str(i) for i in range(len(text.names))], [str(i) for i in whole]
    reading = pyarrow.csv.ReadOptions(column_names=names, skip_rows_after_names=text.has_header, block_size=BLOCK)
    as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(kept, pyarrow.string()), include_columns=kept)
    found: set[str] = set()
    with _native(text) as stream, pyarrow.csv.open_csv(stream, reading, _parsing(text, breaks), as_text) as blocks:
        for block in blocks:
            has = {name: pyarrow.compute.match_substring_regex(block[name], r"^\s*0\d") for name in kept}
            found |= {name for name, marks in has.items() if pyarrow.compute.any(marks).as_py()}
    return sorted(map(int, found))


def _may_mislead(table: Any, text: TextTable) -> bool:
    """Whether a comma may stand before fractions: where semicolons separate cells, or a column of text says so."""
    import pyarrow

    texts = [column for column in table.columns if pyarrow.types.is_string(column.type)]
    return text.separator == ";" or marks_of([column.unique().to_pylist() for column in texts]).may_be_commas


def _native(text: TextTable) -> Any:
    """The bytes of a table, decompressed and in UTF-8, as a stream of pyarrow.

    Its threads let go of a stream after `read_csv` is back: one of Python they would let go of while the process ends,
    which aborts it.
    """
    import pyarrow

    is_plain = text.file.is_plain and not (text.others or text.is_short or text.is_ragged)
    if is_plain and not is_compressed(text.path):
        return pyarrow.OSFile(str(text.path), "rb")
    held = pyarrow.BufferOutputStream()
    if not is_plain:
        lines = csv.writer(_Encoded(held), delimiter=text.separator, lineterminator="\n")
        if text.has_header:
            lines.writerow(text.names)
        lines.writerows(cells for is_row, cells in text.lines() if is_row)
        return pyarrow.BufferReader(held.getvalue())
    with opened(text.path) as stream:
        while chunk := stream.read(CHUNK):
            held.write(chunk)
    return pyarrow.BufferReader(held.getvalue())


@dataclass(frozen=True)
class _Encoded:
    """Takes text, and writes it to a stream of bytes."""

    stream: Any

    def write(self, text: str) -> None:
        self.stream.write(text.encode())


def _series_of(table: Any) -> list[Any]:
    """The columns of a table, whose names may come twice."""
    nw = narwhals()
    return [nw.from_native(column, series_only=True) for column in table.columns]


def _notes(text: TextTable, left_out: int) -> tuple[str, ...]:
    """What to say of how a file was read."""
    said = [*text.file.notes, *text.notes]
    if text.file.held is None and text.separator != SEPARATORS.get(kind_of(text.path), ","):
        said.append(f"The cells of {text.path.name} are separated by {text.separator!r}.")
    if not text.has_header:
        said.append(Fact(f"The first line of {text.path.name} is a row: columns are named 0, 1, …."))
    if left_out:
        said.append(f"{left_out} columns without a name and without values are left out.")
    return tuple(said)


def _refuse_one_column(text: TextTable) -> None:
    """Refuse a table of one column whose cells hold those of several: separated by another mark, or quoted together."""
    if len(text.names) != 1 or not text.has_header:
        return
    lines = [text.titles[0], *(cells[0] for cells in islice(text.cells(), PEEK))]
    out = text.path.with_name(f"new-{text.path.name.split('.')[0]}.csv")
    for mark in (",", ";", "\t", "|", ":", "^", "~", None):
        counts = {len(line.split(mark)) for line in lines}
        if len(counts) > 1 or counts == {1} or not any(is_number(cell) for cell in lines[-1].split(mark)[1:]):
            continue
        if mark in (",", ";", "\t", "|"):
            raise RequestError(
                f"The lines of {text.path} stand in quotes as a whole, so that each is one cell.",
                f'Take these away: sed \'s/^"//; s/"\\r*$//; s/""/"/g\' {quoted(text.path)} > {quoted(out)}',
            )
        what, regex = ("spaces", "r'\\s+'") if mark is None else (repr(mark), repr(mark))
        raise RequestError(
            f"The cells of {text.path} seem to be separated by {what}.",
            f"pandas.read_csv({str(text.path)!r}, sep={regex}).to_csv({str(out)!r}, index=False) writes it with commas",
        )


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
        raise RequestError(f"{path} is not in {error.encoding}; write it again in UTF-8.") from error
    except (pyarrow.ArrowException, csv.Error, *BROKEN) as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise RequestError(f"{path} cannot be read as {''.join(path.suffixes[-2:])}: {what}.") from error
