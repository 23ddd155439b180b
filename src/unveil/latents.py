"""Distributions of latents that torch lacks: discrete vectors, mixtures, full Gaussians and pushforwards."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    constraints,
    register_kl,
)
from torch.nn import functional as F

_Shape = torch.Size | list[int] | tuple[int, ...]
CHUNK = 2**24  # numbers held at once where a mixture's components have no short form


@runtime_checkable
class JointDraw(Protocol):
    """A distribution whose draw and its log density come cheaper together than one after the other."""

    def rsample_and_log_prob(self, sample_shape: _Shape) -> tuple[Tensor, Tensor]: ...


class Bits(Distribution):
    """z_d ∈ {0, 1}, independent: log p(z) = Σ_d z_d a_d − log(1 + e^{a_d}), with the event shape [D].

    A relaxed draw is hard in its value and soft in its gradient: d/da σ((a + ε)/τ) with logistic noise ε. As the
    gradient of an expectation it is biased, less so at a low τ, where it is noisier.

    References: Maddison et al., The Concrete Distribution (2017), appendix B; Bengio et al., Estimating or Propagating
    Gradients Through Stochastic Neurons (2013), straight-through.

    Arguments:
        logits: a [..., D].
        temperature: τ of relaxed draws; None: there are none.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor, temperature: float | None = None) -> None:
        self.logits, self.temperature = logits, temperature
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.temperature is not None

    @property
    def num_support(self) -> int:
        """2^D."""
        return 2 ** self.logits.shape[-1]

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    @property
    def variance(self) -> Tensor:
        return self.logits.sigmoid() * (-self.logits).sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        return (value * self.logits - F.softplus(self.logits)).sum(-1)

    def entropy(self) -> Tensor:
        return (F.softplus(self.logits) - self.mean * self.logits).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        return torch.bernoulli(self.mean.expand(self._extended_shape(torch.Size(sample_shape))))

    def rsample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        if self.temperature is None:
            raise NotImplementedError("these draws are hard and have no gradient")
        u = _uniform(self._extended_shape(torch.Size(sample_shape)), self.logits)
        soft = ((self.logits + u.log() - torch.log1p(-u)) / self.temperature).sigmoid()
        return _straight_through((soft > 0.5).to(soft.dtype), soft)

    def enumerate_support(self, expand: bool = False) -> Tensor:
        """All z, [2^D, D]; with `expand` [2^D, *batch, D]."""
        places = torch.arange(self.logits.shape[-1], device=self.logits.device)
        number = torch.arange(self.num_support, device=self.logits.device)
        z = (number.unsqueeze(-1) >> places & 1).to(self.logits.dtype)
        return _over_batch(z, self.batch_shape) if expand else z


