"""Absolute error as a likelihood."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions import Laplace as TorchLaplace

from ..domain import Domain
from ..registry import register
from .base import PACE
from .real import Standardised


@register("likelihood", "laplace")
class Laplace(Standardised):
    """p(x_d|h) = Laplace(x_d; m_d + a_d h_d, a_d b_d): absolute error is a likelihood only together with its b.

    −log p = Σ_d log 2b_d + |x_d − x̂_d|/b_d at a = 1; x̂ is a median, so one far value moves it little. b_d is learned.

    Arguments:
        floor: the smallest b, relative to the spread a of the data.
    """

    def __init__(self, domain: Domain, *, floor: float = 1e-3) -> None:
        super().__init__(domain, 1, floor)
        self.log_b = nn.Parameter(torch.zeros(domain.shape))  # over PACE

    def each(self, *params: Tensor) -> Distribution:
        b = self.scale * (self.floor + (PACE * self.log_b).exp())
        return TorchLaplace(self.centre + self.scale * params[0], b, validate_args=False)
