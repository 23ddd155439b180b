"""Blocks, changes of resolution and ends for features on a grid of cells [N, P, C]; a vector is a grid of one cell."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .patch import PixelGrid
from .residual import Residual, small, unbiased


class Level(NamedTuple):
    """The size of a latent group: its cells, and the features and latents of each.

    Arguments: cells, h×w of them; width, features of a cell; latents of a cell.
    """

    cells: tuple[int, int]
    width: int
    latents: int

    @property
    def num_cells(self) -> int:
        return self.cells[0] * self.cells[1]

    @property
    def inner(self) -> int:
        """The number of features where cells are mixed; it is smaller, since mixing costs most."""
        return self.width if self.num_cells == 1 else max(4, self.width // 2)

    @property
    def size(self) -> int:
        """The number of latents in the group."""
        return self.num_cells * self.latents


class GridBlock(nn.Module):
    """h + W₂ silu(conv(silu(W₁ silu(h)))), a convolution between narrower matrices, W₂ starting small.

    A full convolution of the same width takes three times as long.
    """

    def __init__(self, level: Level, share: float) -> None:
        super().__init__()
        self.narrow = nn.Linear(level.width, level.inner)
        self.widen = unbiased(small(nn.Linear(level.inner, level.width), share))
        self.layer = GridLayer(level.cells, level.inner)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.widen(self.layer(self.narrow(F.silu(h))))


def vector_block(level: Level, share: float) -> Residual:
    """A residual block of two matrices."""
    first, second = (nn.Linear(level.width, level.width) for _ in range(2))
    return Residual(first, unbiased(second), share)


def blocks(level: Level, depth: int, share: float) -> nn.Sequential:
    """`depth` residual blocks, whose last matrix starts with a factor of `share`."""
    kind = vector_block if level.num_cells == 1 else GridBlock
    return nn.Sequential(*(kind(level, share) for _ in range(depth)))


class Matrix(nn.Module):
    """W silu(h) of the features of all cells: between a vector and a grid."""

    def __init__(self, source: Level, target: Level) -> None:
        super().__init__()
        self.target = target
        self.matrix = nn.Linear(source.num_cells * source.width, target.num_cells * target.width)

    def forward(self, h: Tensor) -> Tensor:
        return self.matrix(F.silu(h).flatten(1)).unflatten(1, (self.target.num_cells, self.target.width))


def resample(source: Level, target: Level) -> nn.Module:
    """The map from the features of one level to those of the next; the identity where both have one shape."""
    alike = source.cells == target.cells and source.width == target.width
    return nn.Identity() if alike else Matrix(source, target)


class GridLayer(nn.Module):
    """silu(conv(silu(h))) on cells."""

    def __init__(self, cells: tuple[int, int], width: int) -> None:
        super().__init__()
        self.cells, self.conv = cells, nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        h = self.conv(F.silu(h).unflatten(1, self.cells).movedim(-1, 1))  # [N, c, h, w], channels last
        return F.silu(h.movedim(1, -1).flatten(1, 2))


class Both(nn.Module):
    """h → (silu(h), h): what comes after can be linear in what came before."""

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([F.silu(h), h], -1)


class GridStem(nn.Module):
    """Images [B, H, W(, C)] → cells of pixels [B, P, width]."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.grid = PixelGrid(shape)
        self.first = nn.Linear(self.grid.channels * self.grid.patch**2, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(1) if x.ndim == 3 else x.movedim(-1, 1)  # [B, C, H, W]
        return self.first(self.grid.split(x).flatten(2).mT)


class GridHead(nn.Module):
    """Cells [N, P, width] → features of the likelihood [N, M·H·W·C]."""

    def __init__(self, shape: tuple[int, ...], width: int, params_per_dim: int) -> None:
        super().__init__()
        self.grid, self.params_per_dim = PixelGrid(shape), params_per_dim
        outputs = params_per_dim * self.grid.channels * self.grid.patch**2
        self.out = small(nn.Linear(width, outputs, bias=False), 0.1)  # near the mean, the likelihood's offset

    def forward(self, h: Tensor) -> Tensor:
        h = self.grid.join(self.out(F.silu(h)).mT.unflatten(2, self.grid.cells))
        return h.unflatten(1, (self.params_per_dim, self.grid.channels)).movedim(2, -1).flatten(1)


class VectorStem(nn.Module):
    """x [B, *shape] → one cell [B, 1, width]."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.first = nn.Linear(math.prod(shape), width)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x.flatten(1)).unsqueeze(1)


class VectorHead(nn.Module):
    """One cell [N, 1, width] → features of the likelihood [N, M·D]."""

    def __init__(self, shape: tuple[int, ...], width: int, params_per_dim: int) -> None:
        super().__init__()
        last = small(nn.Linear(2 * width, params_per_dim * math.prod(shape), bias=False), 0.1)
        self.out = nn.Sequential(Both(), last)

    def forward(self, h: Tensor) -> Tensor:
        return self.out(h.squeeze(1))
