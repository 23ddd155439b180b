"""Priors z = T(u), u ∼ N(0, I), with an invertible T; and one whose T is autoregressive."""

from torch import Tensor, nn
from torch.distributions import Distribution, Transform

from ..distributions.real_latents import Pushforward
from ..nn.flows import affine_couplings, masked_standardisation, spline_couplings
from ..registry import register
from .base import Prior, StandardNormal


class FlowPrior(Prior):
    """p(z) = N(T⁻¹(z); 0, I) |det ∂T⁻¹/∂z|; samplers move in u.

    Arguments: to_base: a module that gives T⁻¹, so that the densities of training are one forward pass.
    """

    def __init__(self, num_latents: int, to_base: nn.Module) -> None:
        super().__init__(num_latents)
        self.to_base, self.noise = to_base, StandardNormal(num_latents)

    def forward(self, y: Tensor | None = None) -> Distribution:
        return Pushforward(*self.base(y))

    def base(self, y: Tensor | None = None) -> tuple[Distribution, Transform]:
        return self.noise(), self.to_base().inv


@register("prior", "realnvp")
class RealNVP(FlowPrior):
    """z = T(u), u ∼ N(0, I), with affine couplings.

    References: Dinh et al., Density estimation using Real NVP (2017), eq. 7–8.

    Arguments:
        num_transforms: couplings, each changing every second latent.
        width: units in the two hidden layers of each.
    """

    def __init__(self, num_latents: int, *, num_transforms: int = 6, width: int = 128) -> None:
        super().__init__(num_latents, affine_couplings(num_latents, num_transforms=num_transforms, width=width))


@register("prior", "neural_spline")
class NeuralSpline(FlowPrior):
    """z = T(u), u ∼ N(0, I), with rational-quadratic splines inside [−8, 8] and the identity outside.

    References: Durkan et al., Neural Spline Flows (2019), eq. 4.

    Arguments:
        num_transforms: couplings, each changing every second latent.
        width: units in the two hidden layers of each.
        bins: pieces of each spline.
    """

    def __init__(self, num_latents: int, *, num_transforms: int = 4, width: int = 128, bins: int = 8) -> None:
        to_base = spline_couplings(num_latents, num_transforms=num_transforms, width=width, bins=bins)
        super().__init__(num_latents, to_base)


@register("prior", "autoregressive_gaussian")
class AutoregressiveGaussian(FlowPrior):
    """p(z) = Π_d N(z_d; μ(z_<d), σ(z_<d)²); the density is one pass of a masked network, a draw takes D.

    References: Papamakarios et al., Masked Autoregressive Flow for Density Estimation (2017), eq. 2–3.

    Arguments:
        width: units in the two hidden layers.
    """

    def __init__(self, num_latents: int, *, width: int = 128) -> None:
        super().__init__(num_latents, masked_standardisation(num_latents, width=width))
