"""q(z|x) of x of several modalities, any of which may be missing."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from ..errors import RequestError
from ..nn.linear_posterior import bounded
from ..registry import register
from .base import PosteriorHead


@register("posterior", "product_of_experts")
class ProductOfExperts(PosteriorHead):
    """q(z|x) ∝ N(z; μ₀, diag σ₀²) Π_m N(z; μ_m, diag σ_m²) over the modalities m that are observed.

    Its precision is 1/σ₀² + Σ_m 1/σ_m², and its mean Σ μ/σ² over that: who says nothing leaves z to the others. What
    stands for the prior, μ₀ = 0 and σ₀ = 1 at the start, is learned: a prior that is learned need not be N(0, I), and
    no q(z|x) is wider than σ₀. Where p(x_m|z) is linear and Gaussian and p(z) = N(0, I), it is p(z|x) for every set of
    modalities.

    The features are those of each modality, one after the other: μ_m [D], log σ_m [D] before it is bounded to ±8, and
    1 or 0, whether it is observed.

    References: Hinton, Training Products of Experts (2002); Wu & Goodman, Multimodal Generative Models for Scalable
    Weakly-Supervised Learning (2018), eq. 3.
    """

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__(num_features, num_latents)
        if num_features % (2 * num_latents + 1):
            raise RequestError(
                f"posterior=product_of_experts came with {num_features} features; it takes 2·{num_latents} + 1 "
                "numbers of each modality, and goes with --model joint."
            )
        self.centre = nn.Parameter(torch.zeros(num_latents))
        self.log_spread = nn.Parameter(torch.zeros(num_latents))

    def forward(self, features: Tensor) -> Distribution:
        D = self.num_latents
        mean, log_scale, there = features.unflatten(-1, (-1, 2 * D + 1)).split([D, D, 1], -1)  # [..., M, D]
        precision = (there > 0) * torch.exp(-2 * bounded(log_scale))
        alone = torch.exp(-2 * bounded(self.log_spread))
        total = alone + precision.sum(-2)
        centre = (alone * self.centre + (precision * mean).sum(-2)) / total
        return Independent(Normal(centre, total.rsqrt(), validate_args=False), 1, validate_args=False)
