"""Sums over K importance weights, chunk by chunk; only their moments and the largest few are kept."""

import math

import torch
from torch import Tensor

from .psis import pareto_k_of, tail_size


class RunningMean:
    """The mean of K values per example and its standard error, from chunks [k, B].

    References: Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances (1979),
    eq. 2.1: equal values have a variance of exactly 0.
    """

    def __init__(self) -> None:
        self.count, self.mean, self._square = 0, torch.zeros(()), torch.zeros(())

    def add(self, value: Tensor) -> None:
        """Take in a chunk [k, B]."""
        value = value.double()
        count, mean = len(value), value.mean(0)
        off, total = mean - self.mean, self.count + count
        self._square = self._square + (value - mean).square().sum(0) + off.square() * (self.count * count / total)
        self.mean = self.mean + off * (count / total)
        self.count = total

    def scale(self, by: Tensor) -> None:
        """Multiply all values so far by a number per example [B]."""
        self.mean, self._square = self.mean * by, self._square * by.square()

    @property
    def stderr(self) -> Tensor:
        """The standard error of the mean, [B]; one draw cannot tell."""
        if self.count < 2:
            return torch.full_like(self.mean, math.nan)
        return (self._square / (self.count - 1) / self.count).sqrt()

    @property
    def square_sum(self) -> Tensor:
        """Σ value², [B]."""
        return self._square + self.count * self.mean.square()


class Weights:
    """K weights per example, from chunks of log w [k, B], in float64.

    Arguments: num_samples, K, by which is decided how many of the largest are kept for k̂.
    """

    def __init__(self, num_samples: int) -> None:
        self._tail = tail_size(num_samples)
        self._top, self._scale, self._moments = torch.zeros(()), torch.tensor(-math.inf), RunningMean()

    def add(self, log_w: Tensor) -> None:
        log_w = log_w.double()
        scale = torch.maximum(self._scale.to(log_w.device), log_w.amax(0))  # [B]
        scale = torch.where(scale == -math.inf, 0.0, scale)
        self._moments.scale((self._scale - scale).exp())
        self._moments.add((log_w - scale).exp())
        self._scale = scale
        held = torch.cat([self._top, log_w]) if self._moments.count > len(log_w) else log_w
        self._top = held.topk(min(self._tail + 1, len(held)), 0).values

    @property
    def log_mean(self) -> Tensor:
        """log 1/K Σ_k w_k, [B]."""
        return self._moments.mean.log() + self._scale

    @property
    def stderr(self) -> Tensor:
        """The standard error of `log_mean` by the delta method, sd(w)/(√K·mean w), [B]."""
        return self._moments.stderr / self._moments.mean

    @property
    def ess(self) -> Tensor:
        """The effective number of samples (Σw)²/Σw², [B]."""
        return (self._moments.count * self._moments.mean).square() / self._moments.square_sum

    @property
    def health(self) -> dict[str, Tensor]:
        """Diagnostics that say how far the weights can be trusted."""
        return {"ess": self.ess, "khat": self.khat}

    @property
    def khat(self) -> Tensor:
        """The Pareto shape of the largest weights, [B]; NaN below 25 samples."""
        return pareto_k_of(self._top, self._tail)
