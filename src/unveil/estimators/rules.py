"""Gauss–Legendre rules for one cell of a grid, and what may hide between their points.

References: Davis & Rabinowitz, Methods of Numerical Integration (1984), §2.7.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

FINE, COARSE = {1: 8, 2: 5, 3: 4}, {1: 5, 2: 3, 3: 3}  # points per dimension of a cell, by D
SWEEPS = 4  # over the directions, to the top of a quadratic surface


@dataclass(frozen=True)
class Rule:
    """N Gauss–Legendre points in [−1, 1]^D, and quadratic surfaces through them.

    Arguments: points [N, D]; log_weight [N]; basis [N, T], the T monomials up to degree 2 at the points; fit [T, N],
    its pseudo-inverse; corners [S, D], points that reach the corners, and lattice [S, T], the monomials there;
    varies [D, T], whether a monomial varies along a direction.
    """

    points: Tensor
    log_weight: Tensor
    basis: Tensor
    fit: Tensor
    corners: Tensor
    lattice: Tensor
    varies: Tensor


@functools.cache
def rule_for(num_dims: int, fine: bool, device: torch.device) -> Rule:
    """The rule of D dimensions, with more points or fewer."""
    nodes, weights = np.polynomial.legendre.leggauss((FINE if fine else COARSE)[num_dims])
    points = _product(torch.from_numpy(nodes), num_dims)
    log_weight = _product(torch.from_numpy(weights).log(), num_dims).sum(-1)
    corners = _product(torch.linspace(-1, 1, 5).double(), num_dims)
    basis, lattice = _monomials(points), _monomials(corners)
    pairs = list(itertools.combinations_with_replacement(range(num_dims), 2))
    terms = [(), *((d,) for d in range(num_dims)), *pairs]
    varies = torch.tensor([[1.0 if d in term else 0.0 for term in terms] for d in range(num_dims)]).double()
    fit = torch.linalg.pinv(basis)
    return Rule(*(t.to(device) for t in (points, log_weight, basis, fit, corners, lattice, varies)))


def _product(values: Tensor, num_dims: int) -> Tensor:
    """All D-tuples of values [n], [n^D, D]."""
    return torch.cartesian_prod(*[values] * num_dims).reshape(-1, num_dims)


def _monomials(v: Tensor) -> Tensor:
    """1, v_d and v_d v_e for d ≤ e, [N, T]."""
    pairs = itertools.combinations_with_replacement(range(v.shape[-1]), 2)
    return torch.stack([torch.ones_like(v[:, 0]), *v.unbind(-1), *(v[:, d] * v[:, e] for d, e in pairs)], -1)


def hidden(log_f: Tensor, rule: Rule) -> tuple[Tensor, Tensor, Tensor]:
    """log of the most that f may be between the points of a cell, and of its mean there, [C]; where it varies [C, D].

    A quadratic surface is laid through log f; the bound is the highest it gets within the cell, plus twice the largest
    miss, and the mean that of the surface. −∞ where the bound is no more than was seen at the points.
    """
    top = log_f.amax(-1, keepdim=True)
    relative = (log_f - top).clamp(min=-1e6).nan_to_num(nan=0.0)
    surface = relative @ rule.fit.T  # [C, T]
    miss = (relative - surface @ rule.basis.T).abs().amax(-1)
    bound = _peak(surface, rule) + 2 * miss
    variation = surface.abs() @ rule.varies.T  # [C, D]
    most = variation.amax(-1, keepdim=True)
    splits = variation >= 0.15 * most
    mean = torch.logsumexp(surface @ rule.lattice.T, -1) - math.log(len(rule.lattice))
    most, mean = (torch.where(bound > 2, value + top.squeeze(-1), -torch.inf) for value in (bound, mean))
    return most, torch.minimum(most, mean), splits


def _peak(surface: Tensor, rule: Rule) -> Tensor:
    """The highest that quadratic surfaces [C, T] get in [−1, 1]^D.

    From the best point of a lattice upwards, along one direction after the other.
    """
    D = rule.points.shape[-1]
    v = rule.corners[(surface @ rule.lattice.T).argmax(-1)]  # [C, D]
    for d in [*range(D)] * SWEEPS:
        tried = [v.index_copy(-1, torch.tensor([d], device=v.device), x) for x in _stationary(surface, v, d)]
        height = torch.stack([(surface * _monomials(x)).sum(-1) for x in (v, *tried)])  # [4, C]
        v = torch.stack([v, *tried])[height.argmax(0), torch.arange(len(v), device=v.device)]
    return (surface * _monomials(v)).sum(-1)


def _stationary(surface: Tensor, v: Tensor, d: int) -> list[Tensor]:
    """Where along direction d a quadratic through v may be highest: at both ends and where it is flat, [C, 1] each."""
    one = torch.ones_like(v[:, :1])
    up, down, zero = (v.index_fill(-1, torch.tensor([d], device=v.device), x) for x in (1.0, -1.0, 0.0))
    at_up, at_down, at_zero = ((surface * _monomials(x)).sum(-1, keepdim=True) for x in (up, down, zero))
    curvature, slope = (at_up + at_down) / 2 - at_zero, (at_up - at_down) / 2
    flat = torch.where(curvature < 0, -slope / (2 * curvature), 0.0).clamp(-1, 1)
    return [one, -one, flat]
