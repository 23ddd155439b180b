"""The best linear-Gaussian model of a table: factor analysis, with the number of factors that held-out rows ask for.

u = W z + ε, z ∼ N(0, I), ε ∼ N(0, diag ψ)

References: Jöreskog, Some Contributions to Maximum Likelihood Factor Analysis (1967), eq. 17–20; Tipping & Bishop,
Probabilistic Principal Component Analysis (1999), eq. 7–8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

RANKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
ROUNDS = 100  # of the fixed point for ψ
DENSE = 256  # columns up to which ψ is climbed to, where there are more rows
HELD_OUT = 5  # every fifth row judges the number of factors
EM_ROUNDS = 30
DEARER = 2e8  # multiplications from which a round of EM sees fewer rows


@dataclass(frozen=True)
class Factors:
    """W [D, q], its columns orthogonal in Wᵀψ⁻¹W, and ψ [D]; in float64.

    With q = 0 the columns of u are independent.
    """

    W: Tensor
    psi: Tensor

    @property
    def precision(self) -> Tensor:
        """The diagonal of M = I + Wᵀψ⁻¹W, all of which it has: p(z|u) = N(M⁻¹Wᵀψ⁻¹u, M⁻¹) factorises, [q]."""
        return 1 + (self.W**2 / self.psi.unsqueeze(-1)).sum(0)

    @property
    def gain(self) -> Tensor:
        """M⁻¹ Wᵀ ψ⁻¹ [q, D]: E[z|u] = gain u."""
        return (self.W / self.psi.unsqueeze(-1)).T / self.precision.unsqueeze(-1)

    def log_prob(self, u: Tensor) -> Tensor:
        """log N(u; 0, W Wᵀ + ψ) of u [N, D], in nats: [N]."""
        z = u @ self.gain.T
        error = ((u - z @ self.W.T) ** 2 / self.psi).sum(-1)
        log_det = self.psi.log().sum() + self.precision.log().sum()
        return -0.5 * (u.shape[1] * math.log(2 * math.pi) + log_det + error + (z**2).sum(-1))


Fit = Callable[[Tensor, Sequence[int], float], list[Factors]]


def best_factors(u: Tensor, most: int, least_psi: float, unit: Tensor | None = None) -> Factors:
    """Of centred u [N, D], the linear-Gaussian model with at most so many factors that is best on held-out rows.

    Tried are pPCA of u and of unit·u, pPCA with the noise that is left in each column, and, for few columns, factor
    analysis.

    Arguments: least_psi, the smallest noise variance; unit [D], in which the noise may be the same for all columns.
    """
    u = u.double()
    ranks = [0, *(r for r in RANKS if r <= min(most, u.shape[1] - 1, len(u) - 2))]
    held = torch.arange(len(u), device=u.device) % HELD_OUT == HELD_OUT - 1
    if not held.any():
        return _independent(u, least_psi)
    tried = [
        (fit, rank, f) for fit in _fits(u, unit) for rank, f in zip(ranks, fit(u[~held], ranks, least_psi), strict=True)
    ]
    fit, rank, _ = max(tried, key=lambda one: float(one[2].log_prob(u[held]).mean()))
    return fit(u, [rank], least_psi)[0]


def _fits(u: Tensor, unit: Tensor | None) -> list[Fit]:
    few = u.shape[1] <= min(DENSE, len(u))
    return [
        _isotropic,
        _left_over,
        *([] if unit is None else [_in_units(unit.double())]),
        *([_diagonal] if few else []),
    ]


def _in_units(unit: Tensor) -> Fit:
    def fit(u: Tensor, ranks: Sequence[int], least_psi: float) -> list[Factors]:
        found = _isotropic(u * unit, ranks, 0.0)
        return [_rotated(f.W / unit.unsqueeze(-1), (f.psi / unit**2).clamp(min=least_psi)) for f in found]

    return fit


def _independent(u: Tensor, least_psi: float) -> Factors:
    return Factors(u.new_zeros(u.shape[1], 0), (u**2).mean(0).clamp(min=least_psi))


def _isotropic(u: Tensor, ranks: Sequence[int], least_psi: float) -> list[Factors]:
    """W = U (Λ − ψ)^½, ψ the mean of the other eigenvalues."""
    (basis, strength), total, D = _spectrum(u, max(ranks)), float((u**2).sum()) / len(u), u.shape[1]

    def of(rank: int) -> Factors:
        psi = max(least_psi, (total - float(strength[:rank].sum())) / (D - rank))
        W = basis[:, :rank] * (strength[:rank] - psi).clamp(min=0).sqrt()
        return Factors(W, torch.full_like(W[:, 0] if rank else u[0], psi))

    return [of(rank) for rank in ranks]


def _left_over(u: Tensor, ranks: Sequence[int], least_psi: float) -> list[Factors]:
    """W of pPCA, ψ = diag(S − W Wᵀ)."""
    variance = (u**2).mean(0)
    found = _isotropic(u, ranks, least_psi)
    return [_rotated(f.W, (variance - (f.W**2).sum(-1)).clamp(min=least_psi)) for f in found]


def _diagonal(u: Tensor, ranks: Sequence[int], least_psi: float) -> list[Factors]:
    cov = u.T @ u / len(u)
    return [_fixed_point(cov, rank, least_psi) for rank in ranks]


def _spectrum(u: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The leading eigenvectors [D, ≥ most] and eigenvalues of uᵀu/N."""
    if u.shape[1] <= 4 * most:
        strength, basis = torch.linalg.eigh(u.T @ u / len(u))
        return basis.flip(-1), strength.flip(-1).clamp(min=0)
    _, s, basis = torch.svd_lowrank(u, q=min(most + 10, *u.shape), niter=3)
    return basis, s**2 / len(u)


