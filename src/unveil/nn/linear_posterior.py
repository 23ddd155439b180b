"""The exact posterior of a linear-Gaussian model as features of an encoder, whatever part of x is observed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..registry import register
from .factors import Factors

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

    p(z|u_o) = N(M⁻¹ Wᵀ ψ⁻¹ o (u − E[u|y]), M⁻¹) with M = I + Wᵀ diag(o/ψ) W.

    Features are its mean m and `unbounded(log s)` of its standard deviations, [B, 2·S]. Nothing here is learned by
    gradients: it is set once, from training examples; before that W = 0, m = 0 and s = 1.

    Arguments: num_values, D of x; num_latents, S; num_classes, C or 0.
    """

    W: Tensor
    psi: Tensor
    means: Tensor

    def __init__(self, num_values: int, num_latents: int, num_classes: int = 0) -> None:
        super().__init__()
        self.num_latents, self.num_features = num_latents, 2 * num_latents
        self.register_buffer("W", torch.zeros(num_values, num_latents))
        self.register_buffer("psi", torch.ones(num_values))
        self.register_buffer("means", torch.zeros(num_classes, num_values))

    @torch.no_grad()
    def set(self, factors: Factors, means: Tensor) -> None:
        """Take W and ψ, and E[u|y] [C, D]."""
        self.W.zero_()[:, : factors.W.shape[1]] = factors.W
        self.psi.copy_(factors.psi)
        self.means.copy_(means)

    def forward(self, u: Tensor, observed: Tensor | None, label: Tensor | None) -> Tensor:
        """u [B, *shape], 0 where it is not observed; observed [B, *shape] or None; label [B, C] or None."""
        u, seen = u.flatten(1), None if observed is None else observed.flatten(1)
        u = u if label is None else u - label @ self.means
        if seen is None:
            factors = Factors(self.W, self.psi)
            mean = u @ factors.gain.T
            return torch.cat([mean, unbounded(-0.5 * factors.precision.log()).expand_as(mean)], -1)
        weighted = self.W.double() / self.psi.double().unsqueeze(-1)
        right = torch.where(seen, u, 0.0).double() @ weighted  # [B, S]
        M = torch.einsum("bd,ds,dt->bst", seen.double(), weighted, self.W.double())
        M = M + torch.eye(self.num_latents, dtype=M.dtype, device=M.device)
        root = torch.linalg.cholesky(M)
        mean = torch.cholesky_solve(right.unsqueeze(-1), root).squeeze(-1)
        variance = torch.cholesky_inverse(root).diagonal(dim1=-2, dim2=-1)
        return torch.cat([mean, unbounded(0.5 * variance.log())], -1).to(u.dtype)
