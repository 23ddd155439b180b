"""Probabilistic PCA of every size, from one singular value decomposition."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...batch import Batch
from ...domain import Domain
from ...models.linear_gaussian import LinearGaussian
from ...ops import keyed
from .afford import Cost, most_draws, require_affordable
from .examples import Density, Examples, counted, left_out, with_noise
from .search import Family

LATENTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200)


def ppca(examples: Examples, operations: float, seed: int) -> Family:
    """pPCA of x and of x in standard units (the knob), every size from one singular value decomposition of each."""
    x, D = examples.train, examples.domain.num_dims
    cost = Cost(score=lambda Z: D * (400 + 8.0 * Z) + 10.0 * Z**2, round=lambda size: 0.0, fixed=lambda size: 0.0)
    sizes = [s for s in (*LATENTS, D - 1) if s < D and s <= LATENTS[-1]]
    sizes = sorted({max(1, min(s, len(x) - 1)) for s in sizes} or {1})
    K = most_draws(examples, operations / 2, cost, 2 * sizes) if examples.domain.is_discrete else None
    most = sizes[-1] + 10
    rows = min(len(x), max(5 * most, int(operations / 2 / (2 * 24 * D * most))))
    judged = len(examples.valid) * 2 * sum(map(cost.score, sizes)) + len(examples.test) * cost.score(sizes[-1])
    require_affordable(2 * rows * 24 * D * most + (K or 1) * judged, operations)
    x = with_noise(x[:rows], examples.domain, seed)
    knobs = {knob: Principal.of(x, knob, most, seed) for knob in (0.0, 1.0)}
    return Family(
        sizes=tuple(sizes),
        knobs=tuple(knobs),
        fit=lambda size, knob, start: knobs[knob].density(size),
        starts=lambda size: 0,
        num_samples=K,
        phrase=lambda size: f"pPCA with {counted(size, 'component')}",
        remarks=left_out(examples, rows, rows),
    )


@dataclass(frozen=True)
class Principal:
    """What pPCA of any size is made from, in float64.

    Arguments: mean and scale [D], u = (x − mean)/scale; U [D, Q] and lam [Q], the leading eigenvectors and eigenvalues
    of the covariance of u; total, the sum of all D eigenvalues.
    """

    mean: Tensor
    scale: Tensor
    U: Tensor
    lam: Tensor
    total: float

    @staticmethod
    def of(x: Tensor, standardise: float, most: int, seed: int) -> Principal:
        x = x.flatten(1).double()
        mean, spread = x.mean(0), x.std(0, correction=0)
        scale = torch.where(spread > 0, spread, 1.0) if standardise else torch.ones_like(spread)
        u = (x - mean) / scale
        with keyed("baselines", "ppca", seed):
            _, s, U = torch.svd_lowrank(u, q=min(most, *u.shape), niter=3)
        return Principal(mean, scale, U, s**2 / len(u), float((u**2).sum() / len(u)))

    @torch.no_grad()
    def density(self, size: int) -> Density:
        """W = U_q (Λ_q − ψI)^½ and ψ = mean of the other eigenvalues; in the units of x, Jacobian included.

        References: Tipping & Bishop, Probabilistic Principal Component Analysis (1999), eq. 7-8.
        """
        D, q = len(self.mean), min(size, len(self.lam), len(self.mean) - 1)
        with keyed("baselines", "ppca", size):  # the constructor draws, and the caller's generator is not ours to move
            model = LinearGaussian(Domain("real", (D,)), latent=size).double()
        psi = max((self.total - float(self.lam[:q].sum())) / (D - q), model.floor * self.total / D)
        model.least_psi.fill_(model.floor * self.total / D)
        model.W.zero_()[:, :q] = self.U[:, :q] * (self.lam[:q] - psi).clamp(min=0).sqrt()
        model.log_psi.fill_(math.log(max(psi - float(model.least_psi), 1e-9 * psi)))
        jacobian = self.scale.log().sum()
        return lambda x: model.log_prob(Batch((x.flatten(1) - self.mean) / self.scale)) - jacobian
