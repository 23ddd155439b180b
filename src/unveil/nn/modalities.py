"""Networks of several modalities: one of its own for each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..domain import Domain
from ..registry import register
from .residual import small, unbiased

VAGUE = 2.0  # log σ that an expert starts with: it says hardly anything yet, and q is near the prior


@register("encoder", "joint")
class JointEncoder(nn.Module):
    """Joint x and its mask [B, 2D] → the features of each modality's expert, [B, M·(2·latents + 1) + C].

    Arguments:
        domain: of x.
        num_latents: of z.
        networks: the encoder of each modality, with its number of features in `num_features`.
        num_told: C, features of the text by itself, after those of the experts; 0 without.
        dropout: share of what is read of a text that is dropped while training.
    """

    def __init__(
        self,
        domain: Domain,
        num_latents: int,
        networks: tuple[nn.Module, ...],
        *,
        num_told: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.domain, self.dropout = domain, dropout
        self.of = nn.ModuleList(networks)
        self.heads = nn.ModuleList(_head(own, num_latents) for own in networks)
        self.num_features = len(networks) * (2 * num_latents + 1) + num_told
        parts = zip(networks, domain.parts or (), strict=True)
        reader = next((own for own, (_, part) in parts if part.alphabet is not None), None)
        self.told = nn.Linear(reader.num_features, num_told) if reader is not None and num_told else None  # type: ignore[arg-type]

    def forward(self, seen: Tensor) -> Tensor:
        x, mask = seen.chunk(2, -1)
        split, known = self.domain.split(x), self.domain.split(mask)
        found, told = [], []
        for name, network, head in zip(split, self.of, self.heads, strict=True):
            seen_of = known[name].flatten(1) > 0
            is_text = self.domain.part(name).alphabet is not None
            there = seen_of.all(-1, keepdim=True) if is_text else seen_of.any(-1, keepdim=True)
            features = network(split[name])
            if is_text and self.dropout:
                features = nn.functional.dropout(features, self.dropout, self.training)
            found += [head(features), there.to(x.dtype)]
            told += [self.told(features)] if is_text and self.told is not None else []
        return torch.cat(found + told, -1)


@register("decoder", "joint")
class JointDecoder(nn.Module):
    """z [..., S] → the features of each modality's likelihood, one after the other.

    Arguments: networks, the decoder of each modality.
    """

    def __init__(self, networks: tuple[nn.Module, ...]) -> None:
        super().__init__()
        self.of = nn.ModuleList(networks)

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([network(z) for network in self.of], -1)


@torch.no_grad()
def _head(network: Any, num_latents: int) -> nn.Linear:
    """What makes an expert of the features of a network: vague at its start."""
    head = unbiased(small(nn.Linear(network.num_features, 2 * num_latents), 0.5))
    head.bias[num_latents:] = VAGUE
    return head
