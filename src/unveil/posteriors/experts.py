"""q(z|x) of x of several modalities, any of which may be missing."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from ..distributions.real_latents import Pushforward
from ..distributions.rows import Rows
from ..errors import RequestError
from ..nn.flows import affine_couplings
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


@register("posterior", "experts_or_flow")
class ExpertsOrFlow(ProductOfExperts):
    """q(z|x) of `ProductOfExperts`, but of a text alone z = T(u; t), u ∼ N(0, I), by affine couplings told the text.

    What a text says of z is little: p(z|t) is about as wide as p(z), and of no simple form. Where p(z) is a flow, a
    product of normals is far from it.

    The features are those of the experts, and then what the flow is told.

    References: Dinh et al., Density estimation using Real NVP (2017), eq. 7–8; Winkler et al., Learning Likelihoods
    with Conditional Normalizing Flows (2019), eq. 2.

    Arguments:
        text: which modality is the text.
        num_told: features that the flow is told.
        num_transforms: couplings, each changing every second latent.
        width: units in the two hidden layers of each.
    """

    def __init__(
        self,
        num_features: int,
        num_latents: int,
        *,
        text: int = 1,
        num_told: int = 64,
        num_transforms: int = 6,
        width: int = 128,
    ) -> None:
        super().__init__(num_features - num_told, num_latents)
        self.num_features, self.text, self.num_told = num_features, text, num_told
        self.to_base = affine_couplings(num_latents, num_told, num_transforms=num_transforms, width=width)

    def forward(self, features: Tensor) -> Distribution:
        experts, there = self.experts_of(features)
        q = super().forward(experts)
        alone = there[..., self.text] & (there.sum(-1) == 1)
        return Rows(alone, self.of_text(features), q) if bool(alone.any()) else q

    def of_text(self, features: Tensor) -> Pushforward:
        """q(z|t) of the text alone, whatever else is there."""
        told = features[..., -self.num_told :]
        zero = told.new_zeros(*told.shape[:-1], self.num_latents)
        noise = Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)
        return Pushforward(noise, self.to_base(told).inv)

    def experts_of(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(the features of the experts alone, which of them are there [..., M])."""
        experts = features[..., : -self.num_told]
        return experts, experts.unflatten(-1, (-1, 2 * self.num_latents + 1))[..., -1] > 0

    def only(self, features: Tensor, kept: Tensor) -> Tensor:
        """The features with those experts alone that are kept [..., M] and there."""
        each = features[..., : -self.num_told].unflatten(-1, (-1, 2 * self.num_latents + 1))
        there = (each[..., -1:] > 0) & kept.unsqueeze(-1)
        experts = torch.cat([each[..., :-1], there.to(features.dtype)], -1).flatten(-2)
        return torch.cat([experts, features[..., -self.num_told :]], -1)
