"""Priors over discrete latents, which are float tensors: bits, or one-hot blocks."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions.discrete_latents import Bits, OneHots
from ..errors import at_least
from ..registry import register
from .base import Prior

COLDEST = 1e-6  # a temperature of 0 means the likeliest value


@register("prior", "bernoulli")
class BernoulliPrior(Prior):
    """p(z) = Π_d p_d^{z_d} (1 − p_d)^{1 − z_d}, z_d ∈ {0, 1}, with learned p."""

    support = "binary"
    posterior = "bernoulli"

    def __init__(self, num_latents: int) -> None:
        super().__init__(num_latents)
        self.logits = nn.Parameter(torch.zeros(num_latents))

    def forward(self, y: Tensor | None = None) -> Distribution:
        return Bits(self.logits)

    @torch.no_grad()
    def draw(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """z ∼ p(z)^{1/t}, normalised."""
        return Bits(self.logits / max(temperature, COLDEST)).sample((num_samples,))


@register("prior", "categorical")
class CategoricalPrior(Prior):
    """p(z) = Π_d Cat(z_d; p_d) with learned p_d over C categories; z is D one-hot blocks.

    Arguments:
        num_categories: C, the same as the posterior's.
    """

    support = "one_hot"
    posterior = "categorical"

    def __init__(self, num_latents: int, *, num_categories: int = 8) -> None:
        super().__init__(num_latents)
        at_least(2, "prior.num_categories", num_categories)
        self.logits = nn.Parameter(torch.zeros(num_latents, num_categories))

    @property
    def num_values(self) -> int:
        return self.logits.numel()

    @property
    def for_posterior(self) -> dict[str, int]:
        return {"num_categories": self.logits.shape[1]}

    def forward(self, y: Tensor | None = None) -> Distribution:
        return OneHots(self.logits)

    @torch.no_grad()
    def draw(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """z ∼ p(z)^{1/t}, normalised."""
        return OneHots(self.logits / max(temperature, COLDEST)).sample((num_samples,))
