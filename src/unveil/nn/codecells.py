"""Networks from x to a vector per code and back: on a grid of codes for images, in no order for vectors."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .mlp import MLPDecoder, MLPEncoder
from .patch import PixelGrid
from .residual import convolutions, small


def code_sizes(shape: tuple[int, ...], most: int) -> list[tuple[int, int]]:
    """Sizes of the grids from cells of pixels to codes: halved (rounding up) until no more than `most` are left."""
    sizes = [PixelGrid(shape).cells]
    while math.prod(sizes[-1]) > most:
        h, w = sizes[-1]
        sizes.append((-(-h // 2), -(-w // 2)))
    return sizes


class GridEncoder(nn.Module):
    """Images [B, H, W(, C)] → [B, n, D]: cells of pixels, and from size to size `depth` residual blocks."""

    def __init__(self, shape: tuple[int, ...], sizes: list[tuple[int, int]], dim: int, *, width: int, depth: int):
        super().__init__()
        self.grid = PixelGrid(shape)
        layers: list[nn.Module] = [nn.Conv2d(self.grid.channels * self.grid.patch**2, width, 1)]
        for i in range(len(sizes)):
            if i:
                layers.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
            layers += convolutions(width, depth)
        self.layers = nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(width, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(1) if x.ndim == 3 else x.movedim(-1, 1)  # [B, C, H, W]
        h = self.layers(self.grid.split(x).contiguous(memory_format=torch.channels_last))
        return h.flatten(2).transpose(1, 2)


class GridDecoder(nn.Module):
    """Vectors [..., n, D] → features [..., P·H·W·C], the encoder's mirror."""

    def __init__(
        self,
        shape: tuple[int, ...],
        sizes: list[tuple[int, int]],
        dim: int,
        params_per_dim: int,
        *,
        width: int,
        depth: int,
    ) -> None:
        super().__init__()
        self.grid, self.sizes, self.params_per_dim = PixelGrid(shape), sizes[::-1], params_per_dim
        self.first = nn.Conv2d(dim, width, 1)
        self.stages = nn.ModuleList(convolutions(width, depth) for _ in sizes)
        self.ups = nn.ModuleList(nn.Conv2d(width, 4 * width, 1) for _ in sizes[1:])
        outputs = params_per_dim * self.grid.channels * self.grid.patch**2
        self.out = small(nn.Conv2d(width, outputs, 1, bias=False), 0.1)  # near the mean, the likelihood's offset

    def forward(self, vectors: Tensor) -> Tensor:
        lead = vectors.shape[:-2]
        h = vectors.flatten(0, -3).transpose(1, 2).unflatten(-1, self.sizes[0])
        h = self.stages[0](self.first(h.contiguous(memory_format=torch.channels_last)))
        for up, stage, (rows, columns) in zip(self.ups, self.stages[1:], self.sizes[1:], strict=True):
            h = stage(F.pixel_shuffle(up(F.silu(h)), 2)[..., :rows, :columns])
        h = self.grid.join(self.out(F.silu(h))).unflatten(1, (self.params_per_dim, self.grid.channels))
        return h.movedim(2, -1).reshape(*lead, -1)  # [..., P, H, W, C]


class VectorEncoder(nn.Module):
    """Vectors [B, N] → [B, n, D], by residual layers."""

    def __init__(self, shape: tuple[int, ...], num_codes: int, dim: int, *, width: int, depth: int) -> None:
        super().__init__()
        self.layers = MLPEncoder(shape, width=width, depth=depth)
        self.out, self.num_codes = nn.Linear(self.layers.num_features, num_codes * dim), num_codes

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layers(x)).unflatten(-1, (self.num_codes, -1))


class VectorDecoder(nn.Module):
    """Vectors [..., n, D] → features [..., P·N]."""

    def __init__(
        self, shape: tuple[int, ...], num_codes: int, dim: int, params_per_dim: int, *, width: int, depth: int
    ) -> None:
        super().__init__()
        self.layers = MLPDecoder(num_codes * dim, shape, params_per_dim, width=width, depth=depth)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layers(vectors.flatten(-2))
