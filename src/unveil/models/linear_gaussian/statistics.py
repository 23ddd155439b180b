"""Means, variances and covariances of the columns of x, from which a linear-Gaussian model is fitted."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from ...batch import Batch
from ...errors import RequestError


class MeanCov(NamedTuple):
    """The mean x̄ [D] and C = 1/N Σ_n (x_n − x̄)(x_n − x̄)ᵀ [D, D], which is all that the model learns from."""

    mean: Tensor
    cov: Tensor


def centred(batch: Batch, centre: Tensor) -> tuple[Tensor, Tensor]:
    """The mask of what is observed as 0 and 1 [B or 1, D], and x − centre [B, D] with 0 where x is not observed."""
    delta = batch.x.flatten(1).double() - centre
    if batch.observed is None:
        return torch.ones_like(delta[:1]), delta
    seen = batch.observed.flatten(1)
    return seen.double(), torch.where(seen, delta, 0.0)


def columns(batches: Callable[[], Iterable[Batch]]) -> tuple[Tensor, Tensor]:
    """The mean and the variance [D] of what is observed of each column."""
    first = next(iter(batches()))
    if first.observed is None:
        found = mean_and_cov(batches())
        return found.mean, found.cov.diagonal()
    zero = first.x.new_zeros(first.x[0].numel(), dtype=torch.float64)
    mean = mean_of_columns(batches(), zero)
    return mean, mean_of_columns(batches(), mean, power=2)


def mean_of_columns(batches: Iterable[Batch], centre: Tensor, power: int = 1) -> Tensor:
    """The mean of (x − centre)^power over what is observed of each column, [D]."""
    count, total = torch.zeros_like(centre), torch.zeros_like(centre)
    for batch in batches:
        seen, delta = centred(batch, centre)
        count, total = count + seen.expand_as(delta).sum(0), total + (delta**power).sum(0)
    if bool((count < 1).any()):
        raise RequestError(f"Column {int((count < 1).nonzero()[0])} of x has no value in any example; leave it out.")
    return total / count


def mean_and_cov(batches: Iterable[Batch]) -> MeanCov:
    """x̄ and C in float64, in one pass; sums are taken about the mean of the first batch, against cancellation."""
    count, shift, total, square = 0, torch.empty(0), torch.empty(0), torch.empty(0)
    for batch in batches:
        if batch.observed is not None:
            raise RequestError(
                "This closed form of linear_gaussian needs every value of x, and some are not observed.",
                "Use solve(), which climbs by EM where x has gaps.",
            )
        x = batch.x.flatten(1).double()
        if not count:
            shift = x.mean(0)
            total, square = torch.zeros_like(shift), torch.zeros_like(torch.outer(shift, shift))
        x = x - shift
        count, total, square = count + len(x), total + x.sum(0), square.addmm_(x.T, x)
    if count < 2:
        raise RequestError(f"A linear-Gaussian model takes at least 2 examples; {count} came.")
    return MeanCov(shift + total / count, square / count - torch.outer(total, total) / count**2)
