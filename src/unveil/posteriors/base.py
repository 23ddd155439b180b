"""q(z|x): heads that turn encoder features into a distribution with batch shape [B]."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from ..nn.residual import small, unbiased
from ..registry import register

Support = Literal["real", "binary", "one_hot"]


class PosteriorHead(nn.Module, ABC):
    """q(z|h) from features h [B, F]. Context: num_features, num_latents; keyword-only arguments are config keys.

    What is shown and stored of q(z|x) are the mean and standard deviation of its distribution; of one that has none in
    closed form (a flow), a caller shows draws.

    Attributes:
        support: where z lives, which has to be the prior's: "real", "binary" {0, 1} or "one_hot".
    """

    support: ClassVar[Support] = "real"
    registered: ClassVar[tuple[str, str]]

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__()
        self.num_features, self.num_latents = num_features, num_latents

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution: ...

    def start_linear(self, gain: Tensor, offset: Tensor, std: Tensor) -> bool:
        """Start the first q latents at N(gain·h + offset, std²), the others near N(0, I); False where it cannot.

        Arguments: gain [q, F] of features h, offset and std [q].
        """
        return False


@register("posterior", "diagonal_gaussian")
class DiagonalGaussian(PosteriorHead):
    """q(z|x) = N(μ(x), diag σ(x)²), log σ kept within ±8 of the prior's scale.

    References: Kingma & Welling, Auto-Encoding Variational Bayes (2014), eq. 9.
    """

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__(num_features, num_latents)
        self.linear = unbiased(small(nn.Linear(num_features, 2 * num_latents), 0.5))  # near the prior

    @torch.no_grad()
    def start_linear(self, gain: Tensor, offset: Tensor, std: Tensor) -> bool:
        q, D = len(gain), self.num_latents
        self.linear.weight *= 0.1  # the others near the prior
        self.linear.weight[:q], self.linear.bias[:q] = gain, offset
        self.linear.weight[D : D + q] = 0
        self.linear.bias[D : D + q] = 8 * torch.atanh((std.log() / 8).clamp(-0.99, 0.99))
        return True

    def forward(self, features: Tensor) -> Distribution:
        mean, log_scale = self.linear(features).chunk(2, -1)
        scale = (8 * torch.tanh(log_scale / 8)).exp()
        return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)
