"""Blocks of 128 rows: the one way to walk over a split, so that no number of an example depends on how many came."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

ROWS = 128  # examples per block: the unit that noise is keyed by


@dataclass(frozen=True)
class Block:
    """128 rows, of which the first `keep` are to be kept: the last row fills up a block that has fewer.

    Noise that is drawn for a filled block under a key with `first` is the same for each of its rows, whatever follows.

    Arguments: first, its first row; rows, [128] int64; keep.
    """

    first: int
    rows: Tensor
    keep: int

    @property
    def own(self) -> Tensor:
        """The rows without those that fill up, [keep]: for what needs every example once and no more."""
        return self.rows[: self.keep]

    @property
    def done(self) -> int:
        """The number of rows up to the end of this block."""
        return self.first + self.keep


def singles(num_rows: int) -> Iterator[Block]:
    """Each row as a block of its own."""
    for row in range(num_rows):
        yield Block(row, torch.tensor([row]), 1)


def blocks(num_rows: int, limit: int | None = None, size: int | None = None) -> Iterator[Block]:
    """The blocks of rows 0 … num_rows − 1, or of the first `limit` of them; of `size` rows where 128 are too many."""
    count, size = num_rows if limit is None else min(limit, num_rows), size or ROWS
    for first in range(0, count, size):
        yield Block(first, torch.arange(first, first + size).clamp(max=count - 1), min(size, count - first))


def walk(num_rows: int, alone: bool, size: int | None = None) -> Iterator[Block]:
    """Each row as a block of its own, or blocks of 128, or of `size`."""
    return singles(num_rows) if alone else blocks(num_rows, size=size)
