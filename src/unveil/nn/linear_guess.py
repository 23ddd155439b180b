"""What the shown columns of a table say linearly of all others, which a network is told beside them.

References: Dempster, Laird & Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977), §4.1, for the
covariance of rows with gaps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .factors import factor_analysis

FACTORS, FEATURES = 32, 128  # at most; of more features those that tell most of the others are used
ROWS, WORK, ROUNDS = 2048, 1e9, 12  # rows looked at, of wide tables with gaps as many as the work allows; rounds of EM
PRIOR = 3.0  # rows of N(0, I) that the covariance has seen beforehand
LEAST_PSI = 0.01  # of the variance of a feature, that is its own
FAR = 4.0  # standard deviations within which features and guesses are kept
LEAST_SPREAD = 1e-6


class LinearGuess(nn.Module):
    """E[u|u_shown] of features u [F] that are normal together: u = W z + ε, ε ∼ N(0, diag ψ), in standard deviations.

    E[z|u_shown] = M⁻¹ Wᵀψ⁻¹u over what is shown, with M = I + Wᵀψ⁻¹W over it. The covariance of training rows is
    estimated with their gaps, and W and ψ are its factor analysis. All of this is solved for, and not trained.

    Arguments: size, F; blocks, the features of each category, of which the most frequent is left out: it is what all
    others leave.
    """

    mean: Tensor
    scale: Tensor
    W: Tensor
    psi: Tensor

    def __init__(self, size: int, blocks: Sequence[range]) -> None:
        super().__init__()
        self.size, self.rank, self._blocks = size, min(FACTORS, size), blocks
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("W", torch.zeros(size, self.rank))
        self.register_buffer("psi", torch.ones(size))

    @torch.no_grad()
    def forward(self, u: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """(u with its guess in the place of what is not shown [..., F], E[z|u_shown] [..., q]).

        Arguments: u [..., F]; shown [..., F], whether it is.
        """
        used = (self.W != 0).any(-1).float().topk(min(self.size, FEATURES)).indices  # [n], with a few that tell nothing
        W, told = self.W[used], shown[..., used]
        weighted = W / self.psi[used].unsqueeze(-1)
        right = torch.where(told, self._standard(u[..., used], used), 0.0) @ weighted  # [..., q]
        rows = told.flatten(0, -2)
        if not self.training and len(rows) and bool((rows == rows[0]).all()):  # as where x is judged column by column
            z = torch.cholesky_solve(right.flatten(0, -2).T, _root(rows[0], weighted, W)).T.view_as(right)
        else:
            z = torch.cholesky_solve(right.unsqueeze(-1), _root(told, weighted, W)).squeeze(-1)
        guess = self.mean + self.scale * (z @ self.W.T).clamp(-FAR, FAR)
        return torch.where(shown, u, guess), z.clamp(-FAR, FAR)

    @torch.no_grad()
    def fit(self, u: Tensor, seen: Tensor) -> None:
        """Solve for everything, from u [N, F] of rows in an order of chance and whether it is seen [N, F]."""
        u, o = u[:ROWS].double(), seen[:ROWS].double()
        count = o.sum(0).clamp(min=1)
        mean = (u * o).sum(0) / count
        scale = ((u - mean) ** 2 * o).sum(0).div(count).sqrt()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(scale > LEAST_SPREAD, scale, 1.0))
        u = self._standard(u, torch.arange(self.size, device=u.device)) * o
        used = self._used(u, o, scale > LEAST_SPREAD)
        self.W.zero_()
        self.psi.fill_(1.0)
        if len(used) > 1:
            found = factor_analysis(covariance(u[:, used], o[:, used]), min(self.rank, len(used) - 1), LEAST_PSI)
            self.W[used, : found.W.shape[1]] = found.W.float()
            self.psi[used] = found.psi.float()

    def _standard(self, u: Tensor, places: Tensor) -> Tensor:
        return ((u - self.mean[places]) / self.scale[places]).clamp(-FAR, FAR)

    def _used(self, u: Tensor, o: Tensor, varies: Tensor) -> Tensor:
        """The places [n] of features that tell something of their own: of many those most correlated with others."""
        used = varies.clone()
        for block in self._blocks:
            used[block.start + int(self.mean[block.start : block.stop].argmax())] = False
        if int(used.sum()) > FEATURES:
            correlation = (u.T @ u) / (o.T @ o).clamp(min=1)
            told = torch.where(used, (correlation**2)[used].sum(0), -1.0)
            used = torch.zeros_like(used).index_fill_(0, told.topk(FEATURES).indices, True)
        return used.nonzero().flatten()


def _root(shown: Tensor, weighted: Tensor, W: Tensor) -> Tensor:
    """The lower root of M, [..., q, q], from what is shown [..., n], ψ⁻¹W and W [n, q]."""
    q = W.shape[-1]
    outer = (weighted.unsqueeze(-1) * W.unsqueeze(-2)).flatten(1)  # [n, q·q]
    M = (shown.to(outer.dtype) @ outer).unflatten(-1, (q, q))
    root: Tensor = torch.linalg.cholesky(M + torch.eye(q, device=M.device))
    return root


def covariance(u: Tensor, o: Tensor) -> Tensor:
    """The covariance [F, F] of rows u [N, F] about 0 by EM, with `PRIOR` rows of N(0, I).

    Arguments: u, 0 where it is not seen; o, 1 where it is.
    """
    F, whole = u.shape[1], (o > 0).all(-1)
    eye = torch.eye(F, dtype=u.dtype, device=u.device)
    fixed, count = u[whole].T @ u[whole] + PRIOR * eye, float(whole.sum()) + PRIOR
    u, o = u[~whole], o[~whole]
    some = min(len(u), max(F, int(WORK / F**3)))
    if not some:
        return fixed / count
    weight = len(u) / some  # of each gappy row that is looked at
    u, o = u[:some], o[:some]
    S, gap = (fixed / count if count > F else eye), 1 - o
    for _ in range(ROUNDS):
        within = S * o.unsqueeze(-1) * o.unsqueeze(-2) + torch.diag_embed(gap)  # of what is seen; 1 for what is not
        G = torch.linalg.solve(within, S * o.unsqueeze(-1))  # [N, F, F]: u G is E[u|u_seen]
        full = u + gap * torch.einsum("nf,nfg->ng", u, G)
        left = ((S - S @ G) * gap.unsqueeze(-1) * gap.unsqueeze(-2)).sum(0)  # of what is not seen, given what is
        S = (fixed + weight * (full.T @ full + left)) / (count + weight * some)
        S = (S + S.T) / 2
    return S