class OneHots(Distribution):
    """D independent choices among C, each a one-hot block: log p(z) = Σ_dc z_dc log p_dc, with the event shape [D·C].

    A relaxed draw is hard in its value and soft in its gradient: d/da softmax((a + g)/τ) with Gumbel noise g. It is
    biased, less so at a low τ, where it is noisier.

    References: Jang et al., Categorical Reparameterization with Gumbel-Softmax (2017), eq. 2 and §2.2; Maddison et al.,
    The Concrete Distribution (2017).

    Arguments:
        logits: a [..., D, C], in any scale.
        temperature: τ of relaxed draws; None: there are none.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor, temperature: float | None = None) -> None:
        self.log_p, self.temperature = logits.log_softmax(-1), temperature
        event_shape = torch.Size((logits.shape[-2] * logits.shape[-1],))
        super().__init__(logits.shape[:-2], event_shape, validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.temperature is not None

    @property
    def num_support(self) -> int:
        """C^D."""
        num_latents, num_categories = self.log_p.shape[-2:]
        return num_categories**num_latents

    @property
    def mean(self) -> Tensor:
        return self.log_p.exp().flatten(-2)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def log_prob(self, value: Tensor) -> Tensor:
        return (value * self.log_p.flatten(-2)).sum(-1)

    def entropy(self) -> Tensor:
        return -(self.log_p.exp() * self.log_p).sum((-2, -1))

    @torch.no_grad()
    def sample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        which = Categorical(logits=self.log_p, validate_args=False).sample(torch.Size(sample_shape))
        return self._one_hot(which)

    def rsample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        if self.temperature is None:
            raise NotImplementedError("these draws are hard and have no gradient")
        shape = (*sample_shape, *self.log_p.shape)
        gumbel = -torch.log(-torch.log(_uniform(shape, self.log_p)))
        soft = ((self.log_p + gumbel) / self.temperature).softmax(-1)
        return _straight_through(self._one_hot(soft.argmax(-1)), soft.flatten(-2))

    def enumerate_support(self, expand: bool = False) -> Tensor:
        """All z, [C^D, D·C]; with `expand` [C^D, *batch, D·C]."""
        num_latents, num_categories = self.log_p.shape[-2:]
        places = num_categories ** torch.arange(num_latents, device=self.log_p.device)
        number = torch.arange(self.num_support, device=self.log_p.device)
        z = self._one_hot(number.unsqueeze(-1) // places % num_categories)
        return _over_batch(z, self.batch_shape) if expand else z

    def _one_hot(self, which: Tensor) -> Tensor:
        return F.one_hot(which, self.log_p.shape[-1]).to(self.log_p.dtype).flatten(-2)


class Mixture(Distribution):
    """p(z) = Σ_c w_c p_c(z), with batch shape [].

    Products of normals are evaluated as Σ_d (z_d² − 2 z_d μ_cd + μ_cd²)/σ_cd², products of matrices in float64:
    no tensor [..., C, D] is made, and nothing is lost where means are large against σ.

    Arguments:
        logits: log w up to a constant, [C].
        components: p_c, with batch shape [C] and event shape [D].
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

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
    def sample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        return self.tempered(sample_shape)

    @torch.no_grad()
    def tempered(self, sample_shape: _Shape = torch.Size(), temperature: float = 1.0) -> Tensor:
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


class Pushforward(Distribution):
    """z = T(u), u ∼ p(u): log p(z) = log p(u) − log|det ∂T/∂u|. No mean in closed form.

    Arguments:
        base: p(u), with the event shape [D].
        transform: T, from zuko, whose `call_and_ladj` gives T(u) and log|det ∂T/∂u| in one pass.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(self, base: Distribution, transform: Any) -> None:
        self.base, self.transform = base, transform
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        u, log_det = self.transform.inv.call_and_ladj(value)
        return self.base.log_prob(u) + log_det

    @torch.no_grad()
    def sample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        return self.rsample(sample_shape)

    def rsample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        return self.transform(self.base.rsample(torch.Size(sample_shape)))

    def rsample_and_log_prob(self, sample_shape: _Shape) -> tuple[Tensor, Tensor]:
        """A reparametrised draw and its log density, without inverting T."""
        u = self.base.rsample(torch.Size(sample_shape))
        z, log_det = self.transform.call_and_ladj(u)
        return z, self.base.log_prob(u) - log_det


def normal_factors(distribution: Distribution) -> Normal | None:
    """The normals of which `distribution` is a product over one dimension, or None."""
    if isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal):
        return distribution.base_dist if distribution.reinterpreted_batch_ndims == 1 else None
    return None


@register_kl(Bits, Bits)  # type: ignore[untyped-decorator]
def _kl_bits(p: Bits, q: Bits) -> Tensor:
    """Σ_d p_d (a_d − b_d) − log(1 + e^{a_d}) + log(1 + e^{b_d})."""
    return (p.mean * (p.logits - q.logits) - F.softplus(p.logits) + F.softplus(q.logits)).sum(-1)


@register_kl(OneHots, OneHots)  # type: ignore[untyped-decorator]
def _kl_one_hots(p: OneHots, q: OneHots) -> Tensor:
    return (p.log_p.exp() * (p.log_p - q.log_p)).sum((-2, -1))


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


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    return hard + (soft - soft.detach())  # the bracket is exactly 0


def _uniform(shape: _Shape, like: Tensor) -> Tensor:
    """U(0, 1) without its ends."""
    tiny = torch.finfo(like.dtype).eps / 2
    return torch.rand(shape, dtype=like.dtype, device=like.device).clamp(tiny, 1 - tiny)


def _over_batch(z: Tensor, batch_shape: torch.Size) -> Tensor:
    num, size = z.shape
    return z.reshape(num, *(1 for _ in batch_shape), size).expand(num, *batch_shape, size)
