"""p(z): modules whose forward returns a distribution with batch shape [] and event shape [D]."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from .registry import register


class Prior(nn.Module, ABC):
    """p(z) or p(z|y) over D latents. Context: num_latents. Keyword-only arguments of a subclass are its config keys."""

    def __init__(self, num_latents: int) -> None:
        super().__init__()
        self.num_latents = num_latents

    @abstractmethod
    def forward(self, y: Tensor | None = None) -> Distribution: ...


@register("prior", "standard_normal")
class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    zero: Tensor

    def __init__(self, num_latents: int) -> None:
        super().__init__(num_latents)
        self.register_buffer("zero", torch.zeros(num_latents), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        return Independent(Normal(self.zero, torch.ones_like(self.zero), validate_args=False), 1, validate_args=False)


@register("prior", "gaussian")
class LearnedGaussian(Prior):
    """p(z) = N(μ, diag σ²) with learned μ and σ."""

    def __init__(self, num_latents: int) -> None:
        super().__init__(num_latents)
        self.loc = nn.Parameter(torch.zeros(num_latents))
        self.log_scale = nn.Parameter(torch.zeros(num_latents))

    def forward(self, y: Tensor | None = None) -> Distribution:
        return Independent(Normal(self.loc, self.log_scale.exp(), validate_args=False), 1, validate_args=False)