def _fixed_point(cov: Tensor, rank: int, least_psi: float) -> Factors:
    """The fixed point of ψ = diag(S − W Wᵀ), W = ψ^½ U (Λ − 1)^½ from the eigenvectors of ψ^−½ S ψ^−½."""
    variance = cov.diagonal().clamp(min=least_psi)
    psi, W = (variance if rank == 0 else 0.5 * variance), cov.new_zeros(len(cov), rank)
    for _ in range(ROUNDS if rank else 0):
        root = psi.sqrt()
        strength, basis = torch.linalg.eigh(cov / root / root.unsqueeze(-1))
        W = root.unsqueeze(-1) * basis.flip(-1)[:, :rank] * (strength.flip(-1)[:rank] - 1).clamp(min=0).sqrt()
        found = (variance - (W**2).sum(-1)).clamp(min=least_psi)
        settled = bool(((found / psi).log().abs() < 1e-3).all())
        psi = found
        if settled:
            break
    return _rotated(W, psi)


def _rotated(W: Tensor, psi: Tensor) -> Factors:
    """The same model with Wᵀψ⁻¹W diagonal."""
    if W.shape[1]:
        _, _, turn = torch.linalg.svd(W / psi.sqrt().unsqueeze(-1), full_matrices=False)
        W = W @ turn.T
    return Factors(W, psi)


def climbed(factors: Factors, u: Tensor, seen: Tensor, least_psi: float) -> Factors:
    """The model after rounds of EM on u [N, D] with gaps, 0 where `seen` is False; as it came where a round costs much.

    E: p(z|u_seen) = N(m, S) of each row. M: row d of W regresses u_d on z over the rows where u_d is seen, and ψ_d is
    what is left, with the uncertainty of z in both.

    References: Rubin & Thayer, EM algorithms for ML factor analysis (1982), §2.
    """
    q = factors.W.shape[1]
    rows = min(len(u), int(DEARER / (u.shape[1] * q**2 + 1)))
    if q == 0 or rows < len(factors.psi):
        return factors
    u, o, W, psi = u[:rows], seen[:rows].to(u), factors.W, factors.psi
    eye = torch.eye(q, dtype=u.dtype, device=u.device)
    for _ in range(EM_ROUNDS):
        S = torch.linalg.inv(torch.einsum("nd,dq,dr->nqr", o / psi, W, W) + eye)  # [N, q, q]
        m = torch.einsum("nqr,nr->nq", S, (u * o) @ (W / psi.unsqueeze(-1)))
        zz = S + m.unsqueeze(-1) * m.unsqueeze(-2)
        A = torch.einsum("nd,nqr->dqr", o, zz) + 1e-6 * eye
        W = torch.linalg.solve(A, (u * o).T @ m)  # [D, q]
        left = o * (u - m @ W.T) ** 2 + o * torch.einsum("dq,nqr,dr->nd", W, S, W)
        psi = (left.sum(0) / o.sum(0).clamp(min=1)).clamp(min=least_psi)
    return _rotated(W, psi)
