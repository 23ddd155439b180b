"""Objectives that need no path through the draw, so that z may be discrete."""

from typing import Literal

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..likelihoods import draw_observed
from ..model import Model
from ..registry import register
from .base import Loss, Objective, held_draws, log_joint, penalty, rate_and_distortion, zero_like


@register("objective", "rloo")
class Rloo(Objective):
    """E_q[log w], w = p(x, z)/q(z|x), by the score function with the mean of the other draws as baseline.

    ∇_φ ≈ 1/K Σ_k (log w_k − 1/(K−1) Σ_{j≠k} log w_j) ∇_φ log q(z_k|x)     ∇_θ ≈ 1/K Σ_k ∇_θ log p(x, z_k)

    Unbiased, for any z; where z can be reparametrised, 'elbo' has less noise. VIMCO (Mnih & Rezende 2016) does the same
    for the K-sample bound, leaving one draw out of log 1/K Σ_k w_k instead of the mean.

    References: Kool, van Hoof & Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free! (2019), eq. 8.

    Arguments:
        num_samples: K ≥ 2, draws per example.
    """

    needs = frozenset({"log_w"})

    def __init__(self, *, num_samples: int = 4) -> None:
        if num_samples < 2:
            raise RequestError(f"num_samples is {num_samples}; rloo leaves one draw out, so it takes at least 2.")
        self.num_samples = num_samples

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms, K = held_draws(model, batch, self.num_samples), self.num_samples
        assert terms.log_qz_x is not None
        log_w = terms.log_w.detach()  # [K, B]
        advantage = log_w - (log_w.sum(0) - log_w) / (K - 1)
        surrogate = (advantage * terms.log_qz_x.sum(-1) + log_joint(terms)).mean(0)
        return Loss.of(terms, -surrogate, log_w.mean(0))


@register("objective", "wake_sleep")
class WakeSleep(Objective):
    """p learns from its own explanations of x, q from weighted draws (wake), from dreams of p (sleep), or from both.

    ∇_θ = Σ_k w̃_k ∇_θ log p(x, z_k)     wake: ∇_φ = Σ_k w̃_k ∇_φ log q(z_k|x)     w̃_k = w_k/Σ_j w_j
                                       sleep: ∇_φ = ∇_φ log q(z'|x')          (x', z') ∼ p(x, z)

    Not the gradient of one objective: θ climbs the K-sample bound, which is reported, while φ descends KL(p‖q).
    With K = 1 and sleep alone it is the wake-sleep of 1995; with more draws, reweighted wake-sleep.

    References: Hinton et al., The Wake-Sleep Algorithm (1995); Bornschein & Bengio, Reweighted Wake-Sleep (2015),
    eq. 7, 9 and 11.

    Arguments:
        num_samples: K ≥ 1, draws per example; q learns from weighted draws only where there are at least 2.
        learn_q: from weighted draws (wake), from samples of the model (sleep), or from the mean of the two (both).
    """

    needs = frozenset({"log_w", "split_q"})

    def __init__(self, *, num_samples: int = 8, learn_q: Literal["wake", "sleep", "both"] = "both") -> None:
        if learn_q != "sleep" and num_samples == 1:
            raise RequestError(
                f"objective.learn_q={learn_q} came with num_samples=1, and the weight of a single draw says nothing.",
                "Take objective.learn_q=sleep, or at least 2 samples.",
            )
        self.num_samples, self.learn_q = positive(num_samples), learn_q

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = held_draws(model, batch, self.num_samples)
        assert terms.log_qz_x is not None
        share = terms.log_w.detach().softmax(0)  # w̃, [K, B]
        surrogate = -(share * log_joint(terms)).sum(0) + penalty(terms)
        wake = {"wake": 1.0, "both": 0.5, "sleep": 0.0}[self.learn_q]
        if wake:
            surrogate = surrogate - wake * (share * terms.log_qz_x.sum(-1)).sum(0)
        shared = (1 - wake) * dream(model, batch) if wake < 1 else zero_like(surrogate)
        return Loss(surrogate, terms.bound.detach(), shared, rate_and_distortion(terms))


def dream(model: Model, batch: Batch) -> Tensor:
    """−log q(z|x), the mean over as many (x, z) ∼ p as the batch has examples, masked as they are or as p masks."""
    with torch.no_grad():
        y = model.draw_labels(len(batch))
        x, z = model.sample(len(batch), y)
    x, observed = x.to(batch.x.dtype), batch.observed
    if model.domain.models_gaps:
        observed = draw_observed(model, x, observed)
    if observed is not None:
        x = torch.where(observed, x, torch.zeros_like(x))
    dreamt = Batch(x=x, y=y, observed=observed)
    return -model.posterior(dreamt).log_prob(tuple(group.unsqueeze(0) for group in z)).sum(-1).mean()
