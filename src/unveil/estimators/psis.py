"""The Pareto shape k̂ of importance weights: how heavy the tail is that an estimate rests on."""

import math

import torch
from torch import Tensor


def pareto_k(log_w: Tensor) -> Tensor:
    """k̂ of the largest min(K/5, 3√K) weights, per example; NaN below 25 samples (too few to tell).

    The generalised Pareto fit is the empirical-Bayes one of Zhang & Stephens (2009), with the weakly informative
    prior that pulls k̂ towards ½ by ten pseudo-observations.

    References: Vehtari, Simpson, Gelman, Yao & Gabry, Pareto Smoothed Importance Sampling (2024), appendix C.

    Arguments: log_w [K, B]. Returns [B].
    """
    size = tail_size(len(log_w))
    return pareto_k_of(log_w.double().topk(min(size + 1, len(log_w)), 0).values, size).to(log_w.dtype)


def tail_size(num_samples: int) -> int:
    """M = min(K/5, 3√K), rounded up: the weights that are called the tail."""
    return math.ceil(min(0.2 * num_samples, 3 * math.sqrt(num_samples)))


def pareto_k_of(top: Tensor, size: int) -> Tensor:
    """k̂ [B] of the `size` largest log-weights; top [size + 1, B] holds them in falling order, and the next one."""
    if size < 5:
        return torch.full_like(top[0], math.nan)
    ordered = (top - top[0]).flip(0)
    cutoff = ordered[0]
    excess = ordered[1:].exp() - cutoff.exp()  # [M, B], ascending
    shape = _fit_generalised_pareto(excess.clamp(min=torch.finfo(excess.dtype).tiny))
    return torch.where(cutoff > -1e-12, torch.full_like(shape, -math.inf), shape)


def _fit_generalised_pareto(x: Tensor) -> Tensor:
    """The posterior-mean shape for excesses x [M, B] in ascending order."""
    size = x.shape[0]
    grid = 30 + int(math.sqrt(size))
    j = torch.arange(1, grid + 1, dtype=x.dtype, device=x.device).unsqueeze(-1)
    quartile = x[int(size / 4 + 0.5) - 1]
    b = 1 / x[-1] + (1 - torch.sqrt(grid / (j - 0.5))) / (3 * quartile)  # [G, B]
    k = torch.log1p(-b.unsqueeze(1) * x).mean(1)  # [G, B]
    profile = size * (torch.log(-(b / k)) - k - 1)
    weight = torch.softmax(profile, 0)
    best = (b * weight).sum(0)
    shape = torch.log1p(-best * x).mean(0)
    return (size * shape + 10 * 0.5) / (size + 10)
