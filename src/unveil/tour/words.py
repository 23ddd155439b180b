"""Words in two languages beside each other, and the blocks that a chapter is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..errors import WorkError
from .figures import Figure

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, Lang] = ("en", "zh")
Value = float | int | str


@dataclass(frozen=True)
class Text:
    """One text in both languages. `[[name:.2f]]` stands for a value of the chapter, `$…$` for a formula in TeX."""

    en: str
    zh: str


@dataclass(frozen=True)
class Say:
    """A paragraph."""

    text: Text


@dataclass(frozen=True)
class Formula:
    """A formula in TeX, the same in both languages: one or several lines."""

    lines: tuple[str, ...]

    def __init__(self, *lines: str) -> None:
        object.__setattr__(self, "lines", lines)


@dataclass(frozen=True)
class Code:
    """Lines of Python that are shown, run, and followed by what they printed.

    Arguments: run, a function whose body stands on the page; it imports all that it uses, and prints.
    """

    run: Callable[[], None]


@dataclass(frozen=True)
class Command:
    """A command line to go on with, and what it does."""

    line: str
    text: Text


@dataclass(frozen=True)
class Plot:
    """A figure, or several between which a slider moves, with the words under it.

    Arguments:
        caption: what it shows.
        frames: one figure, or several under each other, for each place of the slider.
        slider: what the slider moves; None where there is one figure.
        told: what is said at each place; empty for nothing.
        start: the place at which the page opens.
    """

    caption: Text
    frames: Sequence[Figure | tuple[Figure, ...]]
    slider: Text | None = None
    told: Sequence[Text] = ()
    start: int = 0


@dataclass(frozen=True)
class Lab:
    """A normal q over a mixture p: two sliders move q, and the page computes both KLs as it moves.

    Arguments: caption; figure, with a `Live` line for q; weights, means and scales of p.
    """

    caption: Text
    figure: Figure
    weights: Sequence[float]
    means: Sequence[float]
    scales: Sequence[float]


@dataclass(frozen=True)
class Pictures:
    """Rows of small images.

    Arguments: caption; rows of (label, data URIs, captions), captions empty for none.
    """

    caption: Text
    rows: Sequence[tuple[Text, Sequence[str], Sequence[str]]]


@dataclass(frozen=True)
class Table:
    """A table of words and numbers: a head and rows, of which the first column names the row."""

    caption: Text
    head: Sequence[Text]
    rows: Sequence[tuple[Text, Sequence[str]]]


Block = Say | Formula | Code | Command | Plot | Lab | Pictures | Table


@dataclass(frozen=True)
class Chapter:
    """A chapter: its address on the page, its title, its blocks, and the numbers that its texts name."""

    anchor: str
    title: Text
    blocks: Sequence[Block]
    values: Mapping[str, Value] = field(default_factory=dict)


def say(en: str, zh: str) -> Say:
    """A paragraph in both languages."""
    return Say(Text(en, zh))


class FalseClaim(WorkError):
    """A sentence of the page that the numbers of this build do not bear out."""

    def __init__(self, claim: str, where: str = "The tour") -> None:
        super().__init__(
            f"{where} says that {claim}, and the numbers of this build say otherwise, so no page was written.",
            "This is a fault of unveil, or of the versions of the packages below it; please report it.",
        )
        self.claim = claim


def holds(is_so: bool | np.bool_, claim: str) -> None:
    """Stop where a sentence of the page would be false."""
    if not is_so:
        raise FalseClaim(claim)
