"""Distributions over the levels 0 … n − 1."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn import functional as F

from .event import Shape


class Levels(Distribution):
    """A categorical distribution over the levels 0 … n−1, with the mean and spread of the level number.

    Arguments: logits [..., n].
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor) -> None:
        self.log_p = logits.log_softmax(-1)  # exact where all logits are far from 0, too
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def _levels(self) -> Tensor:
        return torch.arange(self.log_p.shape[-1], device=self.log_p.device, dtype=self.log_p.dtype)

    @property
    def mean(self) -> Tensor:
        return self.log_p.exp() @ self._levels

    @property
    def variance(self) -> Tensor:
        return self.log_p.exp() @ self._levels**2 - self.mean**2

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return (
            torch.distributions.Categorical(logits=self.log_p, validate_args=False)
            .sample(sample_shape)
            .to(self.log_p.dtype)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        level = value.long().unsqueeze(-1)
        shape = torch.broadcast_shapes(level.shape[:-1], self.log_p.shape[:-1])
        log_p = self.log_p.expand(*shape, self.log_p.shape[-1])
        return log_p.gather(-1, level.expand(*shape, 1)).squeeze(-1)


class DiscretizedLogistic(Distribution):
    """A logistic density integrated over unit bins: P(x = i) = σ((i + ½ − μ)/s) − σ((i − ½ − μ)/s).

    The first and the last bin take the tails, so the n probabilities sum to one.

    References: Salimans et al., PixelCNN++ (2017), eq. 2; Kingma et al., IAF (2016), appendix.

    Arguments: loc μ and log_scale log s, in level units [...]; num_levels n.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, loc: Tensor, log_scale: Tensor, num_levels: int) -> None:
        self.loc, self.log_scale = torch.broadcast_tensors(loc, log_scale)
        self.num_levels = num_levels
        super().__init__(self.loc.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        inverse = torch.exp(-self.log_scale)
        upper, lower = (value - self.loc + 0.5) * inverse, (value - self.loc - 0.5) * inverse
        # log(σ(u) − σ(l)) = log σ(u) + log σ(−l) + log(1 − e^{l−u}); exact far into both tails
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-inverse))
        log_p = torch.where(value <= 0, F.logsigmoid(upper), inside)
        log_p = torch.where(value >= self.num_levels - 1, F.logsigmoid(-lower), log_p)
        return log_p

    @property
    def mean(self) -> Tensor:
        # E[x] = Σ_{i ≥ 1} P(x ≥ i) = Σ_{i=1}^{n−1} σ((μ − i + ½)/s)
        inverse, total = torch.exp(-self.log_scale), torch.zeros_like(self.loc)
        for level in range(1, self.num_levels):
            total = total + torch.sigmoid((self.loc - level + 0.5) * inverse)
        return total

    @property
    def variance(self) -> Tensor:
        # E[x²] = Σ_{i ≥ 1} (2i − 1) P(x ≥ i)
        inverse, total = torch.exp(-self.log_scale), torch.zeros_like(self.loc)
        for level in range(1, self.num_levels):
            total = total + (2 * level - 1) * torch.sigmoid((self.loc - level + 0.5) * inverse)
        return total - self.mean**2

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(sample_shape)
            u = torch.rand(shape, device=self.loc.device, dtype=self.loc.dtype).clamp(1e-7, 1 - 1e-7)
            x = self.loc + self.log_scale.exp() * (u.log() - torch.log1p(-u))
            return x.round().clamp(0, self.num_levels - 1)
