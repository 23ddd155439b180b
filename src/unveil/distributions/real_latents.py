"""Real latents: mixtures, Gaussians with full covariance and pushforwards."""

import math
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MultivariateNormal, Normal, register_kl

from .event import Shape, Unchecked

CHUNK = 2**24  # numbers held at once where a mixture's components have no short form


@runtime_checkable
class JointDraw(Protocol):
    """A distribution whose draw and its log density come cheaper together than one after the other."""

    def rsample_and_log_prob(self, sample_shape: Shape) -> tuple[Tensor, Tensor]: ...


class LatentMixture(Unchecked):
    """p(z) = Σ_c w_c p_c(z), with batch shape [].

    Products of normals are evaluated as Σ_d (z_d² − 2 z_d μ_cd + μ_cd²)/σ_cd², products of matrices in float64:
    no tensor [..., C, D] is made, and nothing is lost where means are large against σ.

    Arguments:
        logits: log w up to a constant, [C].
        components: p_c, with batch shape [C] and event shape [D].
    """

    def __init__(self, logits: Tensor, components: Distribution) -> None:
        self.log_weights, self.components = logits.log_softmax(-1), components
        super().__init__(torch.Size(), components.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_weights.exp() @ self.components.mean

    @property
    def variance(self) -> Tensor:
        spread = self.components.variance + (self.components.mean - self.mean) ** 2
        return self.log_weights.exp() @ spread

    def log_prob(self, value: Tensor) -> Tensor:
        rows = value.reshape(-1, value.shape[-1])
        normal = normal_factors(self.components)
        log_p = self._each(rows) if normal is None else _log_normals(rows, normal)  # [N, C]
        return torch.logsumexp(self.log_weights + log_p, -1).to(value.dtype).reshape(value.shape[:-1])

    @torch.no_grad()
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.tempered(sample_shape)

    @torch.no_grad()
    def tempered(self, sample_shape: Shape = torch.Size(), temperature: float = 1.0) -> Tensor:
        """Draws whose distance from the mean of their component is scaled by `temperature`."""
        which = Categorical(logits=self.log_weights, validate_args=False).sample(torch.Size(sample_shape))
        normal = normal_factors(self.components)
        if normal is not None:
            loc, scale = normal.loc[which], normal.scale[which]
            return loc + temperature * scale * torch.randn_like(loc)
        z = self.components.sample(which.shape)  # [..., C, D]
        z = z.take_along_dim(which[..., None, None], -2).squeeze(-2)
        return z if temperature == 1 else torch.lerp(self.components.mean[which], z, temperature)

    def _each(self, rows: Tensor) -> Tensor:
        """log p_c(z) [N, C] for components of any kind, some rows at a time."""
        num_components = len(self.log_weights)
        size = max(1, CHUNK // (num_components * rows.shape[-1]))
        spread = (part.unsqueeze(-2).expand(-1, num_components, -1) for part in rows.split(size))
        return torch.cat([self.components.log_prob(part) for part in spread])


class FullGaussian(MultivariateNormal):
    """N(μ, LLᵀ) with a KL to products of normals that torch lacks.

    Arguments: loc μ [..., D], scale_tril L [..., D, D].
    """

    def __init__(self, loc: Tensor, scale_tril: Tensor) -> None:
        super().__init__(loc, scale_tril=scale_tril, validate_args=False)


class Pushforward(Unchecked):
    """z = T(u), u ∼ p(u): log p(z) = log p(u) − log|det ∂T/∂u|. No mean in closed form.

    Arguments:
        base: p(u), with the event shape [D].
        transform: T, from zuko, whose `call_and_ladj` gives T(u) and log|det ∂T/∂u| in one pass.
    """

    has_rsample = True

    def __init__(self, base: Distribution, transform: Any) -> None:
        self.base, self.transform = base, transform
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        u, log_det = self.transform.inv.call_and_ladj(value)
        return self.base.log_prob(u) + log_det

    @torch.no_grad()
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.transform(self.base.rsample(torch.Size(sample_shape)))

    def rsample_and_log_prob(self, sample_shape: Shape) -> tuple[Tensor, Tensor]:
        """A reparametrised draw and its log density, without inverting T."""
        u = self.base.rsample(torch.Size(sample_shape))
        z, log_det = self.transform.call_and_ladj(u)
        return z, self.base.log_prob(u) - log_det


def normal_factors(distribution: Distribution) -> Normal | None:
    """The normals of which `distribution` is a product over one dimension, or None."""
    if isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal):
        return distribution.base_dist if distribution.reinterpreted_batch_ndims == 1 else None
    return None


@register_kl(FullGaussian, Independent)  # type: ignore[untyped-decorator]
def _kl_full_diagonal(p: FullGaussian, q: Distribution) -> Tensor:
    """½ Σ_d [(‖L_d‖² + (m_d − μ_d)²)/σ_d² − 1 + log σ_d²] − Σ_d log L_dd."""
    normal = normal_factors(q)
    if normal is None:
        raise NotImplementedError
    square = p.scale_tril.square().sum(-1) + (p.loc - normal.loc) ** 2
    log_ratio = normal.scale.log() - p.scale_tril.diagonal(dim1=-2, dim2=-1).log()
    return (0.5 * (square / normal.scale**2 - 1) + log_ratio).sum(-1)


def _log_normals(z: Tensor, normal: Normal) -> Tensor:
    """log Π_d N(z_d; μ_cd, σ_cd) [N, C], in float64."""
    z, loc, scale = z.double(), normal.loc.double(), normal.scale.double()
    precision = scale**-2
    square = z**2 @ precision.mT - 2 * z @ (loc * precision).mT + (loc**2 * precision).sum(-1)
    return -0.5 * (square + loc.shape[-1] * math.log(2 * math.pi)) - scale.log().sum(-1)
