"""q(z|x): heads that turn encoder features into a distribution with batch shape [B]."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from ..nn.linear_posterior import bounded
from ..nn.residual import small, unbiased
from ..registry import register

Support = Literal["real", "binary", "one_hot"]


class PosteriorHead(nn.Module, ABC):
    """q(z|h) from features h [B, F]. Context: num_features, num_latents; keyword-only arguments are config keys.

    What is shown and stored of q(z|x) are the mean and standard deviation of its distribution; of one that has none in
    closed form (a flow), a caller shows draws.

    Attributes:
        support: where z lives, which has to be the prior's: "real", "binary" {0, 1} or "one_hot".
        starts_at_last: whether it can start at a normal that its last features give.
    """

    support: ClassVar[Support] = "real"
    starts_at_last: ClassVar[bool] = False
    registered: ClassVar[tuple[str, str]]

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__()
        self.num_features, self.num_latents = num_features, num_latents

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution: ...

    def start_at_last(self, stddev: Tensor) -> None:
        """Start at q = N(m, s²) of the last 2·D features, m and `unbounded(log s)`, where `starts_at_last`.

        Arguments: stddev [D], the usual s, against which what else is said of the mean is small.
        """
        raise NotImplementedError(f"{type(self).__name__} does not start at a given normal")


@torch.no_grad()
def start_at_last(linear: nn.Linear, stddev: Tensor) -> None:
    """Make the first 2·D outputs the last 2·D features, all else small, but not 0: it has gradients to pass.

    What else is added to a mean is small against its stddev [D], which may be a thousandth.
    """
    D = len(stddev)
    linear.weight.mul_(0.01)[:D] *= stddev.unsqueeze(-1)
    linear.weight[: 2 * D, -2 * D :] = torch.eye(2 * D)
    linear.bias.zero_()


@register("posterior", "diagonal_gaussian")
class DiagonalGaussian(PosteriorHead):
    """q(z|x) = N(μ(x), diag σ(x)²), log σ kept within ±8 of the prior's scale.

    References: Kingma & Welling, Auto-Encoding Variational Bayes (2014), eq. 9.
    """

    starts_at_last = True

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__(num_features, num_latents)
        self.linear = unbiased(small(nn.Linear(num_features, 2 * num_latents), 0.5))  # near the prior

    def start_at_last(self, stddev: Tensor) -> None:
        start_at_last(self.linear, stddev)

    def forward(self, features: Tensor) -> Distribution:
        mean, log_scale = self.linear(features).chunk(2, -1)
        scale = bounded(log_scale).exp()
        return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)
