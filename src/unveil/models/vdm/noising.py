"""Noise of every strength on x, the network that estimates it, and p(x|z₀): what both forms of a diffusion share."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...distributions import Bell, EventSum, NoisedLevel
from ...domain import Domain
from ...errors import RequestError
from ...likelihoods.base import moments, refuse_constant
from ...nn.fourier import waves
from ...nn.marginals import Marginals
from ...nn.noise import Noise, Path, signal_and_noise
from ...nn.unet import DenoisingMLP, UNet

Prediction = Literal["v", "eps", "x"]
DOMAINS = ("binary", "levels", "real")
PERIODS = (1.0, 2.0)  # of the Fourier features, in levels
MANY = 8  # levels from which on there are such features
ROWS = 256  # examples × samples of one pass of the network, where no gradient is asked for
FAR = 1e6  # spreads, within which z is kept: squares of 1e20 are no numbers of float32
NEAREST, FIRST, FARTHEST = 1 / 40, 1 / 6, 1 / 2  # σ₀/α₀ in levels: least, at the start, most


class Noising(nn.Module):
    """z = α x̃ + σ ε with α² = σ(−γ), σ² = σ(γ), of x̃ = (x − centre)/spread, and ε̂(z; γ), an estimate of ε.

    ε̂ starts as that of independent dimensions (`Marginals`), which the network adds to. What it adds is taken for an
    amount of ε, of x̃ or of v = α ε − σ x̃; the three are views of one regression, since z is known:
    ε̂ = (z − α x̂)/σ = α v̂ + σ z.

    References: Kingma et al., Variational Diffusion Models (2021), §3 and appendix B; Salimans & Ho, Progressive
    Distillation (2022), §4 and appendix D (v).

    Arguments:
        domain: binary, levels or real.
        network: "unet" or "mlp"; width, depth and patch (unet) of it.
        prediction: what its output is taken for.
        noise: the way of γ between its ends.
        fourier: whether it sees where z lies between neighbouring levels.
        num_classes: C, or 0.
    """

    centre: Tensor
    spread: Tensor

    def __init__(
        self,
        domain: Domain,
        network: str,
        width: int,
        depth: int,
        patch: int,
        prediction: Prediction,
        noise: Path,
        fourier: bool,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.domain, self.prediction, self.num_classes = domain, prediction, num_classes
        self.periods = PERIODS if fourier and domain.is_finite and domain.levels > MANY else ()
        features, size = 2 + 2 * len(self.periods), {"width": width, "depth": depth, "num_classes": num_classes}
        self.network: nn.Module = (
            UNet(domain.shape, features, patch=patch, **size)
            if network == "unet"
            else DenoisingMLP(domain.shape, features, **size)
        )
        self.noise, self.marginals = Noise(noise), Marginals(domain.shape)
        by_column = not domain.is_image
        self.register_buffer("centre", torch.zeros(domain.shape if by_column else ()))
        self.register_buffer("spread", torch.ones(domain.shape if by_column and not domain.is_finite else ()))

    def initialise(self, x: Tensor, observed: Tensor | None) -> None:
        """Centre and spread of training examples, and γ₀ by the distance of their levels."""
        seen, known = moments(x, observed), x if observed is None else x[observed]
        self.centre.copy_(known.mean() if self.domain.is_image else seen.mean)
        if not self.domain.is_finite and not self.domain.is_image:
            refuse_constant(seen)
            self.spread.copy_(seen.std)
        else:
            std = known.std()
            self.spread.copy_(torch.where(std > 0, std, torch.ones_like(std)))
        distance = 1 / float(self.spread) if self.domain.is_finite else 0.0
        self.marginals.initialise(self.scaled(x, observed), distance)
        if self.domain.is_finite:
            self.noise.start(*(2 * math.log(s * distance) for s in (NEAREST, FIRST, FARTHEST)))

    def scaled(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """x̃ [B, *shape], kept within ±FAR; 0 where x is not observed.

        It is the mean of q(z|x), which may be any: p(x|z₀) is of x itself, however far that is.
        """
        scaled = ((x - self.centre) / self.spread).clamp(-FAR, FAR)
        return scaled if observed is None else torch.where(observed, scaled, torch.zeros_like(scaled))

    def unscaled(self, scaled: Tensor) -> Tensor:
        """x of x̃."""
        return scaled * self.spread + self.centre

    def px(self, z: Tensor, observed: Tensor | None = None) -> EventSum:
        """p(x|z₀), z₀ [..., *shape]: of levels ∝ q(z₀|x), of real x N(z₀/α₀, σ₀²/α₀²) in the units of x."""
        first, _ = self.noise.limits
        alpha, _ = signal_and_noise(first)
        u, s = self.unscaled(z / alpha), torch.exp(first / 2) * self.spread
        base: Distribution = (
            NoisedLevel(u, s, self.domain.levels)
            if self.domain.is_finite
            else Bell(u, s.expand(u.shape), validate_args=False)
        )
        return EventSum(base, len(self.domain.shape), observed)

    def per_row(self, value: Tensor) -> Tensor:
        """[...] with trailing dimensions of size 1 for the event."""
        return value.reshape(value.shape + (1,) * len(self.domain.shape))

    def total(self, value: Tensor) -> Tensor:
        """The sum over the event, [..., *shape] → [...]."""
        return value.sum(tuple(range(-len(self.domain.shape), 0)))

    def find_noise(self, z: Tensor, gamma: Tensor, y: Tensor | None, dtype: torch.dtype = torch.float32) -> Tensor:
        """ε̂ [N, *shape] of z [N, *shape] at γ [N], for labels y [N] (C or more: not known)."""
        if torch.is_grad_enabled() or len(z) <= ROWS:
            return self._find_noise(z, gamma, y, dtype)
        labels = [None] * len(z) if y is None else y.split(ROWS)
        parts = zip(z.split(ROWS), gamma.split(ROWS), labels, strict=False)
        return torch.cat([self._find_noise(*part, dtype) for part in parts])

    def _find_noise(self, z: Tensor, gamma: Tensor, y: Tensor | None, dtype: torch.dtype) -> Tensor:
        first, last = self.noise.limits
        time = ((gamma - first) / (last - first)).detach()
        alpha, sigma = signal_and_noise(gamma)
        alone = self.marginals(z, alpha, sigma)  # ε̂ of each value by itself
        seen = torch.cat([torch.stack([z, alone], -1), waves(self.unscaled(z), self.periods)[..., 1:]], -1)
        with torch.autocast(z.device.type, torch.bfloat16, enabled=dtype != torch.float32):
            out = self.network(seen, time, y)
        return self._improved(alone, out.to(z.dtype), self.per_row(alpha), self.per_row(sigma))

    def _improved(self, alone: Tensor, out: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """ε̂ after the correction of ε̂, v̂ or x̂ that the network states: dε̂ = α dv̂ = −(α/σ) dx̂."""
        if self.prediction == "eps":
            return alone + out
        return alone + alpha * out if self.prediction == "v" else alone - alpha / sigma * out


def check_domain(domain: Domain) -> None:
    """Refuse data for which p(x|z₀) is not a likelihood."""
    if domain.kind not in DOMAINS:
        raise RequestError(
            f"The model 'vdm' is one of binary, levels or real data and the data is {domain}; take --model vae.",
            "Any numbers are real data with data.domain=real.",
        )
