"""Latents that take few values: bits and one-hot choices, with relaxed draws."""

import torch
from torch import Tensor
from torch.distributions import Categorical, register_kl
from torch.nn import functional as F

from .event import Shape, Unchecked


class Bits(Unchecked):
    """z_d ∈ {0, 1}, independent: log p(z) = Σ_d z_d a_d − log(1 + e^{a_d}), with the event shape [D].

    A relaxed draw is hard in its value and soft in its gradient: d/da σ((a + ε)/τ) with logistic noise ε. As the
    gradient of an expectation it is biased, less so at a low τ, where it is noisier.

    References: Maddison et al., The Concrete Distribution (2017), appendix B; Bengio et al., Estimating or Propagating
    Gradients Through Stochastic Neurons (2013), straight-through.

    Arguments:
        logits: a [..., D].
        temperature: τ of relaxed draws; None: there are none.
    """

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
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return torch.bernoulli(self.mean.expand(self._extended_shape(torch.Size(sample_shape))))

    def rsample(self, sample_shape: Shape = torch.Size()) -> Tensor:
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


class OneHots(Unchecked):
    """D independent choices among C, each a one-hot block: log p(z) = Σ_dc z_dc log p_dc, with the event shape [D·C].

    A relaxed draw is hard in its value and soft in its gradient: d/da softmax((a + g)/τ) with Gumbel noise g. It is
    biased, less so at a low τ, where it is noisier.

    References: Jang et al., Categorical Reparameterization with Gumbel-Softmax (2017), eq. 2 and §2.2; Maddison et al.,
    The Concrete Distribution (2017).

    Arguments:
        logits: a [..., D, C], in any scale.
        temperature: τ of relaxed draws; None: there are none.
    """

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
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        which = Categorical(logits=self.log_p, validate_args=False).sample(torch.Size(sample_shape))
        return self._one_hot(which)

    def rsample(self, sample_shape: Shape = torch.Size()) -> Tensor:
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


@register_kl(Bits, Bits)  # type: ignore[untyped-decorator]
def _kl_bits(p: Bits, q: Bits) -> Tensor:
    """Σ_d p_d (a_d − b_d) − log(1 + e^{a_d}) + log(1 + e^{b_d})."""
    return (p.mean * (p.logits - q.logits) - F.softplus(p.logits) + F.softplus(q.logits)).sum(-1)


@register_kl(OneHots, OneHots)  # type: ignore[untyped-decorator]
def _kl_one_hots(p: OneHots, q: OneHots) -> Tensor:
    return (p.log_p.exp() * (p.log_p - q.log_p)).sum((-2, -1))


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    return hard + (soft - soft.detach())  # the bracket is exactly 0


def _uniform(shape: Shape, like: Tensor) -> Tensor:
    """U(0, 1) without its ends."""
    tiny = torch.finfo(like.dtype).eps / 2
    return torch.rand(shape, dtype=like.dtype, device=like.device).clamp(tiny, 1 - tiny)


def _over_batch(z: Tensor, batch_shape: torch.Size) -> Tensor:
    num, size = z.shape
    return z.reshape(num, *(1 for _ in batch_shape), size).expand(num, *batch_shape, size)
