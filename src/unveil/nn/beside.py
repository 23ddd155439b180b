"""A linear path beside any network: features of x hold x itself, and what is decoded has a linear map of z in it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..registry import register
from .residual import small


@register("encoder", "linear_beside")
class EncoderBeside(nn.Module):
    """x [B, *shape] → (features of another encoder, x flattened), [B, F + D].

    Arguments: encoder, the other one; shape, of what it sees.
    """

    def __init__(self, encoder: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder, self.linear_features = encoder, math.prod(shape)
        self.num_features = int(encoder.num_features) + self.linear_features  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.encoder(x), x.flatten(1)], -1)


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
