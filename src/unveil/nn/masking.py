"""How a label, and the mask of what is observed, enter a network."""

import torch
from torch import Tensor


def shape_with_mask(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of x and its mask, joined: (2D,), (H, W, 2) or (H, W, 2C)."""
    return (*shape, 2) if len(shape) == 2 else (*shape[:-1], 2 * shape[-1])


def join_label(h: Tensor, label: Tensor | None) -> Tensor:
    """h [..., F] and after it a label as C numbers, [B, C] or one for all."""
    return h if label is None else torch.cat([h, label.to(h.dtype).expand(*h.shape[:-1], label.shape[-1])], -1)


def join_mask(x: Tensor, observed: Tensor) -> Tensor:
    """x [B, *shape] and the mask of what is observed, as more columns or more channels."""
    return torch.stack([x, observed], -1) if x.ndim == 3 else torch.cat([x, observed], -1)
