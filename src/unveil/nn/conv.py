"""Residual convolutional networks that choose their depth from the size of the image."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domain import Domain
from ..registry import register
from .residual import convolutions, small


def resolutions(height: int, width: int) -> list[tuple[int, int]]:
    """Image sizes from full to coarsest: halved (rounding up) until the longer side is at most 8."""
    sizes = [(height, width)]
    while max(sizes[-1]) > 8:
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes


def channel_counts(num_sizes: int, width: int) -> list[int]:
    """Channels per resolution below the full one: width, 2·width, then constant."""
    return [width * min(2**i, 2) for i in range(max(num_sizes - 1, 1))]


@register("encoder", "conv")
class ConvEncoder(nn.Module):
    """Images [B, H, W(, C)] → features [B, 256]; each halving is followed by `depth` residual blocks."""

    def __init__(self, shape: tuple[int, ...], *, width: int = 32, depth: int = 1) -> None:
        super().__init__()
        height, w, channels = Domain("real", tuple(shape)).image_shape
        sizes = resolutions(height, w)
        counts = channel_counts(len(sizes), width)
        stride = 2 if len(sizes) > 1 else 1
        layers: list[nn.Module] = []
        for before, after in zip([channels, *counts[:-1]], counts, strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), *convolutions(after, depth)]
        self.channels, self.num_features = channels, 256
        self.layers = nn.Sequential(*layers, nn.SiLU(), nn.Flatten())
        last = sizes[-1]
        self.out = nn.Sequential(nn.Linear(counts[-1] * last[0] * last[1], 256), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(1) if x.ndim == 3 else x.movedim(-1, 1)  # [B, C, H, W]
        return self.out(self.layers(x.contiguous(memory_format=torch.channels_last)))


@register("decoder", "conv")
class ConvDecoder(nn.Module):
    """z [..., D] → features [..., P·H·W·C], the encoder's mirror with pixel-shuffle."""

    def __init__(
        self, num_latents: int, shape: tuple[int, ...], params_per_dim: int, *, width: int = 32, depth: int = 1
    ) -> None:
        super().__init__()
        height, w, channels = Domain("real", tuple(shape)).image_shape
        self.sizes = resolutions(height, w)[::-1]
        counts = channel_counts(len(self.sizes), width)[::-1]
        self.params_per_dim, self.channels, self.first = params_per_dim, channels, counts[0]
        low = self.sizes[0]
        self.inner = nn.Sequential(nn.Linear(num_latents, 256), nn.SiLU(), nn.Linear(256, counts[0] * low[0] * low[1]))
        self.stages = nn.ModuleList(convolutions(c, depth) for c in counts)
        outputs = [*counts[1:], params_per_dim * channels]
        factor = 4 if len(self.sizes) > 1 else 1
        self.ups = nn.ModuleList(
            nn.Conv2d(c, factor * o, 3, padding=1, bias=i < len(counts) - 1)
            for i, (c, o) in enumerate(zip(counts, outputs, strict=True))
        )
        small(self.ups[-1], 0.1)  # type: ignore[type-var]  # near the data mean, which the likelihood's offset holds

    @torch.no_grad()
    def quieten(self, factor: Tensor) -> None:
        """Scale the initial output by the mean of factor [D]."""
        small(self.ups[-1], float(factor.mean()))  # type: ignore[type-var]

    def forward(self, z: Tensor) -> Tensor:
        lead = z.shape[:-1]
        h = self.inner(z.reshape(-1, z.shape[-1])).reshape(-1, self.first, *self.sizes[0])
        h = h.contiguous(memory_format=torch.channels_last)
        for stage, up, size in zip(self.stages, self.ups, [*self.sizes[1:], self.sizes[-1]], strict=False):
            h = up(F.silu(stage(h)))
            if len(self.sizes) > 1:
                h = F.pixel_shuffle(h, 2)[..., : size[0], : size[1]]
        h = h.reshape(h.shape[0], self.params_per_dim, self.channels, *self.sizes[-1])
        return h.movedim(2, -1).reshape(*lead, -1)  # [..., P, H, W, C]
