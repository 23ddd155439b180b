"""What is not observed of x, given what is: for likelihoods whose dimensions hang together, too, or that say why."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Distribution

from .event import EventSum, Selecting


@runtime_checkable
class Dependent(Protocol):
    """A distribution over x whose dimensions are not independent; x and observed [B, *shape], with x known there."""

    def sample_given(self, x: Tensor, observed: Tensor) -> Tensor:
        """x with the rest drawn from p(x_missing|x_observed), [..., *shape]."""

    def mean_given(self, x: Tensor, observed: Tensor) -> Tensor:
        """x with E[x_missing|x_observed] for the rest, [..., *shape]."""


def sample_given(p: Distribution, x: Tensor, observed: Tensor) -> Tensor:
    """x with what is not observed drawn from p(x_missing|x_observed)."""
    base = _dependent(p)
    return torch.where(observed, x, _missing(p).sample()) if base is None else base.sample_given(x, observed)


def mean_given(p: Distribution, x: Tensor, observed: Tensor) -> Tensor:
    """x with E_p[x_missing|x_observed] for what is not observed."""
    base = _dependent(p)
    return torch.where(observed, x, _missing(p).mean) if base is None else base.mean_given(x, observed)


@runtime_checkable
class Pooled(Protocol):
    """A distribution over x whose centre is not the mean of its centres, as a likeliest level is not."""

    def statistics(self) -> tuple[Tensor, ...]:
        """What may be averaged, [..., *shape of each]."""

    def centre_of(self, statistics: tuple[Tensor, ...]) -> Tensor:
        """x of averaged statistics, [..., *shape]."""


def pooled(p: Distribution, x: Tensor, observed: Tensor) -> tuple[Tensor, ...]:
    """What is averaged over z to get the mean of x given what is observed: means, or a distribution's statistics."""
    base = _missing(p)
    return base.statistics() if isinstance(base, Pooled) else (mean_given(p, x, observed),)


def from_pooled(p: Distribution, statistics: tuple[Tensor, ...], x: Tensor, observed: Tensor) -> Tensor:
    """x with what is not observed from averaged `pooled`."""
    base = p.base if isinstance(p, EventSum) else p
    return torch.where(observed, x, base.centre_of(statistics)) if isinstance(base, Pooled) else statistics[0]


def _missing(p: Distribution) -> Distribution:
    """The elementwise distribution of what is missing, where its being missing says something of it."""
    base = p.base if isinstance(p, EventSum) else p
    return base.when_missing() if isinstance(base, Selecting) else base


def _dependent(p: Distribution) -> Dependent | None:
    base = p.base if isinstance(p, EventSum) else p
    return base if isinstance(base, Dependent) else None
