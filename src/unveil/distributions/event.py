"""A factorised distribution over one example, masked before it is summed."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..ops import sum_event

Shape = torch.Size | list[int] | tuple[int, ...]


class Unchecked(Distribution):
    """A distribution that checks no argument and no value: a model's domain has checked x."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}


class Selecting(Unchecked, ABC):
    """An elementwise distribution over values or none: log p(x_d) is that of x_d and of its being observed."""

    @property
    @abstractmethod
    def log_missing(self) -> Tensor:
        """log P(x_d is missing), 0 where that is no outcome; [..., *shape]."""

    @abstractmethod
    def when_missing(self) -> Distribution:
        """p(x_d|x_d is missing), elementwise."""


class EventSum(Unchecked):
    """A factorised distribution over one example: log p(x) = Σ_d log p(x_d) over the *observed* dimensions.

    Of a `Selecting` base it is the sum over all outcomes, log P(missing) where x_d is not observed.

    Arguments:
        base: an elementwise distribution with batch shape [..., *shape].
        event_ndim: the number of dimensions of one example.
        observed: [B, *shape] bool; entries that are False leave the sum *before* it is taken, whatever they hold.
        filler: a value that `base` accepts, put in place of what is not observed.
    """

    def __init__(self, base: Distribution, event_ndim: int, observed: Tensor | None = None, filler: float = 0.0):
        self.base, self.observed, self.filler = base, observed, filler
        split = len(base.batch_shape) - event_ndim
        super().__init__(base.batch_shape[:split], base.batch_shape[split:], validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base.has_rsample

    @property
    def mean(self) -> Tensor:
        return self.base.mean

    @property
    def stddev(self) -> Tensor:
        return self.base.stddev

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.base.sample(sample_shape)

    def rsample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.base.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return sum_event(self.log_prob_each(value), len(self.event_shape))

    def log_prob_each(self, value: Tensor) -> Tensor:
        """log p(x_d) per dimension [..., *shape]; where x_d is not observed log P(missing), 0 if that is no outcome."""
        if self.observed is None:
            return self.base.log_prob(value)
        known = torch.where(self.observed, value, torch.full_like(value, self.filler))
        log_p = self.base.log_prob(known)
        missing = self.base.log_missing if isinstance(self.base, Selecting) else torch.zeros_like(log_p)
        return torch.where(self.observed, log_p, missing)
