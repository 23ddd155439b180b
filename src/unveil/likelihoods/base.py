"""p(x|z): modules that turn decoder features into a distribution over x. Each names the domains it is a likelihood of.

A Bernoulli on grey values, or a density on integers, is not a likelihood: the numbers would compare with nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions import EventSum
from ..domain import Domain, kinds
from ..domain.values import deleting
from ..errors import RequestError
from ..registry import load_all

EACH = 32  # most levels that get a probability each by default
PACE = 10.0  # Adam moves a number by about lr a step: one that all examples share is learned ten times as fast


class Likelihood(nn.Module, ABC):
    """p(x|h) for decoder features h [..., P·D], P numbers per dimension of x.

    Context: domain. Keyword-only arguments of a subclass are its config keys. `offset`, added to h, is the output bias:
    it starts at the data mean, so that a decoder which says nothing already predicts the average example.
    """

    domains: ClassVar[tuple[str, ...]]
    registered: ClassVar[tuple[str, str]]
    factorises: bool = True  # whether the dimensions of x are independent given h

    def __init__(self, domain: Domain, params_per_dim: int) -> None:
        super().__init__()
        if domain.kind not in self.domains:
            raise RequestError(
                f"The likelihood {self.registered[1]!r} is one of {' or '.join(self.domains)} data and the data is "
                f"{domain}; it fits {', '.join(fitting(domain))}.",
                " ".join(k.retaken for k in map(kinds().get, self.domains) if k and domain.kind in k.taken_for),
            )
        self.domain, self.params_per_dim = domain, params_per_dim
        self.offset = nn.Parameter(torch.zeros(self.num_outputs))

    @property
    def num_outputs(self) -> int:
        """P·D, the size of the decoder's output."""
        return self.params_per_dim * self.domain.num_dims

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """The shape that a decoder gives `params_per_dim` numbers for each value of: that of x, if x says no more."""
        return self.domain.shape

    def forward(self, h: Tensor, observed: Tensor | None = None) -> EventSum:
        """p(x|h) with batch shape h.shape[:-1]; what is not observed leaves log p before the sum."""
        params = (h + self.offset).reshape(*h.shape[:-1], self.params_per_dim, *self.domain.shape)
        base = self.each(*params.unbind(-1 - len(self.domain.shape)))
        return EventSum(base, len(self.domain.shape), observed)

    @abstractmethod
    def each(self, *params: Tensor) -> Distribution:
        """The elementwise distribution from P tensors [..., *shape]."""

    @abstractmethod
    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """Set `offset` (and scales) from the observed entries of training examples x [N, *shape]."""

    @torch.no_grad()
    def leave_spread(self) -> None:
        """After `initialise`: leave most of the spread of x to h, where that pays; most likelihoods do nothing."""

    @property
    def slope(self) -> Tensor | None:
        """∂E[x_d|h]/∂h_d, [*shape] or one number, where the mean is linear in the first D features; else None."""
        return None

    def start_noise(self, std: Tensor) -> None:
        """Set the noise around the mean, where there is a `slope`, to standard deviations [*shape] in units of x."""
        raise NotImplementedError(f"{type(self).__name__} has no mean that is linear in h")

    @property
    def solves(self) -> bool:
        """Whether parameters have a closed form on training data, set by `statistic` and `finish_solving`."""
        return False

    def statistic(self, x: Tensor, p: Distribution, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The sum [D] and the number [D] of observed entries of the statistic whose mean the closed form needs.

        Arguments: x and observed [B, *shape]; p with batch shape [K, B] or [B].
        """
        raise NotImplementedError(f"{type(self).__name__} has no parameter in closed form")

    def finish_solving(self, mean_statistic: Tensor) -> None:
        """Set the closed-form parameters from the training mean of `statistic`, total/count [D]."""
        raise NotImplementedError(f"{type(self).__name__} has no parameter in closed form")

    def _set_offset_of(self, param: int, value: Tensor) -> None:
        """The offset of one of the P numbers per dimension."""
        with torch.no_grad():
            self.offset.view(self.params_per_dim, -1)[param] = value.reshape(-1)

    def _set_offset(self, *values: Tensor) -> None:
        with torch.no_grad():
            self.offset.copy_(torch.stack([v.reshape(-1) for v in values]).reshape(-1))


@dataclass(frozen=True)
class DimensionMoments:
    """The moments of the observed entries of each dimension: count, mean and std (of one entry: 0), all [*shape]."""

    count: Tensor
    mean: Tensor
    std: Tensor


def moments(x: Tensor, observed: Tensor | None = None) -> DimensionMoments:
    """The moments of the observed entries of x [N, *shape]; 0 in a dimension without any."""
    if observed is None:
        wide = x.double()  # squares of 1e-25 or 1e25 leave float32
        return DimensionMoments(torch.full_like(x[0], len(x)), wide.mean(0).to(x.dtype), _spread(wide).to(x.dtype))
    count, wide = observed.sum(0), torch.where(observed, x, 0.0).double()
    mean = wide.sum(0) / count.clamp(min=1)
    total = torch.where(observed, (wide - mean) ** 2, 0.0).sum(0)
    low = torch.where(observed, x, torch.inf).amin(0)
    high = torch.where(observed, x, -torch.inf).amax(0)
    std = torch.where(low < high, (total / (count - 1).clamp(min=1)).sqrt(), 0.0)  # exactly 0 where x is constant
    return DimensionMoments(count.to(x.dtype), mean.to(x.dtype), std.to(x.dtype))


def _spread(x: Tensor) -> Tensor:
    """The standard deviation of each dimension, exactly 0 where it is constant."""
    return torch.where(x.amin(0) < x.amax(0), x.std(0), 0.0)


def refuse_constant(found: DimensionMoments) -> None:
    """A density of a column that never changes, or was never seen, has no maximum."""
    for columns, what in (
        ((found.count == 0), "have no observed value in training, so nothing can be learned about them"),
        ((found.std == 0), "are constant, so a density of them has no bound"),
    ):
        numbers = columns.nonzero().flatten().tolist()
        if numbers:
            raise without_columns(numbers, what)


def without_columns(numbers: Sequence[int], what: str, other: str = "") -> RequestError:
    """The refusal of columns of x by their numbers, with what leaves all of them out, and another way."""
    named = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    way = f"Leave them out: {deleting(numbers)}"
    return RequestError(f"Column(s) {named} of x {what}.", f"{way}; or {other}" if other else way)


def fitting(domain: Domain) -> list[str]:
    """The names of the likelihoods that fit a domain."""
    return [name for name, cls in load_all("likelihood").items() if domain.kind in cast(type[Likelihood], cls).domains]


def default_likelihood(domain: Domain) -> str:
    """The likelihood that `fit` picks: the kind's own, or a smooth one above 32 levels."""
    kind = domain.of_kind
    return kind.smooth_likelihood if kind.smooth_likelihood and domain.levels > EACH else kind.likelihood
