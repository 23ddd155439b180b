"""Integers by column: what each column holds is told once, and every row looks it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

LOOKED = 1000  # rows that tell how many different integers there are
CHUNK = 2**21  # numbers of a table at a time


@dataclass(frozen=True)
class Part:
    """Some columns of x [N, D] that hold about equally many different integers: x_nd = values[d, place_nd].

    Arguments: columns [d], which; values [d, U, 1] float64, rising, and 0 behind a column's last; place [N, d].
    """

    columns: Tensor
    values: Tensor
    place: Tensor

    @staticmethod
    def of(columns: list[int], values: list[Tensor], places: list[Tensor]) -> Part:
        return Part(
            torch.tensor(columns),
            pad_sequence([values[d] for d in columns], batch_first=True).double().unsqueeze(-1),
            torch.stack([places[d] for d in columns], 1),
        )

    def split(self, num_components: int) -> Iterator[Part]:
        """Parts whose tables fit the memory."""
        step = max(1, CHUNK // (self.values.shape[1] * num_components))
        pieces = zip(self.columns.split(step), self.values.split(step), self.place.split(step, 1), strict=True)
        return (Part(*piece) for piece in pieces)

    def weigh(self, r: Tensor) -> Tensor:
        """Σ_n r_nc 1[x_nd = v_du], [d, U, C], from r [N, C]."""
        found = r.new_zeros(*self.values.shape[:2], r.shape[1])
        for each, place in zip(found, self.place.T, strict=True):
            each.index_add_(0, place, r)
        return found


Table = Callable[[Part], Tensor]  # log p(x_d = value|c), [d, U, C]


@dataclass(frozen=True)
class Columns:
    """x [N, D], in parts: a column of a million rows may hold ten different integers."""

    parts: tuple[Part, ...]

    @staticmethod
    def of(x: Tensor) -> Columns:
        found = [torch.unique(column, return_inverse=True) for column in x.flatten(1).T.contiguous()]
        values, places = [v for v, _ in found], [place for _, place in found]
        groups: dict[int, list[int]] = {}
        for d, each in enumerate(values):
            groups.setdefault(len(each).bit_length(), []).append(d)
        return Columns(tuple(Part.of(columns, values, places) for columns in groups.values()))

    def __len__(self) -> int:
        return len(self.parts[0].place)

    def split(self, num_components: int) -> Iterator[Part]:
        return (piece for part in self.parts for piece in part.split(num_components))

    def log_px(self, table: Table, num_components: int) -> Tensor:
        """log p(x|c) = Σ_d log p(x_d|c), [N, C] float64."""
        total = torch.zeros(len(self), num_components, dtype=torch.float64)
        for part in self.split(num_components):
            d, U = part.values.shape[:2]
            rows = part.place + U * torch.arange(d)  # value u of column d is row U·d + u
            total += F.embedding_bag(rows, table(part).flatten(0, 1), mode="sum")
        return total


def table_share(x: Tensor) -> float:
    """The numbers of a table for each one of x [N, *shape]: 1 where no integer comes twice, near 0 where few do."""
    few = x[:LOOKED]
    return sum(part.values.numel() for part in Columns.of(few).parts) / few.numel()
