"""Which lines of a table of text are its rows, and which are remarks, names that come again or words below its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .tablecolumns import is_number

COMMENTS = ("#", "%", "//")
END = "\x1a"  # what DOS wrote at the end of a text
SHOWN = 60  # characters of a line that is shown


@dataclass
class Counted:
    """The rows of a table, counted line by line.

    Arguments: names, the cells of its first line; has_names, whether these are names; nulls, texts that are counted as
    marks; refuse, called with the number of a line and its cells where the line is neither a row nor anything known.
    """

    names: Sequence[str]
    has_names: bool
    nulls: frozenset[str]
    refuse: Callable[[int, Sequence[str]], None]
    rows: int = 0
    others: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    is_ragged: bool = False
    last: tuple[int, list[str]] = (0, [])

    def __post_init__(self) -> None:
        self.marks: list[Counter[str]] = [Counter() for _ in self.names]
        self._remarks: list[tuple[int, list[str]]] = []
        self._again: list[int] = []
        self._tail: list[tuple[int, list[str]]] = []  # since an empty line: empty ones, and those with one text
        self._are_words = self.has_names and len(self.names) > 1 and not any(map(_is_value, self.names))
        self._marked = ""  # the comment mark that a row begins with

    def take(self, line: int, cells: list[str]) -> None:
        """A line of the file, in its order."""
        width = len(self.names)
        if len(cells) > width and not any(cells[width:]):
            cells, self.is_ragged = cells[:width], True
        fits = len(cells) == width
        if fits and (width == 1 or any(cells[1:])):
            self._row(line, cells)
        elif not fits and cells and (cells == [END] or cells[0].startswith(COMMENTS)):
            self._remarks += [(line, cells)] * (cells != [END])
            self.others.add(line)
        elif not any(cells) or (self._tail and width > 1):
            self._tail.append((line, cells))
        elif fits:
            self._row(line, cells)
        else:
            self.refuse(line, cells)

    def _row(self, line: int, cells: list[str]) -> None:
        self._flush()
        if cells == self.names and self._are_words:
            self._again.append(line)
            self.others.add(line)
            return
        if cells[0].startswith(COMMENTS):
            self._marked = cells[0]
        self._count(line, cells)

    def _flush(self) -> None:
        """What came since an empty line was in the table."""
        for line, cells in self._tail:
            if cells and len(cells) != len(self.names):
                self.refuse(line, cells)
            elif cells:
                self._count(line, cells)
            elif len(self.names) == 1:
                self.rows += 1
        self._tail = []

    def _count(self, line: int, cells: list[str]) -> None:
        self.rows += 1
        self.last = (line, cells)
        if not self.nulls.isdisjoint(cells):
            for i, cell in enumerate(cells):
                if cell in self.nulls:
                    self.marks[i][cell] += 1

    def end(self, name: str) -> None:
        """The end of the file of this name."""
        words = [(line, cells) for line, cells in self._tail if any(cells)]
        if words and len(words) <= self.rows:
            self.others.update(line for line, _ in self._tail)
            self._tail = []
            self._say(name, words, "below the table")
        self._flush()
        if self._remarks and self._marked:
            self.refuse(*self._remarks[0])
        self._say(name, self._remarks, "in the table")
        if self._again:
            where = f"Line {self._again[0]} of {name}" + (f" and {len(self._again) - 1} more" * (len(self._again) > 1))
            self.notes.append(f"{where} holds the names of the columns again and is no row.")

    def _say(self, name: str, lines: Sequence[tuple[int, Sequence[str]]], where: str) -> None:
        if lines:
            count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            are = "is" if len(lines) == 1 else "are"
            shown = ", ".join(filter(None, lines[0][1]))[:SHOWN]
            self.notes.append(f"{count} {where} in {name} {are} left out, the first is line {lines[0][0]}: {shown!r}.")


def _is_value(name: str) -> bool:
    """Whether a name might be the cell of a row as well: a number, or nothing."""
    return not name.strip() or is_number(name)
