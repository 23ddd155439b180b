"""Distributions over the levels 0 … n − 1."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn import functional as F

from ..ops import is_traced
from .event import Shape, Unchecked

FEW = 32  # levels whose probabilities are soon added up


class Levels(Unchecked):
    """A categorical distribution over the levels 0 … n−1, with the mean and spread of the level number.

    Arguments: logits [..., n].
    """

    def __init__(self, logits: Tensor) -> None:
        self.log_p = logits.log_softmax(-1)  # exact where all logits are far from 0, too
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def _levels(self) -> Tensor:
        return torch.arange(self.log_p.shape[-1], device=self.log_p.device, dtype=self.log_p.dtype)

    @property
    def mean(self) -> Tensor:
        return self.log_p.exp() @ self._levels

    @property
    def variance(self) -> Tensor:
        return self.log_p.exp() @ self._levels**2 - self.mean**2

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return Categorical(logits=self.log_p, validate_args=False).sample(sample_shape).to(self.log_p.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        level = value.long().unsqueeze(-1)
        shape = torch.broadcast_shapes(level.shape[:-1], self.log_p.shape[:-1])
        log_p = self.log_p.expand(*shape, self.log_p.shape[-1])
        return log_p.gather(-1, level.expand(*shape, 1)).squeeze(-1)


class LogisticLevels(Unchecked, ABC):
    """Levels where a logistic variable falls between cuts: E[x] = Σ_i P(x > i) and E[x²] = Σ_i (2i + 1) P(x > i)."""

    loc: Tensor

    @abstractmethod
    def above(self) -> Iterator[Tensor]:
        """P(x > i) for i = 0 … n − 2."""

    @property
    def mean(self) -> Tensor:
        return sum(self.above(), torch.zeros_like(self.loc))

    @property
    def variance(self) -> Tensor:
        square = sum(((2 * i + 1) * above for i, above in enumerate(self.above())), torch.zeros_like(self.loc))
        return square - self.mean**2


class DiscretizedLogistic(LogisticLevels):
    """A logistic density integrated over unit bins: P(x = i) = σ((i + ½ − μ)/s) − σ((i − ½ − μ)/s).

    The first and the last bin take the tails, so the n probabilities sum to one.

    References: Salimans et al., PixelCNN++ (2017), eq. 2; Kingma et al., IAF (2016), appendix.

    Arguments: loc μ and log_scale log s, in level units [...]; num_levels n.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, num_levels: int) -> None:
        self.loc, self.log_scale = torch.broadcast_tensors(loc, log_scale)
        self.num_levels = num_levels
        super().__init__(self.loc.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        inverse = torch.exp(-self.log_scale)
        upper, lower = (value - self.loc + 0.5) * inverse, (value - self.loc - 0.5) * inverse
        return _log_between(lower, upper, inverse, value <= 0, value >= self.num_levels - 1)

    def above(self) -> Iterator[Tensor]:
        inverse = torch.exp(-self.log_scale)
        for level in range(1, self.num_levels):
            yield torch.sigmoid((self.loc - level + 0.5) * inverse)

    @property
    def mean(self) -> Tensor:
        """E[x] = Σ_i σ((μ − i − ½)/s), i = 0 … n − 2.

        The sum is a midpoint rule for ∫₀ⁿ⁻¹ σ((μ − t)/s) dt. Of many levels three terms of the Euler–Maclaurin formula
        give it to 2e-5 in a few operations where s ≥ 1; elsewhere the terms are added up.
        """
        if self.num_levels <= FEW:
            return super().mean
        scale = self.log_scale.exp()
        if is_traced():  # no value can be asked for: narrow ones are taken as of scale 1, half a level off at most
            scale = scale.clamp(min=1)
        at, end = self.loc / scale, (self.loc - (self.num_levels - 1)) / scale
        total = scale * (F.softplus(at) - F.softplus(end)) + _ends(at, scale) - _ends(end, scale)
        narrow = scale < 1
        if not is_traced() and bool(narrow.any()):
            one = DiscretizedLogistic(self.loc[narrow], self.log_scale[narrow], self.num_levels)
            total = total.masked_scatter(narrow, sum(one.above(), torch.zeros_like(one.loc)))
        return total

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(sample_shape)
            x = self.loc + self.log_scale.exp() * logistic_noise(shape, self.loc)
            return x.round().clamp(0, self.num_levels - 1)


class OrderedLogistic(LogisticLevels):
    """P(x ≤ i) = σ(c_i − μ) for cut points c_0 < … < c_{n−2}: the level is where μ + logistic noise falls.

    References: McCullagh, Regression Models for Ordinal Data (1980), §2.

    Arguments: loc μ [..., *shape]; cuts c [*shape, n − 1], rising.
    """

    def __init__(self, loc: Tensor, cuts: Tensor) -> None:
        self.loc, self.cuts = loc, cuts
        super().__init__(loc.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        last = self.cuts.shape[-1]
        upper, lower = self._cut(value.clamp(max=last - 1)), self._cut((value - 1).clamp(min=0))
        first, final = value <= 0, value >= last
        gap = torch.where(first | final, 1.0, upper - lower)  # unused there, and log 0 would spoil the gradient
        return _log_between(lower - self.loc, upper - self.loc, gap, first, final)

    def _cut(self, level: Tensor) -> Tensor:
        """c_d,level of each dimension d, looked up."""
        *shape, last = self.cuts.shape
        first = last * torch.arange(self.cuts.numel() // last, device=level.device).reshape(shape)
        return F.embedding(first + level.long(), self.cuts.reshape(-1, 1)).squeeze(-1)

    def above(self) -> Iterator[Tensor]:
        return (torch.sigmoid(self.loc - cut) for cut in self.cuts.unbind(-1))

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            place = self.loc + logistic_noise(self._extended_shape(sample_shape), self.loc)
            level = torch.zeros_like(place)
            for cut in self.cuts.unbind(-1):
                level += place > cut
            return level


def _ends(at: Tensor, scale: Tensor) -> Tensor:
    """The terms of one end t: −σ′(at)/24s + 7σ‴(at)/5760s³, with σ‴ = σ′(1 − 6σ′) and at = (μ − t)/s."""
    p = torch.sigmoid(at)
    slope = p * (1 - p)
    return 7 / 5760 * slope * (1 - 6 * slope) / scale**3 - slope / (24 * scale)


def logistic_noise(shape: Shape, like: Tensor) -> Tensor:
    """Standard logistic draws."""
    u = torch.rand(shape, device=like.device, dtype=like.dtype).clamp(1e-7, 1 - 1e-7)
    return u.log() - torch.log1p(-u)


def _log_between(lower: Tensor, upper: Tensor, gap: Tensor, first: Tensor, final: Tensor) -> Tensor:
    """log(σ(u) − σ(l)) with gap u − l > 0; l is −∞ where `first`, u is ∞ where `final`."""
    # σ(u) − σ(l) = σ(u) σ(−l) (1 − e^{l−u}): exact far into both tails
    below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
    inside = below + above + torch.log(-torch.expm1(-gap))
    return torch.where(final, above, torch.where(first, below, inside))
