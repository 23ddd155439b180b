"""Levels 0 … n − 1 as the bins of a smooth density."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..distributions import DiscretizedLogistic
from ..domain import Domain
from ..registry import register
from .base import Likelihood, moments


@register("likelihood", "discretized_logistic")
class Logistic(Likelihood):
    """P(x_d = i|h) = σ((i + ½ − μ_d)/s_d) − σ((i − ½ − μ_d)/s_d), tails in the end bins; for levels(n).

    References: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016).
    """

    domains = ("levels",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 2)
        self.unit = domain.levels / 4

    def each(self, *params: Tensor) -> Distribution:
        loc, log_scale = params
        log_scale = math.log(self.unit / 4) + 5 * torch.tanh(log_scale / 5)  # within e^±5 of n/16 levels
        return DiscretizedLogistic(self.unit * loc, log_scale, self.domain.levels)

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        seen = moments(x, observed)
        scale = seen.std.clamp(min=0.5) * math.sqrt(3) / math.pi
        log_scale = (scale.log() - math.log(self.unit / 4)).clamp(-4.5, 4.5)
        self._set_offset(seen.mean / self.unit, 5 * torch.atanh(log_scale / 5))
