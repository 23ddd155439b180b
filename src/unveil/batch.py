"""A batch of examples: what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B examples. A missing pixel, a missing modality and a missing label are the same thing: not observed.

    Arguments:
        x: [B, *shape] float, in the units of the data: 0/1, level numbers, or real values as given.
        index: [B] row numbers in the split (or in the array that was given).
        y: [B] labels, or None.
        observed: [B, *shape] bool mask, True where x is known; None means all of it.
        z: known latents, a tuple of groups, or None.
    """

    x: Tensor
    index: Tensor | None = None
    y: Tensor | None = None
    observed: Tensor | None = None
    z: tuple[Tensor, ...] | None = None

    def __len__(self) -> int:
        return self.x.shape[0]
