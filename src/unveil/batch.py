"""A batch of examples: what is known of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B examples. A missing pixel, a missing modality and a missing label are the same thing: not observed.

    Arguments:
        x: [B, *shape] float, in the units of the data: 0/1, level numbers, or real values as given.
        index: [B] row numbers in the split (or in the array that was given).
        y: [B] int64 labels, −1 where one is not known; or None.
        observed: [B, *shape] bool mask, True where x is known; None means all of it.
        z: known latents, a tuple of groups [B, …] with NaN in the rows where they are not known; or None.
    """

    x: Tensor
    index: Tensor | None = None
    y: Tensor | None = None
    observed: Tensor | None = None
    z: tuple[Tensor, ...] | None = None

    def __len__(self) -> int:
        return self.x.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """The same examples on another device."""
        return self.map(lambda held: held.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with every tensor that it holds changed."""
        index, y, observed = (None if t is None else change(t) for t in (self.index, self.y, self.observed))
        z = None if self.z is None else tuple(map(change, self.z))
        return Batch(change(self.x), index, y, observed, z)
