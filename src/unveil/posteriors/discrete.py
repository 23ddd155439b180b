"""Posteriors over discrete latents, which are float tensors: bits, or one-hot blocks."""

from typing import Literal

from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions.discrete_latents import Bits, OneHots
from ..errors import RequestError, at_least
from ..nn.residual import small, unbiased
from ..registry import register
from .base import PosteriorHead

Relaxation = Literal["none", "gumbel"]


def _checked(temperature: float, relaxation: Relaxation) -> float | None:
    """The temperature of relaxed draws, or None where there are none."""
    if not temperature > 0:
        raise RequestError(f"posterior.temperature is {temperature}; it takes a positive number.")
    return temperature if relaxation == "gumbel" else None


@register("posterior", "bernoulli")
class BernoulliHead(PosteriorHead):
    """q(z|x) = Π_d p_d(x)^{z_d} (1 − p_d(x))^{1 − z_d}, z_d ∈ {0, 1}.

    References: Maddison et al., The Concrete Distribution (2017), appendix B.

    Arguments:
        relaxation: "gumbel": draws are hard and their gradient that of a relaxation, biased; "none": no gradient.
        temperature: of the relaxation; lower is less biased and noisier.
    """

    support = "binary"

    def __init__(
        self, num_features: int, num_latents: int, *, relaxation: Relaxation = "gumbel", temperature: float = 0.67
    ) -> None:
        super().__init__(num_features, num_latents)
        self.temperature = _checked(temperature, relaxation)
        self.logits = unbiased(small(nn.Linear(num_features, num_latents), 0.5))  # near equal probabilities

    def forward(self, features: Tensor) -> Distribution:
        return Bits(self.logits(features), self.temperature)


@register("posterior", "categorical")
class CategoricalHead(PosteriorHead):
    """q(z|x) = Π_d Cat(z_d; p_d(x)) over C categories; z is D one-hot blocks.

    References: Jang et al., Categorical Reparameterization with Gumbel-Softmax (2017), eq. 2.

    Arguments:
        num_categories: C, the same as the prior's.
        relaxation: "gumbel": draws are hard and their gradient that of a relaxation, biased; "none": no gradient.
        temperature: of the relaxation; lower is less biased and noisier.
    """

    support = "one_hot"

    def __init__(
        self,
        num_features: int,
        num_latents: int,
        *,
        num_categories: int = 8,
        relaxation: Relaxation = "gumbel",
        temperature: float = 0.67,
    ) -> None:
        super().__init__(num_features, num_latents)
        at_least(2, "posterior.num_categories", num_categories)
        self.temperature, self.num_categories = _checked(temperature, relaxation), num_categories
        self.logits = unbiased(small(nn.Linear(num_features, num_latents * num_categories), 0.5))

    def forward(self, features: Tensor) -> Distribution:
        logits = self.logits(features).unflatten(-1, (self.num_latents, self.num_categories))  # [B, D, C]
        return OneHots(logits, self.temperature)
