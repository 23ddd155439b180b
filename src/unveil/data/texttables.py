"""Tables of text: what separates their cells, what they name, how many rows they have and which lines are none."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from ..errors import RequestError
from .compressed import kind_of
from .limits import require_columns
from .raw import MISSING
from .tablecolumns import is_number
from .tablelines import Counted
from .textfiles import PEEK, TextFile, is_total, table_begins, units
from .writtennumbers import decimals

SEPARATORS = {".csv": ",", ".tsv": "\t"}
Opening = Callable[[int | str], TextFile]
NULLS = (  # what pyarrow takes as missing, in any column
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA", "NULL", "NaN",
    "n/a", "nan", "null",
)  # fmt: skip


@dataclass(frozen=True)
class TextTable:
    """A table of text as it stands in its file.

    Arguments: file; separator of its cells; names of the columns, in the file's order; has_header, whether the first
    line is they; marks, how often a text stands for a missing value, by column; notes, what to say of it; is_open,
    whether nothing tells which mark stands before fractions; decimal, that mark in columns that were read as numbers;
    others, the numbers of lines that are no rows: units below the names, totals at the end; is_short, whether the
    first line has no cell for the names of the rows, as R writes it: the first of `names` then is ""; titles, the
    names as they stand there, of which some may be the same; is_ragged, whether separators too many end some lines.
    """

    file: TextFile
    separator: str
    names: list[str]
    has_header: bool = True
    marks: Mapping[str, Counter[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_open: bool = False
    decimal: str = "."
    others: frozenset[int] = frozenset()
    is_short: bool = False
    titles: Sequence[str] = ()
    is_ragged: bool = False

    @property
    def header(self) -> list[str]:
        """The cells of the first line."""
        return list(self.titles[self.is_short :])

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def above(self) -> tuple[str, ...]:
        """The lines above the table."""
        return self.file.above

    def lines(self) -> Iterator[tuple[bool, list[str]]]:
        """Whether what stands below the names is a row, and its cells."""
        found, width = self.file.rows(self.separator), len(self.names)
        if self.has_header:
            next(cells for _, cells in found if cells)
        for line, cells in found:
            if cells or width == 1:  # else the line is empty, and no row
                is_row = line not in self.others
                yield is_row, (cells[:width] if is_row else cells) or [""]

    def cells(self) -> Iterator[list[str]]:
        """The cells of each row, as the text that stands in the file."""
        return (cells for is_row, cells in self.lines() if is_row)


def text_table(at: Opening, header: int | str, columns: Sequence[str] | None) -> tuple[TextTable, int, bool]:
    """(a table, the number of its rows, whether a cell goes over several lines); other arguments as of `read_table`.

    A new file need not have the lines above its table that the first one had, and may have others.

    Arguments: at, gives the file where a header is as told.
    """
    file = at("auto" if columns else header)
    separator = file.separator or _separator(file)
    if columns and isinstance(header, int) and not set(columns) <= set(_names(file, separator)):
        file = at(header)
        separator = file.separator or _separator(file)
    if columns and not set(columns) <= set(_names(file, separator)) and (begins := _line_of(file, columns)):
        file = replace(at(begins), named=False)
        separator = file.separator or _separator(file)
    require_columns(len(_names(file, separator)), file.path)
    text = TextTable(file, separator, [], header != "none", is_short=header != "none" and _is_short(file, separator))
    return _counted(replace(text, others=_units(text)))


def _line_of(file: TextFile, columns: Sequence[str]) -> int:
    """The first line that names all of some columns, below titles of a report; 0 where none of the first does."""
    wanted = set(columns)
    for separator in (file.separator,) if file.separator else (",", ";", "\t", "|"):
        with suppress(csv.Error):
            rows = islice(file.rows(separator), PEEK)
            if found := next((line for line, cells in rows if wanted <= set(cells)), 0):
                return found
    return 0


def _is_short(file: TextFile, separator: str) -> bool:
    """Whether the first line has one cell less than each of the next, of which the last may be cut off.

    The first cells of the others then name the rows, each by its own; an empty last cell would be a separator too many.
    """
    with suppress(csv.Error):
        first, *rows = [cells for _, cells in islice(file.rows(separator), PEEK) if cells] or [[]]
        whole = rows[:-1] if len(rows) > 2 else []
        if whole and first and {len(cells) for cells in whole} == {len(first) + 1}:
            return len({cells[0] for cells in whole}) == len(whole) and any(cells[-1].strip() for cells in whole)
    return False


def _names(file: TextFile, separator: str) -> list[str]:
    """The cells of the first line; none where a quote does not end."""
    with suppress(csv.Error):
        return next(file.rows(separator), (0, list[str]()))[1]
    return []


def _units(text: TextTable) -> frozenset[int]:
    """The line of units below the names, if there is one."""
    if not text.has_header:
        return frozenset()
    with suppress(csv.Error):  # which `_counted` says
        first = [(line, cells) for line, cells in islice(text.file.rows(text.separator), PEEK) if cells]
        if len(first) > 3 and units([cells for _, cells in first[1:]]):
            return frozenset({first[1][0]})
    return frozenset()


def _separator(file: TextFile) -> str:
    """That of the file's ending, or another where only that cuts every line into as many cells, two or more.

    Lines such as "0,5;1,5" are cut alike by both; the semicolon is the one where it leaves nothing but numbers.
    """
    own = SEPARATORS.get(kind_of(file.path), ",")
    tried = [own, *(other for other in (";", "\t", ",", "|") if other != own)]
    lengths = {separator: _lengths(file, separator) for separator in tried}
    even = [separator for separator, found in lengths.items() if len(set(found)) == 1 and found[0] > 1]
    named = [separator for separator, found in lengths.items() if found and found[0] > 1]
    if {",", ";"} <= set(even) and _are_numbers(file, ";"):
        return ";"
    return next(iter([*even, *named]), own) if own not in named or even else own


def _are_numbers(file: TextFile, separator: str) -> bool:
    """Whether a separator leaves numbers and marks of a missing value in all the first lines, some with a comma."""
    cells = [cell for _, (_, row) in zip(range(PEEK), file.rows(separator), strict=False) for cell in row]
    given = [cell for cell in cells if cell.strip().casefold() not in MISSING]
    return any("," in cell for cell in given) and all(decimals([cell]) or is_number(cell) for cell in given)


def _lengths(file: TextFile, separator: str) -> list[int]:
    """The numbers of cells of the first lines; none where a quote does not end."""
    try:
        lines = (cells for _, cells in file.rows(separator) if cells)
        return [len(cells) for cells, _ in zip(lines, range(PEEK), strict=False)]
    except csv.Error:
        return []


def _counted(text: TextTable) -> tuple[TextTable, int, bool]:
    """(the table with its names and marks, its rows, whether a cell goes over several lines).

    Refuses a row of another length, and a quote that does not end. A row of totals at the end is none.
    """
    before, breaks, known = 0, False, frozenset(NULLS)
    lines = text.file.rows(text.separator)
    try:
        before, first = next(((line, cells) for line, cells in lines if cells), (0, []))
        if not first:
            raise RequestError(f"{text.path} holds no line but empty ones.")
        first = [first[0].lstrip("\ufeff"), *first[1:]]
        titles = [*[""] * text.is_short, *first]
        titles = titles[: len(titles) - _is_long(text, titles)]
        counted = Counted(titles, text.has_header, known, partial(_refuse_row, text, len(titles)))
        if not text.has_header:
            counted.take(before, titles)
        for line, cells in lines:
            if line not in text.others:
                counted.take(line, cells)
            breaks, before = breaks or line > before + 1, line
        counted.end(text.path.name)
    except csv.Error as error:
        raise RequestError(
            f"A cell that begins in line {before + 1} of {text.path} has a quote that does not end: {error}.",
            'Write a quote within a cell twice, with the cell in quotes: "a 5"" pipe".',
        ) from error
    told = [f"Line {line} of {text.path.name} holds units and is no row." for line in text.others]
    rows, last = counted.rows, counted.last
    text = replace(text, others=text.others | counted.others)
    if rows > 2 and is_total(last[1]) and not _stands_before(text, *last):
        text, rows = replace(text, others=text.others | {last[0]}), rows - 1
        told.append(
            f"Line {last[0]} of {text.path.name} is taken as a total of the rows above and left out: "
            f"{', '.join(last[1])[:60]}."
        )
    names = distinct(titles) if text.has_header else [str(i) for i in range(len(titles))]
    found = {name: counts for name, counts in zip(names, counted.marks, strict=True) if counts}
    notes = (*told, *counted.notes)
    ragged = counted.is_ragged or len(first) + text.is_short > len(titles)
    return replace(text, names=names, titles=titles, marks=found, notes=notes, is_ragged=ragged), rows, breaks


def _is_long(text: TextTable, titles: Sequence[str]) -> bool:
    """Whether the first line ends with a separator, and the others do not."""
    if not text.has_header or len(titles) < 3 or titles[-1].strip():
        return False
    with suppress(csv.Error):
        rows = [cells for _, cells in islice(text.file.rows(text.separator), PEEK) if cells][1:]
        return bool(rows) and all(len(cells) == len(titles) - 1 for cells in (rows[:-1] or rows))
    return False


def distinct(titles: Sequence[str]) -> list[str]:
    """Names of which each is another: of one that comes again, as pandas calls them, "a.1" and "Unnamed: 3"."""
    names: list[str] = []
    for place, title in enumerate(titles):
        name, count = title, 0
        while name in names or (count and name in titles):
            count += 1
            name = f"{title}.{count}" if title else f"Unnamed: {place}" + f".{count - 1}" * (count > 1)
        names.append(name)
    return names


def _stands_before(text: TextTable, line: int, cells: list[str]) -> bool:
    """Whether the first text of a row stands in its column further up."""
    place = next(i for i, cell in enumerate(cells) if cell.strip())
    return any(row[place] == cells[place] for at, row in text.file.rows(text.separator) if row and at < line)


def _refuse_row(text: TextTable, columns: int, line: int, found: Sequence[str]) -> None:
    cells = len(found)
    first = len(text.above) + 1
    way = "Give each row a cell for each column; a cell that holds the separator stands in quotes."
    if not text.file.named and (begins := table_begins(text.file)) > first:
        way = f"If line {begins} names the columns: data.header={begins}"
    named = "the first line" if first == 1 else f"line {first}"
    raise RequestError(
        f"Line {line} of {text.path} has {cells} cell{'s' if cells > 1 else ''}, and {named} {columns}.", way
    )
