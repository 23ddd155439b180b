"""Distributions over counts 0, 1, 2, …, exact to float32 up to 2²⁴.

The textbook form x log λ − λ − log x! subtracts numbers of 10⁸ to find one of 10. Written as a deviance and the error
of Stirling's formula, every term is small:

    D(x, λ) = x log(x/λ) − x + λ = x (e^{−t} − 1 + t),  t = log x − log λ
    S(x) = log Γ(x + 1) − (x + ½) log x + x − ½ log 2π ≈ 1/12x

References: Loader, Fast and Accurate Computation of Binomial Probabilities (2000).
"""

import math

import torch
from torch import Tensor

from .event import Shape, Unchecked

LOG_2PI = math.log(2 * math.pi)


class Poisson(Unchecked):
    """P(x) = λˣ e^{−λ}/x!, so log P(x) = −D(x, λ) − S(x) − ½ log 2πx, and −λ at 0.

    Arguments: log_rate log λ [...].
    """

    def __init__(self, log_rate: Tensor) -> None:
        self.log_rate = log_rate
        super().__init__(log_rate.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_rate.exp()

    @property
    def variance(self) -> Tensor:
        return self.mean

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            return torch.poisson(self.mean.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        x = value.clamp(min=1)
        some = -_deviance(x, x.log() - self.log_rate) - stirling_error(x) - 0.5 * (LOG_2PI + x.log())
        return torch.where(value > 0, some, -self.log_rate.exp())


class NegativeBinomial(Unchecked):
    """P(x) = Γ(x + r)/(Γ(r) x!) · (r/(r + μ))ʳ (μ/(r + μ))ˣ: a Poisson whose rate is Gamma(r, r/μ).

    It has the mean μ and the variance μ + μ²/r; 1/r is the dispersion, and r → ∞ is the Poisson distribution.

    Arguments: log_mean log μ and log_size log r [...].
    """

    def __init__(self, log_mean: Tensor, log_size: Tensor) -> None:
        self.log_mean, self.log_size = torch.broadcast_tensors(log_mean, log_size)
        super().__init__(self.log_mean.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_mean.exp()

    @property
    def variance(self) -> Tensor:
        return self.mean + (2 * self.log_mean - self.log_size).exp()

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            size = self.log_size.exp().expand(self._extended_shape(sample_shape))
            return torch.poisson(torch._standard_gamma(size) * (self.log_mean - self.log_size).exp())

    def log_prob(self, value: Tensor) -> Tensor:
        x, r = value.clamp(min=1), self.log_size.exp()
        n = x + r
        t_size = torch.logaddexp(self.log_size, self.log_mean) - n.log()  # of r against its expectation n r/(r + μ)
        t_count = x.log() - self.log_mean + t_size  # of x against n μ/(r + μ)
        apart = _deviance(r, t_size) + _deviance(x, t_count)
        errors = stirling_error(n) - stirling_error(r) - stirling_error(x)
        some = errors - apart + 0.5 * (self.log_size - n.log() - LOG_2PI - x.log())
        none = -r * torch.nn.functional.softplus(self.log_mean - self.log_size)
        return torch.where(value > 0, some, none)


def _deviance(x: Tensor, t: Tensor) -> Tensor:
    """x (e^{−t} − 1 + t)."""
    return x * (torch.expm1(-t) + t)


def stirling_error(x: Tensor) -> Tensor:
    """S(x) = log Γ(x + 1) − (x + ½) log x + x − ½ log 2π; the series is exact to 1e-11 from 16 upwards."""
    small, large = x.clamp(max=16), x.clamp(min=16)
    direct = torch.lgamma(small + 1) - (small + 0.5) * small.log() + small - 0.5 * LOG_2PI
    square = large**-2
    series = (1 / 12 - (1 / 360 - square / 1260) * square) / large
    return torch.where(x < 16, direct, series)
