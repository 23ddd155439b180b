"""Pilot chains: the temperatures and step sizes of a pass, from chains with noise of their own."""

import torch
from torch import Tensor

from .annealing import Path, Schedule, scale_at
from .hmc import Kernel, transition

TARGET = 0.65  # share of proposals that is accepted where HMC gets furthest for its cost
CHAINS = 8  # pilot chains of each example
SHARE = 0.12  # of the gradient evaluations of one pass
WARM = 8  # transitions at β = 0 that look for the size of the first step
FEWEST = 16  # temperatures of a pilot, where a pass is so short that its share would be less
FLOOR = 0.1  # of the mean speed: no part of the path is left without temperatures


def pilot(path: Path, num_chains: int, num_distributions: int, leapfrog: int) -> Schedule:
    """The schedule of a pass of T temperatures, from CHAINS chains per example that start at f0.

    Each chain walks a coarse path once. Its step size follows log ε ← log ε + η (acceptance − 0.65). Temperatures then
    lie as densely as the thermodynamic speed asks, dt/dβ ∝ sd_β(log f1 − log f0), the sd taken over chains; on such a
    path every step adds the same variance to log w. Nothing here reads a z that is known: were a step size to depend
    on the very z from which a reverse chain starts, its kernels would no longer leave p(z|x) invariant.

    References: Gelman & Meng, Simulating Normalizing Constants (1998), §4.3; Beskos et al., Optimal Tuning of the
    Hybrid Monte Carlo Algorithm (2013), for 0.65.

    Arguments: num_chains and num_distributions, C and T of the pass; they set how much a pilot may cost.
    """
    affordable = int(SHARE * num_chains * num_distributions / CHAINS) - WARM
    count = max(min(FEWEST, num_distributions), affordable)
    coarse = _coarse(path, count)
    log_steps, variances, (scale0, scale1) = _walk(path, coarse, leapfrog)
    speed = (0.5 * _smooth(variances.clamp(min=1e-12).log())).exp()
    betas = _temperatures(coarse, speed, num_distributions)
    steps = _interpolate(betas, coarse.expand_as(log_steps), _smooth(log_steps)).exp()
    return Schedule(betas, steps, scale0, scale1)


def _coarse(path: Path, count: int) -> Tensor:
    """β on [0, 1] as [P+1, 1]: even, or from the prior (t/P)⁴, where the first steps matter most."""
    t = torch.linspace(0, 1, count + 1, dtype=torch.float64, device=path.batch.x.device).unsqueeze(-1)
    return t**4 if path.start == "prior" else t


def _walk(path: Path, coarse: Tensor, leapfrog: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """log ε and the variance of log f1 − log f0 at each temperature, [P+1, B], and the scales of u."""
    scales = path.scales()
    here = path.at(path.draw(CHAINS))
    log_step = torch.full_like(here.log_ratio[0], -0.5)  # [B], in units of the scale
    log_steps, variances = [], []
    for t, beta in enumerate(coarse.expand(-1, len(log_step))):
        scale = scale_at(beta, *scales)
        for _ in range(1 if t else WARM):
            moved = transition(path.at, here, Kernel(beta, log_step.exp(), scale), leapfrog)
            log_step = log_step + (0.5 if t else 1.0) * (moved.expected.double().mean(0) - TARGET)
            here = moved.point
        log_steps.append(log_step)
        variances.append(here.log_ratio.var(0))
    return torch.stack(log_steps), torch.stack(variances), scales


def _smooth(value: Tensor) -> Tensor:
    """Each row [P+1, B] averaged with its neighbours, twice."""
    for _ in range(2):
        padded = torch.cat([value[:1], value, value[-1:]])
        value = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return value


def _temperatures(coarse: Tensor, speed: Tensor, count: int) -> Tensor:
    """β_t [T+1, B] with equal lengths ∫ speed dβ between them."""
    width = coarse.diff(dim=0)
    length = (speed[1:] + speed[:-1]) / 2 * width  # [P, B]
    length = length + (FLOOR * length.sum(0) + 1e-9) * width
    total = torch.cat([torch.zeros_like(length[:1]), length.cumsum(0)])
    wanted = torch.linspace(0, 1, count + 1, dtype=total.dtype, device=total.device).unsqueeze(-1) * total[-1]
    betas = _interpolate(wanted, total, coarse.expand_as(total))
    betas[0], betas[-1] = 0, 1
    return betas


def _interpolate(at: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """y(at) for each example: at [N, B]; x, ascending, and y [P+1, B]."""
    after = torch.searchsorted(x.T.contiguous(), at.T.contiguous()).T.clamp(1, len(x) - 1)
    x0, x1, y0, y1 = x.gather(0, after - 1), x.gather(0, after), y.gather(0, after - 1), y.gather(0, after)
    return y0 + (y1 - y0) * ((at - x0) / (x1 - x0)).clamp(0, 1)
