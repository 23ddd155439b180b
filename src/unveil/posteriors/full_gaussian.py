"""Gaussians with a full covariance."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions.real_latents import FullGaussian
from ..nn.linear_posterior import bounded
from ..nn.residual import small, unbiased
from ..registry import register
from .base import PosteriorHead, start_at_last


@register("posterior", "full_gaussian")
class FullGaussianHead(PosteriorHead):
    """q(z|x) = N(μ(x), L(x) L(x)ᵀ), L = diag(σ)(I + N) with N strictly lower triangular and log σ within ±8.

    Starts as a diagonal Gaussian, N = 0. A density costs D² per draw, and the head F·D²/2 weights.

    References: Kingma & Welling, An Introduction to Variational Autoencoders (2019), §2.5.1.
    """

    starts_at_last = True
    rows: Tensor
    columns: Tensor

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__(num_features, num_latents)
        rows, columns = torch.tril_indices(num_latents, num_latents, -1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.linear = unbiased(small(nn.Linear(num_features, 2 * num_latents + len(rows)), 0.5))
        nn.init.zeros_(self.linear.weight[2 * num_latents :])

    def start_at_last(self, stddev: Tensor) -> None:
        start_at_last(self.linear, stddev)

    def forward(self, features: Tensor) -> Distribution:
        D = self.num_latents
        mean, log_scale, below = self.linear(features).split([D, D, len(self.rows)], -1)
        scale = bounded(log_scale).exp()
        lower = torch.diag_embed(torch.ones_like(scale))
        lower[..., self.rows, self.columns] = below  # [B, D, D]
        return FullGaussian(mean, scale.unsqueeze(-1) * lower)
