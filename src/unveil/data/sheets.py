"""Workbooks (.xlsx): the cells of one sheet as text, read by openpyxl without following a link or expanding an entity.

References: Office Open XML (ISO/IEC 29500); openpyxl, whose parsers refuse entities where defusedxml is installed.
"""

from __future__ import annotations

import datetime
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from .limits import FREE, MAX_CELL, TEXT_EXPANSION, require_columns, require_expansion
from .npyfiles import require_memory
from .tablecolumns import TOLD

BOOKS = (".xlsx", ".xlsm")
MAX_ROWS, MAX_WIDTH = 2**20, 2**14  # of a sheet, as Excel has it
NEEDED = ("openpyxl", "defusedxml")


def read_sheet(path: Path, member: str | None = None) -> tuple[list[list[str]], tuple[str, ...]]:
    """(the rows of a sheet as text, what to say): dates as 2020-01-31, of a formula the value that was kept.

    An empty row has no cells; the others have as many as the widest, without empty columns around the table.

    Arguments: member, the name of the sheet; None takes the first.
    """
    if not all(map(find_spec, NEEDED)):
        raise RequestError("Workbooks need openpyxl and defusedxml.", "pip install 'unveil[excel]' brings them.")
    declared = _require_size(path)
    with _opened(path) as book:
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        if not sheets or (member is not None and member not in sheets):
            raise RequestError(f"{path} holds no sheet {member or 'of cells'!r}.", nearest(member or "", list(sheets)))
        title = next(iter(sheets)) if member is None else member
        rows = _trimmed(list(_rows(sheets[title], declared, path)))
    others = [name for name in sheets if name != title]
    if member is not None or not others:
        return rows, ()
    listed = ", ".join(map(repr, others[:TOLD])) + (f" and {len(others) - TOLD} more" if len(others) > TOLD else "")
    said = f"The first sheet of {path.name}, {title!r}, is read; {path.name}:NAME takes another of {listed}."
    return rows, (said,)


def _require_size(path: Path) -> int:
    """The bytes of a workbook, unpacked; refused where no honest one is so large."""
    with zipfile.ZipFile(path) as archive:
        declared = sum(info.file_size for info in archive.infolist())
    require_expansion(declared, path.stat().st_size, str(path), "Save its sheet as .csv.", TEXT_EXPANSION)
    require_memory(4 * declared, str(path), "save its sheet as .csv")
    return declared


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import openpyxl

    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # of styles, headers and extensions, which are not read
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            yield book
        except ValueError as error:
            if not _is_of_entities(error):
                raise
            raise RequestError(f"{path} declares entities, which no workbook needs: refused as hostile.") from error


def _is_of_entities(error: BaseException | None) -> bool:
    """Whether an error comes from a parser that was asked to expand entities."""
    from defusedxml import DefusedXmlException

    return error is not None and (
        isinstance(error, DefusedXmlException) or _is_of_entities(error.__cause__ or error.__context__)
    )


def _rows(sheet: Any, declared: int, path: Path) -> Iterator[list[str]]:
    """The rows of a sheet, whose cells may stand far apart in a file that means harm: each costs what lies between."""
    sheet.reset_dimensions()  # a file may declare others
    count = 0
    for row in sheet.iter_rows(max_row=MAX_ROWS, values_only=True):
        if len(row) > MAX_WIDTH:
            raise RequestError(f"A sheet of {path} has {len(row):,} columns; one has at most {MAX_WIDTH:,}.")
        count += 1 + len(row)
        if count > FREE + declared:
            raise RequestError(f"The cells of a sheet in {path} stand far apart: a damaged or hostile file, refused.")
        yield [_text(cell) for cell in row]


def _text(cell: Any) -> str:
    """A cell as text."""
    match cell:
        case None:
            return ""
        case datetime.datetime():
            day, time = cell.date().isoformat(), cell.time()
            return day if time == datetime.time() else f"{day} {time.isoformat()}"
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case datetime.timedelta():
            return str(cell.total_seconds())
    text = str(cell)
    if len(text) > MAX_CELL:
        raise RequestError(f"A cell of the sheet holds {len(text):,} characters; a cell has at most {MAX_CELL:,}.")
    return text


def _trimmed(rows: Sequence[list[str]]) -> list[list[str]]:
    """Rows without empty columns around the table, and without empty rows below it."""
    used = [[i for i, cell in enumerate(row) if cell.strip()] for row in rows]
    held = [places for places in used if places]
    if not held:
        return []
    first, last = min(places[0] for places in held), max(places[-1] for places in held)
    require_columns(last + 1 - first, "The sheet")
    width = last + 1 - first
    cut = [(row[first : last + 1] + [""] * width)[:width] if p else [] for row, p in zip(rows, used, strict=True)]
    return cut[: max(i for i, places in enumerate(used) if places) + 1]
