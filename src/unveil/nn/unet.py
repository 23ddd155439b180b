"""Networks from a noisy x and its time to an estimate of x, of the noise, or of something between them."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domain import Domain
from .fourier import time_features
from .residual import small

TIMES = 64  # features of a time


class Conditions(nn.Module):
    """What all layers are told: features of the time, and the label where there is one. [N] → [N, E].

    Arguments: num_features E; num_classes C, of labels, with one more row for a label that is not known (C).
    """

    def __init__(self, num_features: int, num_classes: int = 0) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(TIMES, num_features), nn.Linear(num_features, num_features)
        self.label = nn.Embedding(num_classes + 1, num_features) if num_classes else None

    def forward(self, time: Tensor, y: Tensor | None) -> Tensor:
        h = self.first(time_features(time, TIMES))
        if self.label is not None:
            h = h + self.label(y)
        return F.silu(self.second(F.silu(h)))


class ChannelNorm(nn.LayerNorm):
    """Each cell's channels, in images [N, C, H, W] that have channels last in memory: twice as fast as in groups."""

    def forward(self, h: Tensor) -> Tensor:
        return super().forward(h.movedim(1, -1)).movedim(-1, 1)


class ConvBlock(nn.Module):
    """h + conv(silu(u·conv(silu(norm(h))) + v)), u and v from the conditions; the last convolution starts small."""

    def __init__(self, channels: int, conditions: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.told = small(nn.Linear(conditions, 2 * channels), 0.2)
        self.second = small(nn.Conv2d(channels, channels, 3, padding=1), 0.2)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        u, v = self.told(told)[..., None, None].chunk(2, 1)
        return h + self.second(F.silu(torch.addcmul(v, self.first(F.silu(self.norm(h))), 1 + u)))


class Attention(nn.Module):
    """h + what each cell takes from all others, in heads of 32 channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // 32)
        self.norm = ChannelNorm(channels)
        self.asked, self.out = nn.Conv2d(channels, 3 * channels, 1), small(nn.Conv2d(channels, channels, 1), 0.2)

    def forward(self, h: Tensor) -> Tensor:
        asked = self.asked(self.norm(h)).flatten(2)
        q, k, v = asked.unflatten(1, (3, self.heads, -1)).unbind(1)  # [N, heads, E, cells]
        weight = (q.transpose(-1, -2) @ k / math.sqrt(q.shape[-2])).softmax(-1)  # few cells: no need for a fused one
        taken = v @ weight.to(v.dtype).transpose(-1, -2)
        return h + self.out(taken.flatten(1, 2).unflatten(-1, h.shape[-2:]))


class UNet(nn.Module):
    """Images [N, H, W(, C), F] of F features per value, times [N] and labels → [N, H, W(, C)].

    Patches of p×p pixels become channels, so that no layer works at full resolution; the grid is halved until its
    longer side is at most 8, with `depth` blocks at each size on the way down and on the way up, and attention at the
    coarsest.

    References: Ronneberger et al., U-Net (2015); Ho et al., Denoising Diffusion Probabilistic Models (2020), app. B.

    Arguments: shape of x; num_features F; width, channels at the finest grid, twice as many at the others; depth;
    patch p; num_classes C.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        num_features: int,
        *,
        width: int = 64,
        depth: int = 2,
        patch: int = 2,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.patch = Domain("real", shape).image_shape, patch
        height, wide, channels = self.size
        halvings = max(0, math.ceil(math.log2(max(height, wide) / patch / 8)))
        unit = patch * 2**halvings
        self.margin = (-wide % unit, -height % unit)
        counts = [width] + [2 * width] * halvings
        told = 2 * width
        self.conditions = Conditions(told, num_classes)
        self.first = nn.Conv2d(channels * num_features * patch**2, width, 3, padding=1)
        self.down = nn.ModuleList(nn.ModuleList(ConvBlock(c, told) for _ in range(depth)) for c in counts)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(counts))
        self.attention = Attention(counts[-1])
        self.up = nn.ModuleList(nn.ModuleList(ConvBlock(c, told) for _ in range(depth)) for c in reversed(counts))
        pairs = zip(counts[::-1], counts[-2::-1], strict=False)
        self.grow = nn.ModuleList(nn.Conv2d(a, 4 * b, 1) for a, b in pairs)
        self.out = small(nn.Conv2d(width, channels * patch**2, 3, padding=1), 0.1)

    def forward(self, features: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        told = self.conditions(time, y)
        h, skips = self.first(self._cells(features)), []
        for i, blocks in enumerate(self.down):
            h = _through(blocks, h, told)
            if i < len(self.shrink):
                skips.append(h)
                h = self.shrink[i](h)
        h = self.attention(h)
        for i, blocks in enumerate(self.up):
            h = _through(blocks, h, told)
            if i < len(self.grow):
                h = F.pixel_shuffle(self.grow[i](h), 2) + skips[-1 - i]
        x = F.pixel_shuffle(self.out(F.silu(h)), self.patch)[..., : self.size[0], : self.size[1]]
        return x.movedim(1, -1) if features.ndim == 5 else x.squeeze(1)

    def _cells(self, features: Tensor) -> Tensor:
        """[N, H, W(, C), F] → [N, C·F·p², h, w], channels last in memory."""
        x = features.flatten(3).movedim(-1, 1)
        if any(self.margin):
            x = F.pad(x, (0, self.margin[0], 0, self.margin[1]))
        return F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)


def _through(blocks: nn.Module, h: Tensor, told: Tensor) -> Tensor:
    for block in blocks:  # type: ignore[attr-defined]
        h = block(h, told)
    return h


class LinearBlock(nn.Module):
    """h + W₂ silu(u·W₁ silu(h) + v), u and v from the conditions; W₂ starts small."""

    def __init__(self, width: int, conditions: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), small(nn.Linear(width, width), 0.2)
        self.told = small(nn.Linear(conditions, 2 * width), 0.2)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        u, v = self.told(told).chunk(2, -1)
        return h + self.second(F.silu(torch.addcmul(v, self.first(F.silu(h)), 1 + u)))


class DenoisingMLP(nn.Module):
    """x [N, *shape, F] of any shape as a vector, times [N] and labels → [N, *shape].

    Arguments: shape of x; num_features F; width, units; depth, residual blocks; num_classes C.
    """

    def __init__(
        self, shape: tuple[int, ...], num_features: int, *, width: int = 256, depth: int = 3, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.shape, values = shape, math.prod(shape)
        self.conditions = Conditions(width, num_classes)
        self.first = nn.Linear(values * num_features, width)
        self.blocks = nn.ModuleList(LinearBlock(width, width) for _ in range(depth))
        self.out = small(nn.Linear(width, values), 0.1)

    def forward(self, features: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        told = self.conditions(time, y)
        h = _through(self.blocks, self.first(features.flatten(1)), told)
        return self.out(F.silu(h)).unflatten(-1, self.shape)
