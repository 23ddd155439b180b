"""The bounds between the importance-weighted one and the ELBO."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..models.base import Model
from ..ops import log_mean_exp
from ..registry import register
from .base import Estimate, Estimator, add, draws, summary_of
from .psis import pareto_k


@register("estimator", "renyi")
class RenyiBound(Estimator):
    """L_α = 1/(1−α) log 1/K Σ_k w_k^{1−α}, w_k = p(x, z_k)/q(z_k|x), z_k ∼ q(z|x): from below for 0 ≤ α ≤ 1.

    α = 0 is the importance-weighted bound, α = 1 (the limit) the mean of log w, which is the ELBO; in between the bound
    falls as α grows. Below α = 0, infinite K bounds from above and finite K has no side: refused.

    `stderr_mc` is the delta-method error sd(v)/(|1−α| √K·mean v), v = w^{1−α}. Diagnostics: ess and khat of the weights
    w themselves, as in 'iwae'.

    References: Li & Turner, Rényi Divergence Variational Inference (2016), eq. 8 and theorem 2.

    Arguments:
        alpha: α, from 0 (iwae) to 1 (elbo).
        num_samples: K.
    """

    needs = frozenset({"log_w"})
    direction = "lower"

    def __init__(self, *, alpha: float = 0.5, num_samples: int = 100) -> None:
        if not 0 <= alpha <= 1:
            raise RequestError(
                f"estimator.alpha is {alpha}; it takes a number from 0 (iwae) to 1 (elbo).",
                "Below 0, the value of a finite number of samples is no bound; from above there is 'sandwich'.",
            )
        self.alpha = alpha
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        total: dict[str, Tensor] = {}
        weights = []
        for terms in draws(model, batch, self.num_samples):
            weights.append(terms.log_w.double())
            add(total, summary_of(terms))
        log_w = torch.cat(weights)  # [K, B]
        log_px, stderr = renyi(log_w, self.alpha)
        w = (log_w - log_w.max(0).values).exp()
        found = {k: v / len(log_w) for k, v in total.items()}
        found |= {"ess": w.sum(0) ** 2 / (w**2).sum(0), "khat": pareto_k(log_w)}
        return Estimate(log_px, stderr, "lower", found)


def renyi(log_w: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """L_α and its error, [B] each, of log-weights [K, B]."""
    if alpha == 1:
        return log_w.mean(0), _stderr(log_w)
    log_v = (1 - alpha) * log_w
    log_mean = log_mean_exp(log_v)
    return log_mean / (1 - alpha), _stderr((log_v - log_mean).exp()) / (1 - alpha)


def _stderr(value: Tensor) -> Tensor:
    """Of the mean over K draws [K, B] → [B]; one draw cannot tell."""
    spread = value.std(0, correction=min(1, len(value) - 1)) / math.sqrt(len(value))
    return spread if len(value) > 1 else torch.full_like(spread, math.nan)
