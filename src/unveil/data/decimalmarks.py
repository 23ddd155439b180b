"""Which mark stands before the fractions of a table of text.

"1.006" alone is 1.006 or 1006, and "1,304" 1304 or 1.304. Where another column proves one mark, the other stands
between thousands in all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .writtennumbers import decimals

FIRST = 1000  # different texts that mostly tell of a whole column


@dataclass(frozen=True)
class Marks:
    """What the columns of a table say together.

    Arguments: proven, the marks that some column allows alone; open, the places of columns that are other numbers with
    another mark.
    """

    proven: frozenset[str]
    open: tuple[int, ...]

    @property
    def may_be_commas(self) -> bool:
        """Whether some column may have a comma before its fractions."""
        return bool(self.open) or "," in self.proven

    @property
    def decimal(self) -> str:
        """The one mark that is proven, else "auto"."""
        return next(iter(self.proven)) if len(self.proven) == 1 else "auto"


def marks_of(columns: Iterable[Sequence[Any]], missing: Collection[str] = ()) -> Marks:
    """What columns of texts say together.

    Arguments: columns, of cells, where only texts count; missing, texts for a missing value beside the usual ones.
    """
    found = [_of_column(column, missing) for column in columns]
    proven = frozenset(mark for marks in found if len(marks) == 1 for mark in marks)
    return Marks(proven, tuple(i for i, marks in enumerate(found) if len(marks) > 1))


def _of_column(cells: Sequence[Any], missing: Collection[str]) -> frozenset[str]:
    texts = list(dict.fromkeys(cell for cell in cells if isinstance(cell, str)))
    marks = decimals(texts[:FIRST], missing)
    return decimals(texts, missing) if len(texts) > FIRST else marks
