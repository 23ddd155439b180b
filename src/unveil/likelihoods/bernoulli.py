"""Binary x."""

import torch
from torch import Tensor
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Distribution

from ..distributions import BinarySum
from ..domain import Domain
from ..registry import register
from .base import Likelihood, moments


@register("likelihood", "bernoulli")
class Bernoulli(Likelihood):
    """p(x_d = 1|h) = σ(h_d), for binary x."""

    domains = ("binary",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)

    def forward(self, h: Tensor, observed: Tensor | None = None) -> BinarySum:
        return BinarySum(h, self.offset, self.domain.shape, observed)

    def each(self, *params: Tensor) -> Distribution:
        return TorchBernoulli(logits=params[0], validate_args=False)

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        seen = moments(x, observed)
        self._set_offset(torch.logit((seen.mean * seen.count + 0.5) / (seen.count + 1)))
