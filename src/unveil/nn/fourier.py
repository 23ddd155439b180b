"""Sines and cosines: of values, so that a network sees fine steps in them, and of a time."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def waves(u: Tensor, periods: Sequence[float]) -> Tensor:
    """u and sin, cos of 2πu/period for each period, [..., 1 + 2P]: where u lies between neighbouring levels.

    References: Kingma et al., Variational Diffusion Models (2021), appendix C.
    """
    found = [torch.stack([u], -1)]
    if periods:
        phase = u.unsqueeze(-1) * torch.tensor([2 * math.pi / p for p in periods], device=u.device, dtype=u.dtype)
        found += [phase.sin(), phase.cos()]
    return torch.cat(found, -1)


def time_features(time: Tensor, size: int) -> Tensor:
    """sin, cos of πf·time with f from 1 to 64 in equal ratios, of times in [0, 1]: [N] → [N, size]."""
    frequency = math.pi * 64 ** torch.linspace(0, 1, size // 2, device=time.device, dtype=time.dtype)
    phase = time.unsqueeze(-1) * frequency
    return torch.cat([phase.sin(), phase.cos()], -1)
