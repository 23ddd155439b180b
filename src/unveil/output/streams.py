"""Lines and tables that any stream can write, and what standard error is: a terminal, a notebook or neither."""

import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..languages import spoken
from ..legible import readable, shortened

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # and marks of direction
WIDE = 1000  # characters, where no terminal says its width
LONGEST = 400  # characters of a cell


def speakable(text: str, stream: TextIO) -> str:
    """`text` in the characters that a stream can write."""
    return readable(text, stream.encoding or "ascii")


def harmless(text: str) -> str:
    """`text` without control characters but line ends and tabs: no file is to move a cursor or set a title."""
    return CONTROL.sub(UNKNOWN, text)


def say(lines: Iterable[str]) -> None:
    """Lines on standard error; nothing where a process has none."""
    for line in map(harmless, map(spoken(), lines)) if sys.stderr is not None else ():
        print(speakable(line, sys.stderr), file=sys.stderr, flush=True)


def print_rows(rows: Sequence[Sequence[str]], heads: Sequence[str] = (), named: Collection[int] = ()) -> None:
    """A table on standard output, as wide as the terminal, or without line breaks where there is none.

    Arguments: rows; heads; named, the columns that hold names of the data.
    """
    tongue = spoken()
    cells = [[(i, cell, heads[i] if heads else "") for i, cell in enumerate(row)] for row in rows]
    rows = [[cell if i in named else tongue.cell(cell, head) for i, cell, head in row] for row in cells]
    heads = [tongue(head) for head in heads]
    table = Table(box=None, show_header=bool(heads), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i in range(max(map(len, [*rows, heads]), default=0)):
        table.add_column(harmless(heads[i]) if heads else "", no_wrap=i == 0, style="bold" if i == 0 else "")
    for row in rows:
        table.add_row(*(Text(harmless(shortened(cell, LONGEST)).replace("\n", UNKNOWN)) for cell in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(speakable(line.rstrip(), sys.stdout))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output."""
    for line in map(harmless, map(spoken(), lines)):
        print(speakable(line, sys.stdout))


def print_tried(rows: Sequence[Sequence[str]], heads: Sequence[str], lines: Iterable[str]) -> None:
    """Refits as a table, and what to say below it."""
    print_rows(rows, heads)
    print_lines(["", *lines])


def console() -> Console:
    """Standard error for what moves and has colour."""
    return Console(stderr=True, highlight=False, soft_wrap=False)


def is_terminal() -> bool:
    """Whether standard error is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and not console().is_dumb_terminal


def is_notebook() -> bool:
    return "ipykernel" in sys.modules
