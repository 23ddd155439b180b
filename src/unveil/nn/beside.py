"""A linear decoder, and a linear path beside any other."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ..registry import register
from .residual import small


@register("decoder", "linear")
class LinearDecoder(nn.Module):
    """z [..., S] → W z, the likelihood's features, whose bias it holds itself: factor analysis for any kind of x.

    References: Bartholomew, Knott & Moustaki, Latent Variable Models and Factor Analysis (2011), ch. 7, for mixed x.
    """

    def __init__(self, num_latents: int, shape: tuple[int, ...], params_per_dim: int) -> None:
        super().__init__()
        self.linear = small(nn.Linear(num_latents, params_per_dim * math.prod(shape), bias=False), 0.3)

    def forward(self, z: Tensor) -> Tensor:
        h: Tensor = self.linear(z)
        return h


@register("decoder", "linear_beside")
class DecoderBeside(nn.Module):
    """z [..., S] → what another decoder gives, with a linear map of z added to the first D of its P·D numbers."""

    def __init__(self, decoder: nn.Module, num_latents: int, shape: tuple[int, ...], params_per_dim: int) -> None:
        super().__init__()
        self.decoder, self.rest = decoder, (params_per_dim - 1) * math.prod(shape)
        self.linear = small(nn.Linear(num_latents, math.prod(shape), bias=False), 0.3)

    def quieten(self, factor: Tensor) -> None:
        self.decoder.quieten(factor)  # type: ignore[operator]

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z) + nn.functional.pad(self.linear(z), (0, self.rest))
