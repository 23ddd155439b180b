"""p(z): modules whose forward returns a distribution with batch shape [] and event shape [S]."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, Transform
from torch.distributions.transforms import IndependentTransform, identity_transform

from ..registry import register

Support = Literal["real", "binary", "one_hot"]


class Prior(nn.Module, ABC):
    """p(z) or p(z|y) over D latents. Context: num_latents. Keyword-only arguments of a subclass are its config keys.

    Attributes:
        support: where z lives: "real", "binary" {0, 1}, or "one_hot" (D blocks of C values).
        posterior: the name of the posterior head that is picked where none is named.
        shares_encoder: whether p(z) is made of q's weights (VampPrior).
        starts_mixed: whether it can start at a given mixture of `num_components` Gaussians.
    """

    support: ClassVar[Support] = "real"
    posterior: ClassVar[str] = "diagonal_gaussian"
    shares_encoder: ClassVar[bool] = False
    starts_mixed: ClassVar[bool] = False
    num_components: int = 1
    registered: ClassVar[tuple[str, str]]

    def __init__(self, num_latents: int) -> None:
        super().__init__()
        self.num_latents = num_latents

    @abstractmethod
    def forward(self, y: Tensor | None = None) -> Distribution: ...

    @property
    def num_values(self) -> int:
        """S, the size of z as the decoder sees it."""
        return self.num_latents

    @property
    def for_posterior(self) -> dict[str, int]:
        """Arguments that the picked posterior head must share with this prior."""
        return {}

    def attach(self, infer: Callable[[Tensor], Distribution], shape: tuple[int, ...]) -> None:
        """Called once by the model, with q(z|x) as a bound method of x [C, *shape] in data units, and that shape."""

    def initialise(self, x: Tensor) -> None:
        """Start from training examples x [N, *shape], in data units."""

    def start_at(self, log_pi: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Start at Σ_c π_c N(μ_c, diag σ_c²), from log π [C], μ and σ [C, D], where `starts_mixed`."""
        raise NotImplementedError(f"{type(self).__name__} does not start at a given mixture")

    def base(self, y: Tensor | None = None) -> tuple[Distribution, Transform]:
        """(p(u), T) such that z = T(u): the space in which samplers move and temperature acts."""
        return self(y), IndependentTransform(identity_transform, 1)

    @torch.no_grad()
    def draw(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """z [N, S] = T(E[u] + t·(u − E[u])), u ∼ p(u|y), with y [N] where the prior heeds it."""
        p, transform = self.base(y)
        u = p.sample() if p.batch_shape else p.sample((num_samples,))
        return transform(p.mean + temperature * (u - p.mean))


@register("prior", "standard_normal")
class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    zero: Tensor

    def __init__(self, num_latents: int) -> None:
        super().__init__(num_latents)
        self.register_buffer("zero", torch.zeros(num_latents), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        return Independent(Normal(self.zero, torch.ones_like(self.zero), validate_args=False), 1, validate_args=False)


@register("prior", "gaussian")
class LearnedGaussian(Prior):
    """p(z) = N(μ, diag σ²) with learned μ and σ."""

    def __init__(self, num_latents: int) -> None:
        super().__init__(num_latents)
        self.loc = nn.Parameter(torch.zeros(num_latents))
        self.log_scale = nn.Parameter(torch.zeros(num_latents))

    def forward(self, y: Tensor | None = None) -> Distribution:
        return Independent(Normal(self.loc, self.log_scale.exp(), validate_args=False), 1, validate_args=False)
