"""Mixtures of discretised logistics: per dimension, or per pixel with channels that depend on each other.

The components come first in every tensor, so that a sum over them runs through memory in long strides.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Categorical

from .event import Shape, Unchecked
from .levels import DiscretizedLogistic

ENUMERATED = 16  # levels up to which the mean of colours is a sum over all of them


class DiscretizedLogisticMixture(Unchecked):
    """P(x = i) = Σ_m π_m [σ((i + ½ − μ_m)/s_m) − σ((i − ½ − μ_m)/s_m)], each dimension on its own.

    References: Salimans et al., PixelCNN++ (2017), eq. 1-2.

    Arguments: logits of π, loc μ and log_scale log s [M, ...], in level units; num_levels n.
    """

    def __init__(self, logits: Tensor, loc: Tensor, log_scale: Tensor, num_levels: int) -> None:
        self.log_pi, self.loc, self.log_scale = logits.log_softmax(0), loc, log_scale
        self.num_levels = num_levels
        super().__init__(logits.shape[1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        log_pi, loc, log_scale = (_lifted(v, value) for v in (self.log_pi, self.loc, self.log_scale))
        return (log_pi + DiscretizedLogistic(loc, log_scale, self.num_levels).log_prob(value)).logsumexp(0)

    @property
    def mean(self) -> Tensor:
        return (self.log_pi.exp() * self._components.mean).sum(0)

    @property
    def variance(self) -> Tensor:
        means = self._components.mean
        pi = self.log_pi.exp()
        return (pi * (self._components.variance + means**2)).sum(0) - (pi * means).sum(0) ** 2

    @property
    def _components(self) -> DiscretizedLogistic:
        return DiscretizedLogistic(self.loc, self.log_scale, self.num_levels)

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            m = _drawn(self.log_pi, sample_shape)
            return DiscretizedLogistic(_pick(self.loc, m), _pick(self.log_scale, m), self.num_levels).sample()


class ColourLogisticMixture(Unchecked):
    """A joint mixture over the C channels of a pixel, in which the mean of a channel depends on those before it:

    P(x_1 … x_C) = Σ_m π_m Π_c P(x_c; μ_mc + Σ_{b<c} a_mcb (x_b − (n−1)/2), s_mc)

    `log_prob` returns the terms of the chain log P(x_c|x_<c) [..., C], whose sum is the joint. A channel may therefore
    go unobserved where those after it do too: what is left of the sum is an exact marginal.

    References: Salimans et al., PixelCNN++ (2017), eq. 3.

    Arguments: logits of π [M, ...]; loc μ and log_scale log s [C, M, ...]; coefficients a [C(C−1)/2, M, ...] in the
    order a_21, a_31, a_32, …; num_levels n.
    """

    def __init__(self, logits: Tensor, loc: Tensor, log_scale: Tensor, coefficients: Tensor, num_levels: int) -> None:
        self.log_pi, self.num_levels = logits.log_softmax(0), num_levels
        self.loc, self.log_scale, self.coefficients = loc.unbind(0), log_scale.unbind(0), coefficients.unbind(0)
        super().__init__(torch.Size((*logits.shape[1:], len(self.loc))), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        x = value.unbind(-1)
        log_p, joint = _lifted(self.log_pi, x[0]), []
        for c in range(len(x)):
            log_p = log_p + self._channel(c, x[:c], x[0]).log_prob(x[c])  # log π_m P(x_1 … x_c|m)
            joint.append(log_p.logsumexp(0))  # log P(x_1 … x_c)
        return torch.stack([joint[0], *(after - before for before, after in itertools.pairwise(joint))], -1)

    def _channel(self, c: int, before: Sequence[Tensor], like: Tensor) -> DiscretizedLogistic:
        """P(x_c|x_<c, m) of each component, for x of the shape of `like`."""
        loc, log_scale = _lifted(self.loc[c], like), _lifted(self.log_scale[c], like)
        for b, x in enumerate(before):
            loc = loc + _lifted(self._a(c, b), like) * (x - (self.num_levels - 1) / 2)
        return DiscretizedLogistic(loc, log_scale, self.num_levels)

    def _a(self, c: int, b: int) -> Tensor:
        return self.coefficients[c * (c - 1) // 2 + b]

    @property
    def mean(self) -> Tensor:
        """By enumeration up to 16 levels.

        With more, each component has a channel at the means of those before: exact where the end bins cut no tail off,
        and levels off where they cut off much.
        """
        pi = self.log_pi.exp()
        return torch.stack([(pi * mean).sum(0) for mean, _ in self._moments()], -1)

    @property
    def variance(self) -> Tensor:
        """As exact as `mean`."""
        pi, found = self.log_pi.exp(), list[Tensor]()
        for mean, variance in self._moments():
            found.append((pi * (variance + mean**2)).sum(0) - (pi * mean).sum(0) ** 2)
        return torch.stack(found, -1)

    def _moments(self) -> list[tuple[Tensor, Tensor]]:
        """The mean and variance of each channel in each component, C times two [M, ...]."""
        if self.num_levels > ENUMERATED:
            return list(zip(self._means(), self._variances(), strict=True))
        return [(mean, square - mean**2) for mean, square in self._enumerated((), ())]

    def _enumerated(
        self, values: Sequence[Tensor], seen: Sequence[Tensor], *before: float
    ) -> list[tuple[Tensor, Tensor]]:
        """E[x_b|x_before, m] and E[x_b²|x_before, m] of the channels b that are left, a sum over the values of each.

        Arguments: values and seen [...], the first channels as they were observed, and where.
        """
        c = len(before)
        own = self._channel(c, [torch.full_like(self.log_pi[0], x) for x in before], self.log_pi[0])
        above = list(own.above())  # P(x > i)
        mean = torch.stack(above).sum(0)
        square = torch.stack([(2 * i + 1) * p for i, p in enumerate(above)]).sum(0)
        known, value = (seen[c], values[c]) if c < len(seen) else (torch.zeros_like(mean[0], dtype=torch.bool), mean[0])
        found = [(torch.where(known, value, mean), torch.where(known, value**2, square))]
        if c + 1 == len(self.loc):
            return found
        later = [(torch.zeros_like(mean), torch.zeros_like(mean)) for _ in range(c + 1, len(self.loc))]
        tails = [torch.ones_like(mean), *above, torch.zeros_like(mean)]  # P(x ≥ i)
        for i, (least, more) in enumerate(itertools.pairwise(tails)):
            p = torch.where(known, (value == i).to(mean.dtype), least - more)
            given = self._enumerated(values, seen, *before, float(i))
            later = [(m + p * a, s + p * b) for (m, s), (a, b) in zip(later, given, strict=True)]
        return found + later

    def _variances(self) -> list[Tensor]:
        """The noise of a channel moves those after it by moved[c][b] = dx_c/dx_b."""
        own, moved, found = list[Tensor](), list[list[Tensor]](), list[Tensor]()
        means = self._means()
        for c, mean in enumerate(means):
            own.append(self._channel(c, means[:c], mean[0]).variance)
            by = [torch.stack([self._a(c, d) * moved[d][b] for d in range(b, c)]).sum(0) for b in range(c)]
            moved.append([*by, torch.ones_like(mean)])
            found.append(torch.stack([m**2 * v for m, v in zip(moved[c], own, strict=True)]).sum(0))
        return found

    def _means(self) -> list[Tensor]:
        """The mean of each channel in each component, at the means of those before, C times [M, ...]."""
        means: list[Tensor] = []
        for c in range(len(self.loc)):
            means.append(self._channel(c, means, self.log_pi[0]).mean)
        return means

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            m, x = _drawn(self.log_pi, sample_shape), list[Tensor]()
            for c in range(len(self.loc)):
                every = self._channel(c, x, m)
                x.append(DiscretizedLogistic(_pick(every.loc, m), _pick(every.log_scale, m), self.num_levels).sample())
            return torch.stack(x, -1)

    def sample_given(self, x: Tensor, observed: Tensor) -> Tensor:
        """x with the channels that are not observed drawn from P(x_c|x_<c, m), m ~ P(m|x_observed)."""
        with torch.no_grad():
            values, seen = self._laid_out(x, observed)
            m, found = _drawn(self._log_owner(values, seen), torch.Size()), list[Tensor]()
            for c, (value, known) in enumerate(zip(values, seen, strict=True)):
                every = self._channel(c, found, m)
                own = DiscretizedLogistic(_pick(every.loc, m), _pick(every.log_scale, m), self.num_levels).sample()
                found.append(torch.where(known, value, own))
            return torch.stack(found, -1)

    def mean_given(self, x: Tensor, observed: Tensor) -> Tensor:
        """x with Σ_m P(m|x_observed) E[x_c|x_observed, m] for the other channels; as exact as `mean`."""
        values, seen = self._laid_out(x, observed)
        owner, means = self._log_owner(values, seen).exp(), list[Tensor]()
        if self.num_levels <= ENUMERATED:
            return torch.stack([(owner * mean).sum(0) for mean, _ in self._enumerated(values, seen)], -1)
        for c, (value, known) in enumerate(zip(values, seen, strict=True)):
            mean = self._channel(c, means, self.log_pi[0]).mean
            means.append(torch.where(known, value, mean))
        return torch.stack([(owner * mean).sum(0) for mean in means], -1)

    def _laid_out(self, x: Tensor, observed: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """x and observed by channel, [...] each."""
        shape = self.batch_shape
        return x.expand(shape).unbind(-1), observed.expand(shape).unbind(-1)

    def _log_owner(self, values: Sequence[Tensor], seen: Sequence[Tensor]) -> Tensor:
        """log P(m|x_observed) [M, ...], where a channel is observed only if those before it are."""
        log_p = self.log_pi
        for c, (value, known) in enumerate(zip(values, seen, strict=True)):
            log_p = log_p + torch.where(known, self._channel(c, values[:c], value).log_prob(value), 0.0)
        return log_p.log_softmax(0)


def _lifted(v: Tensor, like: Tensor) -> Tensor:
    """v [M, ...] with room for the leading dimensions that `like` [*S, ...] has besides."""
    return v.reshape(v.shape[0], *[1] * (like.dim() + 1 - v.dim()), *v.shape[1:])


def _drawn(log_pi: Tensor, sample_shape: Shape) -> Tensor:
    """Components m ~ π [*S, ...], from log π [M, ...]."""
    return Categorical(logits=log_pi.movedim(0, -1), validate_args=False).sample(sample_shape)


def _pick(v: Tensor, m: Tensor) -> Tensor:
    """v [M, ...] at the components m [*S, ...]."""
    return _lifted(v, m).expand(v.shape[0], *m.shape).gather(0, m.unsqueeze(0)).squeeze(0)
