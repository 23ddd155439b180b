"""The best linear-Gaussian model of a table: factor analysis, with the number of factors that held-out rows ask for.

u = W z + ε, z ∼ N(0, I), ε ∼ N(0, diag ψ)

References: Jöreskog, Some Contributions to Maximum Likelihood Factor Analysis (1967), eq. 17–20; Tipping & Bishop,
Probabilistic Principal Component Analysis (1999), eq. 7–8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

RANKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
ROUNDS = 100  # of the fixed point for ψ
DENSE = 256  # columns up to which ψ is climbed to, where there are more rows
HELD_OUT = 5  # every fifth row judges the number of factors; of a small table each of the five fifths in turn
FEW = 20_000  # values
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
    def weighted(self) -> Tensor:
        """ψ⁻¹ W [D, q]."""
        return self.W / self.psi.unsqueeze(-1)

    @property
    def gain(self) -> Tensor:
        """M⁻¹ Wᵀ ψ⁻¹ [q, D]: E[z|u] = gain u."""
        return self.weighted.T / self.precision.unsqueeze(-1)

    def log_prob(self, u: Tensor) -> Tensor:
        """log N(u; 0, W Wᵀ + ψ) of u [N, D], in nats: [N]."""
        z = u @ self.gain.T
        error = ((u - z @ self.W.T) ** 2 / self.psi).sum(-1)
        log_det = self.psi.log().sum() + self.precision.log().sum()
        return -0.5 * (u.shape[1] * math.log(2 * math.pi) + log_det + error + (z**2).sum(-1))


@dataclass(frozen=True)
class Rows:
    """Centred u [N, D] in float64, whose spectrum is worked out once."""

    u: Tensor

    @cached_property
    def variance(self) -> Tensor:
        return (self.u**2).mean(0)

    @cached_property
    def spectrum(self) -> tuple[Tensor, Tensor]:
        """The eigenvectors [D, min(N, D)] and eigenvalues of uᵀu/N, the largest first."""
        N, D = self.u.shape
        if N >= D:
            strength, basis = torch.linalg.eigh(self.u.T @ self.u / N)
            return basis.flip(-1), strength.flip(-1).clamp(min=0)
        strength, left = torch.linalg.eigh(self.u @ self.u.T / N)  # of the same values, and of N rows only
        strength, left = strength.flip(-1).clamp(min=1e-300), left.flip(-1)
        return self.u.T @ left / (N * strength).sqrt(), strength


Fit = Callable[[Rows, Sequence[int], float], list[Factors]]


def best_factors(u: Tensor, most: int, least_psi: float, unit: Tensor | None = None) -> Factors:
    """Of centred u [N, D], the linear-Gaussian model with at most so many factors that is best on held-out rows.

    Tried are pPCA of u and of unit·u, pPCA with the noise that is left in each column, and, for few columns, factor
    analysis.

    Arguments: least_psi, the smallest noise variance; unit [D], in which the noise may be the same for all columns.
    """
    u = u.double()
    return best_fit(u, most, least_psi, unit)(u)


def best_fit(u: Tensor, most: int, least_psi: float, unit: Tensor | None = None) -> Callable[[Tensor], Factors]:
    """How `best_factors` of u [N, D], in float64, fits its model, to be done with any rows."""
    if len(u) < HELD_OUT:
        return lambda rows: Factors(rows.new_zeros(rows.shape[1], 0), (rows**2).mean(0).clamp(min=least_psi))
    least = len(u) - math.ceil(len(u) / HELD_OUT)  # rows that are kept
    ranks = [0, *(r for r in RANKS if r <= min(most, u.shape[1] - 1, least - 2))]
    fits, judged = _fits(u, unit), torch.zeros(())
    for kept, held in folds(u):
        found = [model for fit in fits for model in fit(Rows(kept), ranks, least_psi)]
        judged = judged + torch.stack([model.log_prob(held).sum() for model in found])
    which, rank = divmod(int(judged.argmax()), len(ranks))
    return lambda rows: fits[which](Rows(rows), [ranks[rank]], least_psi)[0]


def folds(u: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows to fit on and to judge by: all but every fifth row, and those; of a small, long table each fifth in turn."""
    small = u.shape[1] < len(u) and u.numel() <= FEW
    place = torch.arange(len(u), device=u.device) % HELD_OUT
    for fold in range(HELD_OUT - 1, -1 if small else HELD_OUT - 2, -1):
        yield u[place != fold], u[place == fold]


def _fits(u: Tensor, unit: Tensor | None) -> list[Fit]:
    few = u.shape[1] <= min(DENSE, len(u))
    return [
        _isotropic,
        _left_over,
        *([] if unit is None else [_in_units(unit.double())]),
        *([_diagonal] if few else []),
    ]


def _in_units(unit: Tensor) -> Fit:
    def fit(rows: Rows, ranks: Sequence[int], least_psi: float) -> list[Factors]:
        found = _isotropic(Rows(rows.u * unit), ranks, 0.0)
        return [_rotated(f.W / unit.unsqueeze(-1), (f.psi / unit**2).clamp(min=least_psi)) for f in found]

    return fit


def _isotropic(rows: Rows, ranks: Sequence[int], least_psi: float) -> list[Factors]:
    """W = U (Λ − ψ)^½, ψ the mean of the other eigenvalues."""
    (basis, strength), total, D = rows.spectrum, float(rows.variance.sum()), rows.u.shape[1]

    def of(rank: int) -> Factors:
        psi = max(least_psi, (total - float(strength[:rank].sum())) / (D - rank))
        return Factors(basis[:, :rank] * (strength[:rank] - psi).clamp(min=0).sqrt(), basis.new_full((D,), psi))

    return [of(rank) for rank in ranks]


def _left_over(rows: Rows, ranks: Sequence[int], least_psi: float) -> list[Factors]:
    """W of pPCA, ψ = diag(S − W Wᵀ)."""
    found = _isotropic(rows, ranks, least_psi)
    return [_rotated(f.W, (rows.variance - (f.W**2).sum(-1)).clamp(min=least_psi)) for f in found]


def _diagonal(rows: Rows, ranks: Sequence[int], least_psi: float) -> list[Factors]:
    cov = rows.u.T @ rows.u / len(rows.u)
    return [factor_analysis(cov, rank, least_psi) for rank in ranks]


def factor_analysis(cov: Tensor, rank: int, least_psi: float) -> Factors:
    """Of a covariance S [D, D]: the fixed point of ψ = diag(S − W Wᵀ), W = ψ^½ U (Λ − 1)^½, ψ^−½ S ψ^−½ = U Λ Uᵀ."""
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
        _, turn = torch.linalg.eigh((W / psi.unsqueeze(-1)).T @ W)
        W = W @ turn.flip(-1)
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
