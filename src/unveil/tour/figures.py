"""What a figure of the tour is made of: axes, lines, points, bars, tiles, words. `svg` draws it.

The pieces carry data alone. A figure is drawn when the page is made, so it needs no script, prints as it stands, and
takes the colours of the page; a slider changes which figure of a row is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .words import Text

Numbers = NDArray[np.float64]
Values = Sequence[float] | Sequence[int] | NDArray[Any]


@dataclass(frozen=True)
class Axis:
    """One axis: what it measures, its ends, whether it is logarithmic, and marks (words or texts) at places."""

    title: Text
    low: float
    high: float
    log: bool = False
    marks: Sequence[tuple[float, str | Any]] | None = None


@dataclass(frozen=True)
class Line:
    """A line through points, or the area below it where it is filled."""

    x: Values
    y: Values
    colour: int = 0
    name: Text | None = None
    dashed: bool = False
    filled: bool = False
    width: float = 2.0


@dataclass(frozen=True)
class Dots:
    """Points, one colour for all or one each; `told` is shown where one points at them."""

    x: Values
    y: Values
    colour: int | Sequence[int] = 0
    name: Text | None = None
    size: float = 3.0
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Bars:
    """Upright bars from 0 (or from `base`), `width` wide in the units of x."""

    x: Values
    y: Values
    colour: int = 0
    name: Text | None = None
    width: float = 0.7
    base: Values | None = None


@dataclass(frozen=True)
class Tiles:
    """Values on a grid [rows, columns] as shades; the first row is at the bottom."""

    x: Values
    y: Values
    values: Sequence[Sequence[float]] | NDArray[Any]


@dataclass(frozen=True)
class Note:
    """Words at a place of the figure."""

    text: Text
    x: float
    y: float
    colour: int | None = None
    anchor: str = "start"


@dataclass(frozen=True)
class Live:
    """A line that the page's script draws."""

    colour: int = 0
    name: Text | None = None


Mark = Line | Dots | Bars | Tiles | Note | Live


@dataclass(frozen=True)
class Figure:
    """Marks over two axes."""

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    height: int = 250


def numbers(values: Values) -> Numbers:
    return np.asarray(values, dtype=np.float64).reshape(-1)


def room(*values: Values, share: float = 0.08) -> tuple[float, float]:
    """The ends of an axis that holds all these values with some room."""
    every = np.concatenate([numbers(v) for v in values])
    every = every[np.isfinite(every)]
    low, high = float(every.min()), float(every.max())
    length = max(high - low, 1e-9)
    return low - share * length, high + share * length
