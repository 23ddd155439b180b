"""A VAE whose networks have linear paths starts as the best linear-Gaussian model of x, with its exact posterior.

For u = (x − centre)/spread, and with labels for u − E[u|y], factor analysis gives u = W z + ε. The linear paths of the
decoder and of q are set to W and to p(z|u) = N(M⁻¹Wᵀψ⁻¹u, M⁻¹), the noise to ψ; what else the networks say is small.
So the bound starts at the log p(x) of that model, and training adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...batch import Batch
from ...likelihoods import Likelihood, moments
from ...nn.factors import Factors, best_factors
from ...nn.masking import join_mask
from ...posteriors import PosteriorHead
from .labels import one_hot

LEAST_NOISE = 1e-3  # σ in spreads of x
MOST = 200  # factors
VALUES = 6_000_000  # of x that are looked at
QUIET = 0.3  # of the usual start, and of the noise, for all that is not the linear model
FILLED = 5  # rounds in which gaps are filled by what the model expects there


@dataclass(frozen=True)
class LinearPaths:
    """Where a VAE is linear, and in what.

    Arguments:
        encoder: features whose last `linear_features` are what it sees.
        head: from features and C numbers of a label to q(z|x).
        decoder: with `linear` [P·D or D, S + C] and `quieten`.
        likelihood: with a `slope`.
        num_classes: C.
        sees_missing: whether the encoder sees the mask, too.
    """

    encoder: nn.Module
    head: PosteriorHead
    decoder: nn.Module
    likelihood: Likelihood
    num_classes: int
    sees_missing: bool

    @property
    def are_there(self) -> bool:
        """Whether both networks have them and the mean of the likelihood is linear in what is decoded."""
        linear = getattr(self.decoder, "linear", None) is not None and hasattr(self.decoder, "quieten")
        return linear and bool(getattr(self.encoder, "linear_features", 0)) and self.likelihood.slope is not None

    @torch.no_grad()
    def start(self, u: Tensor, batch: Batch, spread: Tensor) -> None:
        """Set them from training examples.

        Arguments: u, scaled x [N, *shape] with 0 where it is not observed; spread, such that x = centre + spread·u.
        """
        flat, seen = u.flatten(1).double(), None if batch.observed is None else batch.observed.flatten(1)
        means = self._class_means(flat, batch.y)
        if self.num_classes:
            assert batch.y is not None
            known = batch.y >= 0
            flat, seen = (flat - means[batch.y.clamp(min=0)])[known], None if seen is None else seen[known]
        factors = _factors(flat, seen, self.head.num_latents, spread)
        if self._start_q(factors, means, u.shape[1:]):
            self._start_p(factors, means, spread, u.shape[1:])

    def _class_means(self, u: Tensor, y: Tensor | None) -> Tensor:
        """E[u|y] − E[u] [C, D], 0 of a class without examples."""
        if not self.num_classes or y is None:
            return u.new_zeros(0, u.shape[1])
        member = one_hot(y.clamp(min=0), self.num_classes).to(u) * (y >= 0).unsqueeze(-1)  # [N, C]
        return member.T @ u / member.sum(0).clamp(min=1).unsqueeze(-1)

    def _start_q(self, factors: Factors, means: Tensor, shape: torch.Size) -> bool:
        gain = factors.gain.float()  # [q, D]
        rows = gain.reshape(-1, *shape)
        of_x = join_mask(rows, torch.zeros_like(rows)) if self.sees_missing else rows
        weight = gain.new_zeros(len(gain), self.head.num_features)
        last = self.head.num_features - self.num_classes
        weight[:, last - int(self.encoder.linear_features) : last] = of_x.flatten(1)  # type: ignore[arg-type]
        weight[:, last:] = -gain @ means.T.float()
        std = factors.precision.rsqrt().float()
        return self.head.start_linear(weight, torch.zeros_like(std), std)

    def _start_p(self, factors: Factors, means: Tensor, spread: Tensor, shape: torch.Size) -> None:
        slope, D, q = self.likelihood.slope, means.shape[1], factors.W.shape[1]
        assert slope is not None
        per_unit = (spread / slope).expand(shape).reshape(-1, 1)  # ∂h/∂u [D, 1]
        noise = factors.psi.sqrt().float()
        weight = self.decoder.linear.weight[:D]  # type: ignore[union-attr, index]
        weight *= QUIET * noise.unsqueeze(-1) * per_unit
        weight[:, :q] = factors.W.float() * per_unit
        if self.num_classes:
            weight[:, -self.num_classes :] = means.T.float() * per_unit
        self.decoder.quieten(QUIET * noise * per_unit.squeeze(-1))  # type: ignore[operator]
        self.likelihood.start_noise(noise.reshape(shape) * spread)


def num_factors(x: Tensor, observed: Tensor | None, images: bool) -> int:
    """The number of factors, up to 200, that the best linear model of x [N, *shape] has."""
    found = moments(x, observed)
    spread = (x if observed is None else x[observed]).std() if images else found.std
    spread = torch.where(spread > 0, spread, 1.0)
    u = (x - found.mean) / spread
    u = u if observed is None else torch.where(observed, u, 0.0)
    seen = None if observed is None else observed.flatten(1)
    return _factors(u.flatten(1).double(), seen, MOST, spread).W.shape[1]


def _factors(u: Tensor, seen: Tensor | None, most: int, spread: Tensor) -> Factors:
    """The best linear model of u [N, D], gaps being filled, round by round, by what the model so far expects there."""
    rows = max(1, VALUES // u.shape[1])
    u, seen = u[:rows], None if seen is None else seen[:rows]
    least, unit = LEAST_NOISE**2, spread if spread.ndim else None
    factors = best_factors(u, most, least, unit)
    if seen is None:
        return factors
    for _ in range(FILLED):
        expected = (u @ factors.gain.T) @ factors.W.T
        u = torch.where(seen, u, expected)
        factors = best_factors(u, most, least, unit)
    error = torch.where(seen, u - (u @ factors.gain.T) @ factors.W.T, 0.0)
    left = (error**2).sum(0) / seen.sum(0).clamp(min=1)  # what is filled in has no noise
    return Factors(factors.W, torch.maximum(factors.psi, left).clamp(min=least))
