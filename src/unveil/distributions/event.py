"""A factorised distribution over one example, masked before it is summed."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..ops import sum_event

Shape = torch.Size | list[int] | tuple[int, ...]


class Unchecked(Distribution):
    """A distribution that checks no argument and no value: a model's domain has checked x."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}


class EventSum(Unchecked):
    """A factorised distribution over one example: log p(x) = Σ_d log p(x_d) over the *observed* dimensions.

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
        """log p(x_d) per dimension [..., *shape], 0 where x_d is not observed."""
        if self.observed is None:
            return self.base.log_prob(value)
        known = torch.where(self.observed, value, torch.full_like(value, self.filler))
        log_p = self.base.log_prob(known)
        return torch.where(self.observed, log_p, torch.zeros_like(log_p))
