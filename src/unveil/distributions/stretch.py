"""A map of the line that draws long tails in: where numbers of a column are compared with each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STRAIGHT = 1e4  # from this λ on, λ sinh⁻¹(u/λ) is u to the last bit of float32


@dataclass(frozen=True)
class Line:
    """T(x) = λ sinh⁻¹(u/λ) with u = (x − c)/s: u itself as λ → ∞, ± λ log(2|u|/λ) far out. Rising, so T⁻¹ exists.

    Arguments: centre c, spread s and tail λ of each column, and the least and the greatest x that came, [D].
    """

    centre: Tensor
    spread: Tensor
    tail: Tensor
    low: Tensor
    high: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """T of x [..., D], in float64 where x is."""
        tail = self.tail.to(x.dtype)
        return tail * torch.asinh((x - self.centre.to(x.dtype)) / (self.spread.to(x.dtype) * tail))

    def at(self, rows: slice | list[int] | Tensor) -> Line:
        """T of some columns."""
        return Line(*(t[rows] for t in (self.centre, self.spread, self.tail, self.low, self.high)))

    def inverse(self, y: Tensor) -> Tensor:
        """T⁻¹ of y [..., D]."""
        return self.centre + self.spread * self.tail * torch.sinh((y / self.tail).clamp(-40, 40))

    def log_slope(self, x: Tensor) -> Tensor:
        """log T′(x), [..., D]."""
        u = (x - self.centre.to(x.dtype)) / (self.spread * self.tail).to(x.dtype)
        return -self.spread.to(x.dtype).log() - 0.5 * torch.log1p(u**2)


class Stretch(nn.Module):
    """`Line`s that were fitted to columns: c and s, the median and the spread of the middle half of a column, as of a
    normal distribution; λ, what brings its far tail to where a normal one has it.

    Arguments: size, the number of columns.
    """

    centre: Tensor
    spread: Tensor
    tail: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("tail", torch.full((size,), STRAIGHT))
        self.register_buffer("low", torch.full((size,), -torch.inf))
        self.register_buffer("high", torch.full((size,), torch.inf))

    def line(self, rows: slice | list[int] = slice(None)) -> Line:
        """T of all columns, or of some."""
        return Line(self.centre, self.spread, self.tail, self.low, self.high).at(rows)

    @torch.no_grad()
    def fit(self, x: Tensor, seen: Tensor) -> None:
        """From x [N, D] and what of it is to be looked at [N, D]; a column without anything keeps the unit map."""
        for d in range(x.shape[1]):
            values = x[seen[:, d], d].double()
            if len(values):
                self.centre[d], self.spread[d], self.tail[d] = stretch_of(values)
                self.low[d], self.high[d] = values.min(), values.max()


def stretch_of(values: Tensor) -> tuple[float, float, float]:
    """(c, s, λ) of the values [N] of a column."""
    values = values.sort().values
    centre, spread = float(values[(len(values) - 1) // 2]), _spread(values)
    ends = torch.stack([values[int(0.01 * (len(values) - 1))], values[math.ceil(0.99 * (len(values) - 1))]])
    reach = float(((ends - centre).abs() / spread).max())
    return centre, spread, _tail(reach)


def _spread(values: Tensor) -> float:
    """That of the middle half, as of a normal distribution; where that holds one value, of 80 %, 98 %, all; else 1."""
    last = len(values) - 1
    for share, width in ((0.25, 1.349), (0.1, 2.563), (0.01, 4.653), (0.0, 6.0)):
        between = float(values[math.ceil((1 - share) * last)] - values[int(share * last)])
        if between > 0:
            return between / width
    return 1.0


def _tail(reach: float, normal: float = 3.0, to: float = 3.5) -> float:
    """λ with λ sinh⁻¹(reach/λ) = 3.5, where the tail of a column reaches farther than that of a normal one."""
    if reach <= max(normal, to):
        return STRAIGHT
    low, high = 1e-2, STRAIGHT
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if middle * math.asinh(reach / middle) < to else (low, middle)
    return low
