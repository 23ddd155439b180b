"""Factor analysis whose factors follow a mixture of Gaussians: a mixture of factor analysers with common loadings.

u = W z + ε, z ∼ Σ_c π_c N(μ_c, diag σ_c²), ε ∼ N(0, diag ψ), with Wᵀψ⁻¹W = diag λ

All that u says of z is t = λ⁻¹Wᵀψ⁻¹u, and t|z ∼ N(z, diag 1/λ). So p(z|u) is a mixture of Gaussians that factorise.

References: Baek, McLachlan & Flack, Mixtures of Factor Analyzers with Common Factor Loadings (2010), §3–4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .factors import Factors, folds

COMPONENTS = (1, 2, 5, 10)
ROUNDS = 100  # of EM; W turns slowly where there is little noise
SMOOTHING = 1.0  # rows of N(0, I) that each component has seen beforehand
LEAST = 1e-6  # λ of a factor, and σ_c²


@dataclass(frozen=True)
class MixedFactors:
    """W and ψ, and log π [C], μ and σ [C, q] of the mixture; in float64."""

    factors: Factors
    log_pi: Tensor
    loc: Tensor
    scale: Tensor

    @classmethod
    def normal(cls, factors: Factors, num_components: int = 1) -> MixedFactors:
        """The linear model itself: C components that are all N(0, I)."""
        W = factors.W
        log_pi = W.new_full((num_components,), -math.log(num_components))
        loc = W.new_zeros(num_components, W.shape[1])
        return cls(factors, log_pi, loc, torch.ones_like(loc))

    def log_prob(self, u: Tensor) -> Tensor:
        """log p(u) of u [N, D], in nats: [N]."""
        weighted = self.factors.weighted
        normal = log_shares(u @ weighted, self.strength, *_standard(self.loc))
        mixed = log_shares(u @ weighted, self.strength, self.log_pi, self.loc, self.scale)
        return self.factors.log_prob(u) + mixed.logsumexp(-1) - normal.squeeze(-1)

    @property
    def strength(self) -> Tensor:
        """λ [q]."""
        return self.factors.precision - 1

    @property
    def stddev(self) -> Tensor:
        """The usual spread of z within p(z|u, c), [q]."""
        return (self.log_pi.exp() @ (1 / (self.strength + self.scale**-2))).sqrt()


def log_shares(right: Tensor, strength: Tensor, log_pi: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """log π_c N(t; μ_c, σ_c² + 1/λ) [N, C], up to a number that is the same for all mixtures.

    −½ Σ_j (Wᵀψ⁻¹u − λμ_c)²_j / (λ(1 + λσ_c²))_j − ½ Σ_j log(1 + λσ_c²)_j

    Arguments: right, Wᵀψ⁻¹u [N, q]; strength, λ [q]; log π [C], μ and σ [C, q].
    """
    strength = strength.clamp(min=LEAST)
    wide = 1 + strength * scale**2
    precision = 1 / (strength * wide)  # [C, q]
    mean = strength * loc
    square = right**2 @ precision.mT - 2 * right @ (mean * precision).mT + (mean**2 * precision).sum(-1)
    return log_pi - 0.5 * (square + wide.log().sum(-1))


def best_mixture(fit: Callable[[Tensor], Factors], u: Tensor) -> MixedFactors:
    """Of centred u [N, D], the mixture with the number of components that held-out rows ask for.

    It is 1, N(0, I), where what another number gains on held-out rows is not above its standard error.

    Arguments: fit, the linear model of rows.
    """
    sizes = [C for C in COMPONENTS if max(1, len(u) // 5) >= C]
    judged = []
    for kept, held in folds(u):
        factors = fit(kept)
        judged.append(torch.stack([mixed(factors, kept, C).log_prob(held) for C in sizes]))
    log_p = torch.cat(judged, -1)  # [sizes, N]
    best = int(log_p.sum(-1).argmax())
    gain = log_p[best] - log_p[0]
    return mixed(fit(u), u, sizes[best] if gain.mean() > gain.std() / math.sqrt(len(gain)) else 1)


def mixed(factors: Factors, u: Tensor, num_components: int) -> MixedFactors:
    """The linear model with a mixture of so many components, after rounds of EM over centred u [N, D]; ψ is held.

    E: r_c = p(c|u), E[z|u, c] = μ_c + k_c (t − μ_c), k_c = σ_c²/(σ_c² + 1/λ).   M: π, μ, σ with s rows of N(0, I) in
    each component; W = ψ^½ V λ^½, where V is the polar factor of ψ^−½ (Σ_n u zᵀ) λ^½ and λ^½ its shares in Σ_n z².
    """
    found = MixedFactors.normal(factors, num_components)
    if num_components == 1 or factors.W.shape[1] == 0 or len(u) < num_components:  # there is nothing to fit
        return found
    first = (u @ factors.weighted[:, 0]).argsort()  # by the leading factor
    chosen = first[((torch.arange(num_components) + 0.5) * len(u) / num_components).long().to(u.device)]
    loc = (u[chosen] @ factors.weighted) / found.strength.clamp(min=LEAST)
    found = MixedFactors(factors, found.log_pi, loc, found.scale)
    for _ in range(ROUNDS):
        found = _round(found, u)
    return found


def _round(old: MixedFactors, u: Tensor) -> MixedFactors:
    lam, right, variance = old.strength.clamp(min=LEAST), u @ old.factors.weighted, old.scale**2
    r = log_shares(right, lam, old.log_pi, old.loc, old.scale).softmax(-1)  # [N, C]
    t, k, n = right / lam, variance * lam / (1 + variance * lam), r.sum(0).unsqueeze(-1)
    kept = (1 - k) * old.loc  # E[z|u, c] = k t + kept
    sum_t, sum_tt = r.T @ t, r.T @ t**2
    first = k * sum_t + n * kept
    second = k**2 * sum_tt + 2 * k * kept * sum_t + n * (kept**2 + k / lam)
    loc = first / (n + SMOOTHING)
    scale = ((second + SMOOTHING) / (n + SMOOTHING) - loc**2).clamp(min=LEAST).sqrt()
    log_pi = ((n + SMOOTHING) / (n + SMOOTHING).sum()).log().squeeze(-1)
    factors = _turned(old.factors, u.T @ (t * (r @ k) + r @ kept), second.sum(0))
    return MixedFactors(factors, log_pi, loc, scale)


def _turned(old: Factors, uz: Tensor, zz: Tensor) -> Factors:
    """W = ψ^½ V λ^½ of Σ_n u E[z]ᵀ [D, q] and Σ_n E[z²] [q]."""
    root = old.psi.sqrt().unsqueeze(-1)
    cross = uz / root
    left, _, right = torch.linalg.svd(cross * (old.precision - 1).clamp(min=LEAST).sqrt(), full_matrices=False)
    V = left @ right
    return Factors(root * V * ((V * cross).sum(0) / zz).clamp(min=LEAST**0.5), old.psi)


def _standard(like: Tensor) -> Sequence[Tensor]:
    """log π, μ and σ of N(0, I)."""
    return like.new_zeros(1), torch.zeros_like(like[:1]), torch.ones_like(like[:1])
