"""The values of x as they came: what every kind asks of them, and how they are refused."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError

Array = NDArray[Any]
MAX_LEVELS = 256
MAX_COUNT = 2**24  # float32 holds every integer up to here
FEW_GREYS = 3  # different levels from which on fractions of 255 are no accident
PEEK = 1000  # rows looked at before the whole array is
PIECE = 2**24  # bytes that are looked at at once


@dataclass(frozen=True)
class Values:
    """x [N, *shape] of finite numbers, N ≥ 1, with what is asked of it more than once."""

    x: Array

    @cached_property
    def low(self) -> float:
        return float(self.x.min())

    @cached_property
    def high(self) -> float:
        return float(self.x.max())

    @cached_property
    def whole(self) -> bool:
        """Whether every value is an integer, whatever its dtype; beyond its digits every float is one by accident."""
        x = self.x
        if x.dtype.kind == "f" and max(-self.low, self.high) >= 2 ** (np.finfo(x.dtype).nmant + 1):
            return False
        return is_whole(x)

    @property
    def is_scale(self) -> bool:
        """Whether x holds only the integers 0 … 255, in whatever dtype."""
        return self.whole and self.low >= 0 and self.high < MAX_LEVELS

    @property
    def is_scaled(self) -> bool:
        """Whether float x looks like grey levels divided by 255."""
        x = self.x
        if x.dtype.kind != "f" or self.low < 0 or self.high > 1:
            return False
        close = 0.13 if x.dtype == np.float16 else 1e-3
        if len(np.unique(np.rint(np.ravel(x)[: PEEK * PEEK] * 255.0))) < FEW_GREYS:
            return False
        return all(bool((np.abs(v - np.rint(v)) < close).all()) for v in (part * 255.0 for part in pieces(x)))

    @property
    def layout(self) -> tuple[str, ...]:
        """A sentence where images look as if channels came first."""
        shape = self.x.shape[1:]
        if len(shape) == 3 and shape[0] in (1, 3) and shape[2] > 4:
            return (
                f"x is read as images of height {shape[0]}, width {shape[1]} and {shape[2]} channels; if channels come "
                "first, give x.transpose(0, 2, 3, 1).",
            )
        return ()

    def require_scale(self, kind: str) -> None:
        """Refuse what is no scale of 0 … 255 as `kind` data."""
        if self.is_scale:
            return
        if self.whole:
            came = f"x holds integers from {self.low:.0f} to {self.high:.0f}"
            way = "Subtract the lowest, or give data.domain=real"
            way += " or data.domain=count if they count something" if self.low >= 0 else ""
        else:
            came = "x holds values that are not integers"
            way = "Give data.domain=real, or leave data.domain and levels out"
        scaled = " (x looks like grey levels divided by 255: multiply by 255 and round)" if self.is_scaled else ""
        raise RequestError(f"{came}; {kind} data holds 0 to {1 if kind == 'binary' else 255}.", f"{way}{scaled}.")


def pieces(x: Array) -> Iterator[Array]:
    """x [N, …] in pieces of some 16 MiB, for what would make copies of all of it; the first rows alone come first."""
    yield x[:PEEK]
    step = max(1, PIECE * len(x) // max(1, x.nbytes))
    yield from (x[first : first + step] for first in range(PEEK, len(x), step))


def is_whole(x: Array) -> bool:
    """Whether every value of x [N, …] is an integer, whatever its dtype."""
    return x.dtype.kind != "f" or all(bool((part == np.rint(part)).all()) for part in pieces(x))


def lies_in(x: Array, low: float, high: float) -> bool:
    """Whether every value of x is a number between two ends, found without a copy of x."""
    return not x.size or bool(low <= x.min().item() and x.max().item() <= high)


class Misplaced(RequestError):
    """Something is wrong with x at one place of an example, which has a name where x is a table.

    Arguments: before and after, the sentence around the words for the place; place, an index of an example; remedy.
    """

    def __init__(self, before: str, place: tuple[int, ...], after: str, remedy: str = "") -> None:
        self.before, self.place, self.after = before, place, after
        super().__init__(f"{before}position {place[0] if len(place) == 1 else place}{after}", remedy)

    def named(self, columns: Sequence[str] | None, remedy: Callable[[str], str]) -> RequestError:
        """The same with the name of the column, and what else there is to do, of its name."""
        if columns is None or len(self.place) != 1:
            return self
        name = columns[self.place[0]]
        told = " ".join(filter(None, (self.hint, remedy(name))))
        return RequestError(f"{self.before}column {name!r}{self.after}", told)


def refuse_where(bad: NDArray[np.bool_], x: Array, what: str, remedy: str) -> None:
    """Refuse x [N, …] if `bad` marks any of its values; the sentence counts them and shows the first."""
    if bad.any():
        row, *place = (int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        first = f"the first {x[(row, *place)]} in row {row}, "
        raise Misplaced(f"x holds {int(bad.sum())} values {what}, {first}", tuple(place), ".", remedy)


def deleting(columns: Sequence[int]) -> str:
    """What leaves columns of an array x out, as it is typed in Python."""
    return f"np.delete(x, {list(columns)}, axis=1)"
