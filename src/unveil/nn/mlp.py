"""Residual multi-layer perceptrons for vectors, and for small images seen as vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import register


class ResidualLayers(nn.Module):
    """h + W₂ silu(W₁ silu(h)), the last matrix starting small: depth that does not hide z from the output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        with torch.no_grad():
            self.second.weight.mul_(0.2)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.silu(self.first(F.silu(h))))


def perceptron(in_features: int, width: int, depth: int) -> nn.Sequential:
    """A linear map to `width`, `depth` residual blocks, SiLU."""
    blocks = (ResidualLayers(width) for _ in range(depth))
    return nn.Sequential(nn.Linear(in_features, width), *blocks, nn.SiLU())


@register("encoder", "mlp")
class MLPEncoder(nn.Module):
    """x [B, *shape] → features [B, width]."""

    def __init__(self, shape: tuple[int, ...], *, width: int = 512, depth: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_features = width
        self.dropout = nn.Dropout(dropout)
        self.layers = perceptron(math.prod(shape), width, depth)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.dropout(x.flatten(1)))


@register("decoder", "mlp")
class MLPDecoder(nn.Module):
    """z [..., D] → features [..., num_outputs] for the likelihood."""

    def __init__(
        self, num_latents: int, shape: tuple[int, ...], params_per_dim: int, *, width: int = 512, depth: int = 2
    ) -> None:
        super().__init__()
        self.layers = perceptron(num_latents, width, depth)
        self.out = nn.Linear(width, params_per_dim * math.prod(shape), bias=False)
        with torch.no_grad():  # begin near the data mean, which the likelihood's offset holds
            self.out.weight.mul_(0.1)

    def forward(self, z: Tensor) -> Tensor:
        return self.out(self.layers(z))
