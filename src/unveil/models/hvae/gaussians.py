"""Draws, densities and rates of latent groups that are products of normals, given as (μ, log σ)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from ...nn.hierarchy import Choose, Gaussian, Pass
from ...terms import stack_groups

LOG_2PI = math.log(2 * math.pi)


def drawing(num_samples: int, sizes: Sequence[int]) -> Choose:
    """A choice of z by drawing from q: K samples of the first group visited, then one for each sample above.

    The noise of all groups is drawn sample by sample, so that K samples in one pass are those of several.

    Arguments: num_samples, K; sizes D_l of the groups in the order in which they are visited.
    """
    noise: list[Tensor] = []

    def choose(i: int, p: Gaussian | None, q: Gaussian | None) -> Tensor:
        assert q is not None
        rows, size = q[0].shape[-2:]
        if not noise:
            each = torch.randn(num_samples, rows * sum(sizes), dtype=q[0].dtype, device=q[0].device)
            noise.extend(each.split([rows * one for one in sizes], -1))
        return moved(q, noise.pop(0).reshape(num_samples, rows, size))

    return choose


def log_normal(z: Tensor, p: Gaussian) -> Tensor:
    """Σ_d log N(z_d; μ_d, σ_d²)."""
    mean, log_scale = p
    return -(0.5 * ((z - mean) * (-log_scale).exp()) ** 2 + log_scale + 0.5 * LOG_2PI).sum(-1)


def kl_normal(q: Gaussian, p: Gaussian) -> Tensor:
    """Σ_d ½ [(σ_q/σ_p)² + ((μ_q − μ_p)/σ_p)² − 1] − log(σ_q/σ_p)."""
    ratio, shift = q[1] - p[1], (q[0] - p[0]) * (-p[1]).exp()
    return (0.5 * ((2 * ratio).exp() + shift**2 - 1) - ratio).sum(-1)


def independent(gaussian: Gaussian) -> Distribution:
    mean, log_scale = gaussian
    return Independent(Normal(mean, log_scale.exp(), validate_args=False), 1, validate_args=False)


def moved(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """μ + σ·ε."""
    return gaussian[0] + gaussian[1].exp() * noise


def log_q(found: Pass) -> Tensor:
    return stack_groups(*(log_normal(z, q) for z, q in zip(found.z, found.q, strict=True)))
