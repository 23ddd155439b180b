"""The residual block, and layers that start small: a network begins near what is added up without it."""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv2d)


def small(layer: Layer, factor: float) -> Layer:
    """The layer, its initial weights scaled by `factor`."""
    with torch.no_grad():
        layer.weight.mul_(factor)
    return layer


def unbiased(layer: Layer) -> Layer:
    """The layer, its initial bias set to 0."""
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


class Residual(nn.Module):
    """h + W₂ silu(W₁ silu(h)), W₂ starting small: depth that does not hide what comes in from what goes out.

    Arguments: first W₁ and second W₂, linear maps; share, the factor that W₂ starts with.
    """

    def __init__(self, first: nn.Module, second: nn.Linear | nn.Conv2d, share: float = 0.2) -> None:
        super().__init__()
        self.first, self.second = first, small(second, share)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.silu(self.first(F.silu(h))))


def convolutions(channels: int, depth: int) -> nn.Sequential:
    """`depth` residual blocks of 3×3 convolutions."""

    def conv() -> nn.Conv2d:
        return nn.Conv2d(channels, channels, 3, padding=1)

    return nn.Sequential(*(Residual(conv(), conv()) for _ in range(depth)))
