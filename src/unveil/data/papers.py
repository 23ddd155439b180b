"""Pictures that are transparent in parts: the paper that shows there, white unless nothing would be left to see."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .filetree import Pictures, many
from .raw import Array


class Paper(NamedTuple):
    """What shows where pictures are transparent.

    Arguments: colour, "white" or "black", or None where no picture may be transparent; said, sentences about it.
    """

    colour: str | None = None
    said: tuple[str, ...] = ()


def paper_of(x: Array, clear: Sequence[int], fill: Callable[[Sequence[int], str], Any], how: Pictures) -> Paper:
    """The paper of x [N, …], which is read: that of the run, or white, or black where all would be blank on white.

    Arguments: clear, the rows that may be transparent in parts; fill(rows, colour), which reads them again.
    """
    if not clear:
        return Paper(how.paper)
    colour, blank = how.paper or "white", _num_blank(x, clear)
    if how.shape is not None:
        return Paper(colour, _lost(blank, colour))
    why = ""
    if blank == len(clear):
        fill(clear, "black")
        on_black = _num_blank(x, clear)
        if on_black < blank:
            colour, blank, why = "black", on_black, ", since all of them are blank on white"
        else:
            fill(clear, "white")
    return Paper(
        colour, (f"what is transparent in {many(len(clear), 'picture')} is {colour}{why}", *_lost(blank, colour))
    )


def _lost(blank: int, colour: str) -> tuple[str, ...]:
    are = "is" if blank == 1 else "are"
    return (f"{many(blank, 'picture')} with transparency {are} blank on {colour}",) if blank else ()


def _num_blank(x: Array, rows: Sequence[int]) -> int:
    """How many of these pictures are of one value."""
    return sum(bool((x[i] == x[i].flat[0]).all()) for i in rows)
