"""Objectives that look at q(z) = E_x[q(z|x)], the posterior of all examples together."""

import math
from typing import Literal

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError
from ..model import Model, Posterior
from ..registry import register
from ..terms import Terms
from .base import Loss, Objective, check_from_zero, check_share, check_warmup, warmed
from .elbo import weighted


@register("objective", "beta_tcvae")
class BetaTcvae(Objective):
    """E_q[log p(x|z)] − α·I(x; z) − β·TC(z) − γ·D, a rate cut in three; the reported bound has α = β = γ = 1.

    rate = I + TC + D     I = KL(q(z, x)‖q(z) p(x))     TC = KL(q(z)‖Π_d q(z_d))     D = E[log Π_d q(z_d) − log p(z)]

    D is Σ_d KL(q(z_d)‖p(z_d)) where p(z) factorises. q(z) is estimated from the batch, with the drawn example's own
    density at its true share (stratified): q(z_i) ≈ 1/N q(z_i|x_i) + (N − 1)/N · mean_{j≠i} q(z_i|x_j), N the number of
    training examples. Its logarithm is too small in the mean, so I comes out too large in small batches.

    References: Chen et al., Isolating Sources of Disentanglement in VAEs (2018), eq. 2 and 4, appendix C.2.

    Arguments:
        beta: β ≥ 0, the weight of the total correlation.
        alpha: α ≥ 0, the weight of the index-code mutual information.
        gamma: γ ≥ 0, the weight of the dimension-wise term.
        warmup: share of the training (of each cycle) over which the weight of the whole rate grows from 0.
        cycles: how many times the weight starts again from 0, at equal distances.
    """

    needs = frozenset({"log_w", "rsample", "marginals"})

    def __init__(
        self, *, beta: float = 6.0, alpha: float = 1.0, gamma: float = 1.0, warmup: float = 0.1, cycles: int = 1
    ) -> None:
        check_warmup(warmup, cycles)
        for name, value in (("beta", beta), ("alpha", alpha), ("gamma", gamma)):
            check_from_zero(name, value)
        self.beta, self.alpha, self.gamma, self.warmup, self.cycles = beta, alpha, gamma, warmup, cycles
        self.num_examples = 0  # until the loop says so, the batch is all there is

    def prepare(self, num_examples: int) -> None:
        self.num_examples = num_examples

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        posterior = model.posterior(batch)
        terms = model.infer(batch, 1, posterior=posterior)
        weight = warmed(progress, self.warmup, self.cycles)
        loss = weighted(terms, weight)
        information, correlation, dimensions = rate_in_three(terms, posterior, self.num_examples)
        more = (self.alpha - 1) * information + (self.beta - 1) * correlation + (self.gamma - 1) * dimensions
        logs = {
            **loss.logs,
            "mutual_information": information.detach(),
            "total_correlation": correlation.detach(),
            "dimension_kl": dimensions.detach(),
        }
        return Loss(loss.surrogate, loss.bound, loss.shared + weight * more, logs)


def rate_in_three(terms: Terms, posterior: Posterior, num_examples: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """(I, TC, D), batch means in nats; their sum is the batch mean of log q(z|x) − log p(z) at the draws, exactly."""
    assert terms.log_qz_x is not None
    pairs = (terms.z[0][0].unsqueeze(1),)  # z_i beside every x_j: [B, 1, D] against [B]
    log_each = posterior.log_prob_each(pairs)
    if log_each is None:
        raise RequestError("beta_tcvae came with examples whose label is missing, where q(z_d|x) is not known.")
    own = _log_shares(len(log_each), num_examples, log_each)
    log_qz = (posterior.log_prob(pairs).sum(-1) + own).logsumexp(1)  # [B]
    log_product = (log_each + own.unsqueeze(-1)).logsumexp(1).sum(-1)  # [B]
    log_qz_x, log_pz = terms.log_qz_x[0].sum(-1), terms.log_pz[0].sum(-1)
    return (log_qz_x - log_qz).mean(), (log_qz - log_product).mean(), (log_product - log_pz).mean()


def _log_shares(batch_size: int, num_examples: int, like: Tensor) -> Tensor:
    """log of 1/N on the diagonal and of (N − 1)/(N(B − 1)) beside it, [B, B]."""
    N = max(num_examples, batch_size) if batch_size > 1 else 1
    other = (N - 1) / (N * max(1, batch_size - 1))
    shares = torch.full((batch_size, batch_size), math.log(other) if other else -math.inf, dtype=like.dtype)
    return shares.fill_diagonal_(-math.log(N)).to(like.device)


@register("objective", "mmd")
class Mmd(Objective):
    """E_q[log p(x|z)] − (1 − α)·KL(q(z|x)‖p(z)) − λ·MMD²(q(z), p(z)); the reported bound is the ELBO.

    MMD² = E[k(z, z')] − 2 E[k(z, u)] + E[k(u, u')], z, z' ∼ q(z), u, u' ∼ p(z): the unbiased estimate from one draw
    for each example of the batch and as many of the prior, so it may fall below 0. With α = 1 this is a Wasserstein
    auto-encoder, and a learned prior then learns nothing (its draws are constants).

    imq: k = C/(C + ‖z − u‖²); rbf: k = exp(−‖z − u‖²/C); C = 2·D·(mean variance of the prior's draws).

    References: Zhao, Song & Ermon, InfoVAE (2019), eq. 6 (its λ is λ + 1 − α here); Tolstikhin et al., Wasserstein
    Auto-Encoders (2018), algorithm 2; Gretton et al., A Kernel Two-Sample Test (2012), eq. 3.

    Arguments:
        alpha: α, the share of the rate that is taken away, from 0 to 1.
        weight: λ ≥ 0, of the squared MMD (whose largest value is 2).
        kernel: imq (heavy tails) or rbf.
    """

    needs = frozenset({"log_w", "rsample"})

    def __init__(self, *, alpha: float = 0.5, weight: float = 100.0, kernel: Literal["imq", "rbf"] = "imq") -> None:
        check_share("alpha", alpha, of="the rate")
        check_from_zero("weight", weight)
        self.alpha, self.weight, self.kernel = alpha, weight, kernel

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = model.infer(batch, 1, posterior=model.posterior(batch))  # one z, whether the label is known or not
        loss = weighted(terms, 1 - self.alpha)
        z = torch.cat([group[0].flatten(1) for group in terms.z], -1)  # [B, D]
        with torch.no_grad():
            u = torch.cat([group.flatten(1) for group in model.draw_prior(len(batch))], -1)
        mmd = squared_mmd(z, u.to(z.dtype), self.kernel)
        return Loss(loss.surrogate, loss.bound, self.weight * mmd, {**loss.logs, "mmd": mmd.detach()})


def squared_mmd(z: Tensor, u: Tensor, kernel: str) -> Tensor:
    """The unbiased estimate of MMD² from z [B, D] ∼ q and u [B, D] ∼ p; 0 for a single pair, which says nothing."""
    B, D = z.shape
    if B < 2:
        return 0.0 * z.sum()
    C = 2 * D * u.var(0).mean()

    def k(a: Tensor, b: Tensor) -> Tensor:
        square = (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(-1)
        return C / (C + square) if kernel == "imq" else torch.exp(-square / C)

    def others(a: Tensor) -> Tensor:
        return (k(a, a).sum() - B) / (B * (B - 1))  # k(a, a) = 1

    return others(z) + others(u) - 2 * k(z, u).mean()
