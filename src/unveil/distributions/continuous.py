"""Densities over the line and over [0, 1]."""

import math

import torch
from torch import Tensor
from torch.distributions import Laplace as TorchLaplace
from torch.distributions import Normal

from .event import Shape, Unchecked

LARGE = 1e8  # r from which on log(1 + r²) is 2 log r to the last digit


def wide(x: Tensor) -> Tensor:
    """x in float64 where no gradient is taken: log p(x) of what lies 1e20 spreads out is no number of float32."""
    return x if torch.is_grad_enabled() else x.double()


class Bell(Normal):
    """N(μ, σ²) by (x − μ)/σ, so that no σ² overflows or vanishes: σ may be 1e-30 or 1e30 in float32."""

    def log_prob(self, value: Tensor) -> Tensor:
        u = (wide(value) - self.loc) / self.scale
        return -0.5 * u**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)


class Laplace(TorchLaplace):
    """p(x) = e^{−|x − μ|/b}/2b."""

    def log_prob(self, value: Tensor) -> Tensor:
        return -(wide(value) - self.loc).abs() / self.scale - (2 * self.scale).log()


class StudentT(Unchecked):
    """p(x) = Γ((ν+1)/2)/(Γ(ν/2) √(νπ) s) · (1 + (x − μ)²/(ν s²))^{−(ν+1)/2}.

    `mean` is μ, also where ν ≤ 1 and there is none. Here because torch's loses float32 digits in the difference of two
    log Γ of a large ν.

    Arguments: df ν, loc μ and scale s [...].
    """

    def __init__(self, df: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.df, self.loc, self.scale = torch.broadcast_tensors(df, loc, scale)
        super().__init__(self.loc.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        wide = self.scale**2 * self.df / (self.df - 2).clamp(min=1e-30)
        return torch.where(self.df > 2, wide, torch.inf)

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(sample_shape)
            normal = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
            half_chi2 = torch._standard_gamma((self.df / 2).expand(shape)).clamp(min=1e-30)
            return self.loc + self.scale * normal * (self.df / 2 / half_chi2).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        constant = _log_gamma_ratio(self.df / 2) - 0.5 * (self.df * math.pi).log() - self.scale.log()
        return constant - (self.df + 1) / 2 * _log_one_plus_square(
            (value - self.loc).abs(), self.scale * self.df.sqrt()
        )


def _log_one_plus_square(distance: Tensor, unit: Tensor) -> Tensor:
    """log(1 + r²) with r = distance/unit ≥ 0, also where r² overflows."""
    r, far = distance / unit, distance.clamp(min=torch.finfo(distance.dtype).tiny).log() - unit.log()
    return torch.where(r < LARGE, torch.log1p(r.clamp(max=LARGE) ** 2), 2 * far)


def _log_gamma_ratio(y: Tensor) -> Tensor:
    """log Γ(y + ½) − log Γ(y); the series is exact to 1e-10 from 10 upwards."""
    small, large = y.clamp(max=10), y.clamp(min=10)
    direct = torch.lgamma(small + 0.5) - torch.lgamma(small)
    square = large**-2
    series = 0.5 * large.log() - (1 / 8 - (1 / 192 - (1 / 640 - 17 / 14336 * square) * square) * square) / large
    return torch.where(y < 10, direct, series)


class ContinuousBernoulli(Unchecked):
    """p(x) = e^{ηx − A(η)} on [0, 1], with A(η) = log ∫₀¹ e^{ηx} dx = log (e^η − 1)/η and η = logit λ.

    Near η = 0 (λ = ½) series take the place of differences that cancel; torch's own clamps λ, and is no longer
    normalised beyond |η| = 16.

    References: Loaiza-Ganem & Cunningham, The continuous Bernoulli (2019), eq. 7-8.

    Arguments: logits η [...].
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self._flat = logits.abs() < 0.3
        self._safe = torch.where(self._flat, torch.ones_like(logits), logits)  # where no series is needed
        super().__init__(logits.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """A'(η) = 1/(1 − e^{−η}) − 1/η."""
        square, bent = self.logits**2, self._safe.abs()
        series = 0.5 + self.logits * (1 / 12 - square * (1 / 720 - square * (1 / 30240 - square / 1209600)))
        steep = -1 / torch.expm1(-bent) - 1 / bent  # at |η|
        return torch.where(self._flat, series, torch.where(self._safe > 0, steep, 1 - steep))

    @property
    def variance(self) -> Tensor:
        """A''(η) = 1/η² − 1/(4 sinh² η/2)."""
        square, bent = self.logits**2, self._safe.abs()
        series = 1 / 12 - square * (1 / 240 - square * (1 / 6048 - square / 172800))
        return torch.where(self._flat, series, bent**-2 - (-bent).exp() / torch.expm1(-bent) ** 2)

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        """F⁻¹(u) = log(1 + u (e^η − 1))/η, from the end of [0, 1] that is near."""
        with torch.no_grad():
            u = torch.rand(self._extended_shape(sample_shape), dtype=self.logits.dtype, device=self.logits.device)
            bent = self.logits.abs().clamp(min=1e-6)
            down = (-torch.log1p(u * torch.expm1(-bent)) / bent).clamp(0, 1)  # for −|η|
            return torch.where(self.logits > 0, 1 - down, down)

    def log_prob(self, value: Tensor) -> Tensor:
        square, bent = self.logits**2, self._safe.abs()
        steep = self._safe.clamp(min=0) + (-torch.expm1(-bent)).log() - bent.log()
        series = self.logits / 2 + square * (1 / 24 - square * (1 / 2880 - square * (1 / 181440 - square / 9676800)))
        return self.logits * value - torch.where(self._flat, series, steep)
