"""Whether the first line of a table of text names its columns or is a row of it, and what to say where both may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import RequestError
from .headers import holds_values, looks_like_values, only_numbers, surely_values
from .tablecolumns import is_number
from .textfiles import table_begins
from .texttables import TextTable

SHOWN = 3  # cells of the first line that a sentence shows


def is_row(text: TextTable, held: Sequence[Any], columns: Sequence[str] | None) -> bool:
    """Whether the first line, read as names, is a row; refused where it may be either.

    Arguments: held, the columns below it; columns, those that a run was fitted on, or None.
    """
    names = text.titles
    if columns is not None and set(columns) <= set(text.names):
        return False
    if columns is not None and _are_places(columns, len(names)):
        return holds_values(names, held)
    if not (only_numbers(names) or looks_like_values(names, held)):
        return False
    if columns is None and surely_values(names, held):
        return True
    raise _either(text, columns is None)


def said_of_row(text: TextTable) -> str:
    """What to say where the first line was taken as a row without being asked for."""
    first = next(text.cells(), [])
    shown = ", ".join(cell.strip()[:20] for cell in first[:SHOWN]) + (", …" if len(first) > SHOWN else "")
    return (
        f"The first line of {text.path.name} is a row ({shown}) and names nothing: columns are named 0, 1, …; "
        "data.header=first takes it as their names."
    )


def _are_places(columns: Sequence[str], count: int) -> bool:
    """Whether columns were named by their places, in a file without names."""
    return set(columns) <= set(map(str, range(count)))


def _either(text: TextTable, fitting: bool) -> RequestError:
    path, names = text.path, text.titles
    only = "holds only numbers" if all(map(is_number, filter(None, names))) else ""
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    if not fitting:
        way = "Give it a first line with the names of the columns that the run was fitted on."
    else:
        way = (
            "data.header=none takes it as the first row, of columns named 0, 1, …; data.header=first takes it as the "
            "names of the columns."
        )
        if not text.file.named and (begins := table_begins(text.file)) > 1:
            way += f" If line {begins} names the columns: data.header={begins}"
    return RequestError(f"The first line of {path} {only or 'looks like a row of values'}: {shown}.", way)


def refuse_below(text: TextTable, twice: str) -> None:
    """Refuse names of which one comes twice, or a single one, where names of all columns may stand further down."""
    begins = 0 if text.file.named else table_begins(text.file)
    if begins > len(text.above) + 1:
        what = f"Two columns of {text.path} have the same name, {twice}."
        way = f"Give each its own name; if line {begins} names the columns, data.header={begins}."
        if twice in ("", repr("")):
            named, several = sum(bool(title.strip()) for title in text.header), len(text.header)
            what = f"The first line of {text.path} names {'one column' if named == 1 else named} of {several}."
            way = way.replace("its own", "a")
        raise RequestError(what, way)
