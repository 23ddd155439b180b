"""What is not observed: how a mask enters an encoder, and moments over what is there."""

from __future__ import annotations

import torch
from torch import Tensor


def shape_with_mask(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of x and its mask, joined: (2D,), (H, W, 2) or (H, W, 2C)."""
    return (*shape, 2) if len(shape) == 2 else (*shape[:-1], 2 * shape[-1])


def join_mask(x: Tensor, observed: Tensor) -> Tensor:
    """x [B, *shape] and the mask of what is observed, as more columns or more channels."""
    return torch.stack([x, observed], -1) if x.ndim == 3 else torch.cat([x, observed], -1)


def moments(x: Tensor, observed: Tensor | None, pooled: bool) -> tuple[Tensor, Tensor]:
    """Mean [*shape] and standard deviation, [*shape] or of all values pooled (), over what is observed."""
    if observed is None:
        return x.mean(0), x.std() if pooled else x.std(0)
    mean = _mean(x, observed, 0)
    if pooled:
        return mean, _spread(x, observed, _mean(x, observed, None), None)
    return mean, _spread(x, observed, mean, 0)


def _mean(x: Tensor, observed: Tensor, dim: int | None) -> Tensor:
    return torch.where(observed, x, 0.0).sum(dim) / observed.sum(dim).clamp(min=1)


def _spread(x: Tensor, observed: Tensor, mean: Tensor, dim: int | None) -> Tensor:
    square = torch.where(observed, (x - mean) ** 2, 0.0).sum(dim)
    return (square / (observed.sum(dim) - 1).clamp(min=1)).sqrt()
