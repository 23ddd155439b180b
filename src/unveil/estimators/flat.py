"""The latents of one batch as one vector: groups side by side, in the space in which samplers and grids move."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..model import Coordinates


class Flat:
    """u [K, B, D], the groups of one batch joined.

    Arguments: coordinates; shapes, the event shape of each group.
    """

    def __init__(self, coordinates: Coordinates, shapes: Sequence[torch.Size]) -> None:
        self.coordinates, self.shapes = coordinates, shapes

    def split(self, joined: Tensor) -> tuple[Tensor, ...]:
        """Groups [K, B, …] of [K, B, D]."""
        parts = joined.split([shape.numel() for shape in self.shapes], -1)
        return tuple(part.unflatten(-1, shape) for part, shape in zip(parts, self.shapes, strict=True))

    def to_z(self, u: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """z groups and log|det ∂z/∂u| [K, B]."""
        return self.coordinates.to_z(self.split(u))

    def to_u(self, z: tuple[Tensor, ...]) -> Tensor:
        """u [K, B, D]."""
        return joined(self.coordinates.to_u(z))


def joined(groups: tuple[Tensor, ...]) -> Tensor:
    """Groups [K, B, …] as [K, B, D]."""
    return torch.cat([group.flatten(2) for group in groups], -1)
