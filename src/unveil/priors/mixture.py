"""Mixtures of diagonal Gaussians with means of their own."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from ..distributions.real_latents import LatentMixture
from ..errors import at_least
from ..registry import register
from .base import Prior


@register("prior", "mixture")
class GaussianMixture(Prior):
    """p(z) = Σ_c w_c N(z; μ_c, diag σ_c²) with learned w, μ and σ.

    Starts with the variance of N(0, I), half of it between the components; in a model that starts linear, at the
    mixture that the factors of x follow.

    References: Dilokthanakul et al., Deep Unsupervised Clustering with Gaussian Mixture VAEs (2016).

    Arguments:
        num_components: C, the number of components.
    """

    starts_mixed = True

    def __init__(self, num_latents: int, *, num_components: int = 32) -> None:
        super().__init__(num_latents)
        at_least(1, "prior.num_components", num_components)
        self.num_components = num_components
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(math.sqrt(0.5) * torch.randn(num_components, num_latents))
        self.log_scale = nn.Parameter(torch.full((num_components, num_latents), 0.5 * math.log(0.5)))

    @torch.no_grad()
    def start_at(self, log_pi: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits.copy_(log_pi)
        self.loc.copy_(loc)
        self.log_scale.copy_(scale.log())

    def forward(self, y: Tensor | None = None) -> LatentMixture:
        normal = Normal(self.loc, self.log_scale.exp(), validate_args=False)
        return LatentMixture(self.logits, Independent(normal, 1, validate_args=False))

    def draw(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """z [N, D], each t times as far from the mean of its component."""
        return self(y).tempered((num_samples,), temperature)
