"""The posterior of a linear model as features of an encoder, whatever part of x is observed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..registry import register
from .factors import Factors
from .mixed_factors import MixedFactors, log_shares

REACH = 8.0  # of log s: a posterior keeps it within ±8 of the prior's


def bounded(value: Tensor) -> Tensor:
    """8 tanh(value/8)."""
    return REACH * torch.tanh(value / REACH)


def unbounded(log_s: Tensor) -> Tensor:
    """The value that is `bounded` to log s."""
    return REACH * torch.atanh((log_s / REACH).clamp(-0.99, 0.99))


@register("encoder", "linear_posterior")
class LinearPosterior(nn.Module):
    """The posterior of u = E[u|y] + W z + ε, ε ∼ N(0, diag ψ), under a mask o of what is observed.

    With z ∼ Σ_c π_c N(μ_c, diag σ_c²), one component being N(0, I):

    p(z|u_o, c) = N(M_c⁻¹ (Wᵀ ψ⁻¹ o (u − E[u|y]) + μ_c/σ_c²), M_c⁻¹) with M_c = diag(1/σ_c²) + Wᵀ diag(o/ψ) W.

    Features are the mean m of p(z|u_o) and `unbounded(log s)` of its standard deviations, [B, 2·S]. Nothing here is
    learned by gradients: it is set once, from training examples; before that W = 0, m = 0 and s = 1.

    Arguments: num_values, D of x; num_latents, S; num_classes, C or 0; num_components, of the mixture.
    """

    W: Tensor
    psi: Tensor
    means: Tensor
    log_pi: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(self, num_values: int, num_latents: int, num_classes: int = 0, num_components: int = 1) -> None:
        super().__init__()
        self.num_latents, self.num_features = num_latents, 2 * num_latents
        self.register_buffer("W", torch.zeros(num_values, num_latents))
        self.register_buffer("psi", torch.ones(num_values))
        self.register_buffer("means", torch.zeros(num_classes, num_values))
        self.register_buffer("log_pi", torch.zeros(num_components))
        self.register_buffer("loc", torch.zeros(num_components, num_latents))
        self.register_buffer("scale", torch.ones(num_components, num_latents))

    @torch.no_grad()
    def set(self, start: MixedFactors, means: Tensor) -> None:
        """Take a linear model of at most S factors, and E[u|y] [C, D]."""
        q = start.factors.W.shape[1]
        self.W.zero_()[:, :q] = start.factors.W
        self.psi.copy_(start.factors.psi)
        self.means.copy_(means)
        self.log_pi.copy_(start.log_pi)
        self.loc.zero_()[:, :q] = start.loc
        self.scale.fill_(1.0)[:, :q] = start.scale

    def forward(self, u: Tensor, observed: Tensor | None, label: Tensor | None) -> Tensor:
        """u [B, *shape], 0 where it is not observed; observed [B, *shape] or None; label [B, C] or None."""
        u, seen = u.flatten(1), None if observed is None else observed.flatten(1)
        u = u if label is None else u - label @ self.means
        r, mean, variance = self._whole(u) if seen is None else self._masked(u, seen)  # [B, C], [B, C, S]
        middle = (r.unsqueeze(-1) * mean).sum(-2)
        variance = (r.unsqueeze(-1) * (variance + (mean - middle.unsqueeze(-2)) ** 2)).sum(-2)
        return torch.cat([middle, unbounded(0.5 * variance.log())], -1).to(u.dtype)

    def _whole(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r_c, and mean and variance of p(z|u, c), which factorises."""
        factors = Factors(self.W, self.psi)
        right, strength = u @ factors.weighted, factors.precision - 1
        r = log_shares(right.double(), *(v.double() for v in (strength, self.log_pi, self.loc, self.scale)))
        M = self.scale**-2 + strength  # [C, S]
        mean = (right.unsqueeze(-2) + self.loc * self.scale**-2) / M
        return r.softmax(-1).to(u.dtype), mean, 1 / M

    def _masked(self, u: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from what is seen of u, where M_c is a matrix for each example."""
        W, psi, loc, scale = (v.double() for v in (self.W, self.psi, self.loc, self.scale))
        weighted = W / psi.unsqueeze(-1)
        right = (torch.where(seen, u, 0.0).double() @ weighted).unsqueeze(-2) + loc * scale**-2  # [B, C, S]
        M = torch.einsum("bd,ds,dt->bst", seen.double(), weighted, W).unsqueeze(-3) + torch.diag_embed(scale**-2)
        root = torch.linalg.cholesky(M)  # [B, C, S, S]
        mean = torch.cholesky_solve(right.unsqueeze(-1), root).squeeze(-1)
        log_det = root.diagonal(dim1=-2, dim2=-1).log().sum(-1) + scale.log().sum(-1)
        fit = (right * mean).sum(-1) - ((loc / scale) ** 2).sum(-1)
        r = (self.log_pi.double() - log_det + 0.5 * fit).softmax(-1)
        return r, mean, torch.cholesky_inverse(root).diagonal(dim1=-2, dim2=-1)
