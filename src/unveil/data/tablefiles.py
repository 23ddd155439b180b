"""Files of tables: .csv, .tsv and .parquet, read by pyarrow with every surprise turned into a sentence."""

import csv
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .frames import read_frame
from .npyfiles import require_memory
from .raw import Raw
from .tablecolumns import is_number

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet")


def read_table(path: Path, *, label: str = "", drop: str = "", columns: Sequence[str] | None = None) -> Raw:
    """The numeric columns of a file as x; arguments as of `read_frame`."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise RequestError("Tables in files need pyarrow.", "pip install 'unveil[table]' brings it.") from error
    is_text = path.suffix.lower() in SEPARATORS
    with _refusing(path):
        table = _text(path) if is_text else _parquet(path)
    cells = functools.partial(cells_of, path) if is_text else None
    return read_frame(table, label=label, drop=drop, columns=columns, source=str(path), cells=cells)


def cells_of(path: Path) -> Iterator[list[str]]:
    """The names of the columns, and then each row, as the text that stands in the file."""
    lines = _lines(path)
    _, names = next(lines)
    yield names
    for _, cells in lines:
        if cells or len(names) == 1:  # else the line is empty, and no row
            yield cells or [""]


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of the last line of each row of a file of text, and its cells, however long; none of an empty line."""
    most = csv.field_size_limit(path.stat().st_size + 1)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=SEPARATORS[path.suffix.lower()], strict=True)
            for cells in reader:
                yield reader.line_num, cells
    finally:
        csv.field_size_limit(most)


def _parquet(path: Path) -> Any:
    import pyarrow.parquet

    info = pyarrow.parquet.read_metadata(path)
    require_memory(8 * info.num_rows * max(1, info.num_columns), str(path))
    return pyarrow.parquet.read_table(path)


def _text(path: Path) -> Any:
    """A table of text as numbers where its columns hold numbers; as many rows as Python's own reader counts."""
    import pyarrow.csv

    separator = SEPARATORS[path.suffix.lower()]
    require_memory(2 * path.stat().st_size, str(path))
    _require_header(path, separator)
    rows, columns, breaks = _counted(path)
    parsing = pyarrow.csv.ParseOptions(
        delimiter=separator,
        newlines_in_values=breaks,
        ignore_empty_lines=columns > 1,  # else a line is a missing value
    )
    missing = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    table = pyarrow.csv.read_csv(path, parse_options=parsing, convert_options=missing)
    if len(table) != rows:
        raise RequestError(
            f"{path} has {rows:,} rows, and {len(table):,} of them could be read.",
            "Write it again, for instance with pandas.read_csv(path).to_csv(path, index=False).",
        )
    return table


def _counted(path: Path) -> tuple[int, int, bool]:
    """(rows, columns, whether a cell goes over several lines); refuses a row of another length, and an open quote."""
    rows, before, breaks = 0, 0, False
    lines = _lines(path)
    try:
        before, names = next(lines, (0, []))
        for line, cells in lines:
            if len(cells) not in (0, len(names)):
                _refuse_row(path, line, len(cells), len(names))
            rows += bool(cells) or len(names) == 1
            breaks, before = breaks or line > before + 1, line
    except csv.Error as error:
        raise RequestError(
            f"A cell that begins in line {before + 1} of {path} has a quote that does not end: {error}.",
            'Write a quote within a cell twice, with the cell in quotes: "a 5"" pipe".',
        ) from error
    return rows, len(names), breaks


def _refuse_row(path: Path, line: int, cells: int, columns: int) -> None:
    raise RequestError(
        f"Line {line} of {path} has {cells} cell{'s' if cells > 1 else ''}, and the first line {columns}.",
        "Give each row a cell for each column; a cell that holds the separator stands in quotes.",
    )


def _require_header(path: Path, separator: str) -> None:
    """The first line names the columns: refuse numbers there (a row that would be lost), and another separator."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        names = next(csv.reader(stream, delimiter=separator), [])
    wrong = next((other for other in ";\t," if other != separator and len(names) == 1 and other in names[0]), None)
    if wrong is not None:
        raise RequestError(
            f"The first line of {path} is separated by {wrong!r} and {path.suffix} is read by {separator!r}.",
            f"Read it with pandas.read_csv(path, sep={wrong!r}) and give the frame, or write it again.",
        )
    counted = [str(i) for i in range(len(names))]  # what pandas writes for an array without names
    if names and [name for name in names if name] not in (counted, counted[:-1]) and all(map(is_number, names)):
        raise RequestError(
            f"The first line of {path} holds only numbers: {', '.join(names[:3])}.",
            "Give it a first line with a name for each column.",
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
        raise RequestError(f"{path} is not in UTF-8; write it again in that encoding.") from error
    except (pyarrow.ArrowException, OSError, ValueError, csv.Error) as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise RequestError(f"{path} cannot be read as {path.suffix}: {what}.") from error
