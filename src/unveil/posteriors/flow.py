"""Posteriors z = μ(x) + σ(x)·T(ε; x), ε ∼ N(0, I), with an invertible T that starts as the identity."""

import torch
from torch import Tensor, nn
from torch.distributions import AffineTransform, Distribution, Independent, Normal

from ..distributions.real_latents import Pushforward, normal_factors
from ..nn.flows import masked_affine, spline_couplings, zuko
from ..registry import register
from .base import DiagonalGaussian, PosteriorHead

CONTEXT = 64  # numbers that a flow sees of the features: it repeats them for each of K draws


class FlowHead(PosteriorHead):
    """q(z|x) of z = μ(x) + σ(x)·T(ε; x).

    A draw and its density are one pass of T; the density of a given z inverts T.

    Arguments: flow: a module that gives T for a context [B, C].
    """

    def __init__(self, num_features: int, num_latents: int, flow: nn.Module) -> None:
        super().__init__(num_features, num_latents)
        self.gaussian = DiagonalGaussian(num_features, num_latents)
        self.context = nn.Linear(num_features, CONTEXT)
        self.flow = flow
        self._composed = zuko().transforms.ComposedTransform

    def forward(self, features: Tensor) -> Distribution:
        normal = normal_factors(self.gaussian(features))
        assert normal is not None
        zero = torch.zeros_like(normal.loc)
        noise = Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)
        flow, affine = self.flow(self.context(features)), AffineTransform(normal.loc, normal.scale, event_dim=1)
        return Pushforward(noise, self._composed(flow, affine))


@register("posterior", "flow")
class SplineFlow(FlowHead):
    """q(z|x) of z = μ(x) + σ(x)·T(ε; x), T of neural splines in couplings: as cheap to invert as to apply.

    References: Rezende & Mohamed, Variational Inference with Normalizing Flows (2015), eq. 13; Durkan et al., Neural
    Spline Flows (2019).

    Arguments:
        num_transforms: couplings, each changing every second latent.
        width: units in the two hidden layers of each.
        bins: pieces of each spline.
    """

    def __init__(
        self, num_features: int, num_latents: int, *, num_transforms: int = 4, width: int = 128, bins: int = 8
    ) -> None:
        flow = spline_couplings(num_latents, CONTEXT, num_transforms=num_transforms, width=width, bins=bins)
        super().__init__(num_features, num_latents, flow)


@register("posterior", "iaf")
class InverseAutoregressiveFlow(FlowHead):
    """q(z|x) of z = μ(x) + σ(x)·T(ε; x), where T scales and shifts each ε_d by functions of ε_<d.

    A draw and its density are one pass of a masked network per transform. The density of a given z takes D passes of
    each: so it is in objectives that hold q's weights (Stl, Dreg), about D times the cost of Elbo or Iwae.

    References: Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow (2016), eq. 10–12.

    Arguments:
        num_transforms: autoregressive maps, the order reversed from one to the next.
        width: units in the two hidden layers of each.
    """

    def __init__(self, num_features: int, num_latents: int, *, num_transforms: int = 2, width: int = 128) -> None:
        flow = masked_affine(num_latents, CONTEXT, num_transforms=num_transforms, width=width)
        super().__init__(num_features, num_latents, flow)
