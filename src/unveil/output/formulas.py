"""Cells of text that a spreadsheet takes for formulas: said, and on request written so that none runs.

References: OWASP, CSV Injection (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.raw import MISSING
from ..data.writtennumbers import NotNumbers, read_numbers

BEGINS = ("=", "+", "-", "@", "\t", "\r")
SHOWN = 30  # characters of the first one


@dataclass
class Formulas:
    """What becomes of the cells of a file of text as they are written.

    Arguments: quotes, whether an apostrophe is put before each text that begins like a formula; count and first, of
    those that came so far.
    """

    quotes: bool = False
    count: int = 0
    first: str = ""

    def row(self, cells: Iterable[Any]) -> list[Any]:
        """The cells of a row as they are written."""
        return [self.cell(cell) if isinstance(cell, str) and cell.startswith(BEGINS) else cell for cell in cells]

    def cell(self, text: str) -> str:
        """A text as it is written; numbers such as -5, +1,5 and -3 %, and marks such as "-", are no formulas."""
        if not text.startswith(BEGINS) or text.strip().casefold() in MISSING or _is_number(text):
            return text
        self.count, self.first = self.count + 1, self.first or text
        return f"'{text}" if self.quotes else text

    def notes(self, path: Path) -> tuple[str, ...]:
        """What to say of a file."""
        if not self.count:
            return ()
        what, begin = ("1 cell", "begins") if self.count == 1 else (f"{self.count:,} cells", "begin")
        told = f"{what} of {path.name} {begin} like a formula, first {self.first[:SHOWN]!r}"
        if self.quotes:
            return (f"{told}: an apostrophe stands before each, and is no part of it.",)
        return (f"{told}: a spreadsheet may run such; --safe-csv puts an apostrophe before each.",)


def _is_number(text: str) -> bool:
    """Whether a text is written as a number, in whatever way."""
    try:
        read_numbers([text])
    except NotNumbers as error:
        return bool(error.ways)
    return True
