"""Adaptive grids over z: the integral ∫ p(x, z) dz by Gauss–Legendre cells, and p(z|x) on their points.

Every example has a box of its own in u, where z = T(u) are the model's coordinates: u = m + L v, with the mean m and
the covariance L Lᵀ of draws of q(z|x). A cell is a box in v. Cells begin at the size of the spread of q where q has
its draws and at that of the prior where the prior has its own, and grow by three from there outwards. They are then
halved where it matters, in the directions in which log p(x, z) varies.

References: Genz & Malik, An adaptive algorithm for numerical integration over an N-dimensional rectangular region
(1980), for halving what errs most; Davis & Rabinowitz, Methods of Numerical Integration (1984), §2.7 and §6.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError
from ..models.base import Model
from .base import DECODED
from .brute_force import prior_draws

DIMS = 3  # of z, at most
DRAWS = 64  # of q and of p, per example, that say where a grid must look
CORE = 1.5  # half the width of the innermost cells, in standard deviations of q
BODY = 1.5  # half the greatest width where the prior has its draws, in standard deviations of the prior
REACH = 4.0  # the box reaches so many times as far as the farthest draw
FINE, COARSE = {1: 8, 2: 5, 3: 4}, {1: 5, 2: 3, 3: 3}  # points per dimension of a cell, by D
MATTERS = 1e-4  # share of p(x) above which a cell is halved into cells of the fine rule
SWEEPS = 4  # over the directions, to the top of a quadratic surface
ROUNDED = 8.0  # rounding of log p(x, z), in units of the last place of log p(x): sums cancel, 1/σ magnifies
LARGEST = 1e6  # relative error above which one is as good as another


@dataclass(frozen=True)
class Frame:
    """u = m + L v of each example.

    Arguments:
        mean, root: m [B, D] and L [B, D, D].
        groups, dtype: the shapes of the groups of z, and its type.
        q, p: draws of q(z|x) and of p(z), as v [M, B, D].
        hull: [B, D], the farthest of them in each direction.
        prior_spread: [B, D], the standard deviation of p(z), as v.
    """

    mean: Tensor
    root: Tensor
    groups: tuple[torch.Size, ...]
    dtype: torch.dtype
    q: Tensor
    p: Tensor
    hull: Tensor
    prior_spread: Tensor

    @property
    def log_det(self) -> Tensor:
        """log|det L|, [B]."""
        return self.root.diagonal(dim1=-2, dim2=-1).log().sum(-1)


@dataclass(frozen=True)
class Cells:
    """C boxes in v.

    Arguments: row [C], the example; centre, half [C, D]; fine [C], whether it takes the finer rule.
    """

    row: Tensor
    centre: Tensor
    half: Tensor
    fine: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def at(self, index: Tensor) -> Cells:
        return Cells(self.row[index], self.centre[index], self.half[index], self.fine[index])


@dataclass(frozen=True)
class Leaves:
    """Cells with what was found in them.

    Arguments: cells; log_value [C], log of the integral; log_error [C], of what it may be off; splits [C, D], the
    directions to halve.
    """

    cells: Cells
    log_value: Tensor
    log_error: Tensor
    splits: Tensor


@dataclass(frozen=True)
class Grid:
    """p(x, z) of B examples on P points each of which belongs to one of them: E_{p(z|x)}[f] ≈ Σ_p mass_p f(z_p).

    Arguments:
        row: [P], the example of each point.
        z: groups [P, …].
        log_weight: [P], log of the volume dz that a point stands for.
        log_joint: [P], log p(x, z).
        log_px: [B], log Σ_p exp(log_weight + log_joint) over the points of each example.
        stderr: [B], the error of log_px in nats, by refinement.
        evaluations: [B], how often p(x, z) was asked for.
    """

    row: Tensor
    z: tuple[Tensor, ...]
    log_weight: Tensor
    log_joint: Tensor
    log_px: Tensor
    stderr: Tensor
    evaluations: Tensor

    @property
    def log_posterior(self) -> Tensor:
        """log p(z|x) at each point, [P]."""
        return self.log_joint - self.log_px[self.row]

    @property
    def mass(self) -> Tensor:
        """p(z|x) dz of each point, [P]; 1 for each example."""
        return (self.log_weight + self.log_posterior).exp()

    def sum(self, value: Tensor) -> Tensor:
        """Σ over the points of each example, [P] → [B]."""
        return torch.zeros_like(self.log_px).index_add(0, self.row, value)


@dataclass(frozen=True)
class Integral:
    """∫ p(x, z) dz of B examples.

    Arguments: log_px [B]; stderr [B], the estimated error in nats; evaluations [B]; leaves and frame, the grid itself.
    """

    log_px: Tensor
    stderr: Tensor
    evaluations: Tensor
    leaves: Leaves
    frame: Frame


@torch.no_grad()
def integrate(model: Model, batch: Batch, *, tolerance: float, max_evaluations: int) -> Integral:
    """log ∫ p(x, z) dz by halving, round after round, the cells that err most.

    Arguments: tolerance, the error to reach, relative to p(x); max_evaluations of p(x, z) per example, after which the
        error that is left is reported as it is. So is what lies within the rounding of the model's own arithmetic.
    """
    frame = frame_of(model, batch)
    cells = first_cells(frame)
    leaves, cost = _measured(model, batch, frame, cells)
    leaves = replace(leaves, log_error=torch.logaddexp(leaves.log_value, leaves.log_error))  # nothing confirms it yet
    used = _count(cells.row, cost, len(batch))
    while True:
        log_px = _log_sum(leaves.log_value, leaves.cells.row, len(batch))
        error = _relative(leaves, log_px)
        chosen = _to_split(leaves, _curable(leaves, error, log_px, frame.dtype), tolerance, max_evaluations - used)
        if not len(chosen):
            break
        leaves, cells, cost = _refined(model, batch, frame, leaves, chosen, log_px)
        used = used + _count(cells.row, cost, len(batch))
    total = torch.zeros_like(log_px).index_add(0, leaves.cells.row, error)
    return Integral(log_px, torch.log1p(total), used, leaves, frame)


@torch.no_grad()
def posterior_grid(model: Model, batch: Batch, *, tolerance: float = 1e-3, max_evaluations: int = 100_000) -> Grid:
    """p(x, z), and so p(z|x), on the points of an adaptive grid over z of up to three dimensions.

    Arguments: tolerance and max_evaluations as in `integrate`.
    """
    found = integrate(model, batch, tolerance=tolerance, max_evaluations=max_evaluations)
    cells = found.leaves.cells
    parts = [_points(model, batch, found.frame, cells.at(index)) for index in _chunks(cells)]
    row, log_weight, log_joint = (torch.cat(each) for each in list(zip(*parts, strict=True))[:3])
    z = tuple(torch.cat(group) for group in zip(*(part.z for part in parts), strict=True))
    log_px = _log_sum(log_weight + log_joint, row, len(batch))
    return Grid(row, z, log_weight, log_joint, log_px, found.stderr, found.evaluations)


# Where to look


def frame_of(model: Model, batch: Batch) -> Frame:
    """The box of each example, from draws of q(z|x) and of p(z)."""
    z_q = model.posterior(batch).draw(DRAWS)[0]
    groups, dtype = tuple(g.shape[2:] for g in z_q), z_q[0].dtype
    require_few(sum(math.prod(shape) for shape in groups))
    coordinates, z_p = model.coordinates(batch), tuple(g.to(dtype) for g in prior_draws(model, batch, DRAWS))
    u_q, u_p = (_joined(coordinates.to_u(z)) for z in (z_q, z_p))  # [M, B, D]
    mean = u_q.mean(0)
    root = _root(u_q - mean, u_p.flatten(0, 1).std(0))
    q, p = (_solve(root, u - mean) for u in (u_q, u_p))
    everywhere = _solve(root, u_p.flatten(0, 1).unsqueeze(1) - mean)  # the prior's draws of all examples, seen by each
    hull = torch.maximum(everywhere.abs().amax(0), q.abs().amax(0))
    return Frame(mean, root, groups, dtype, q, p, hull, everywhere.std(0))


def require_few(num_dims: int, who: str = "quadrature") -> None:
    """Refuse what no grid can cover."""
    if num_dims > DIMS:
        raise RequestError(
            f"{who} lays grids over z of up to {DIMS} dimensions, and this model's z has {num_dims}.",
            "Use the estimator ais or sandwich.",
        )


def first_cells(frame: Frame) -> Cells:
    """The cells to begin with: CORE·3^k wide, those that hold draws cut in three until they are as fine as the draws.

    Nothing is evaluated here.
    """
    levels = (REACH * frame.hull / CORE).clamp(min=1).log() / math.log(3)
    half = CORE * 3 ** levels.ceil().clamp(min=1)
    cells = Cells(
        torch.arange(len(half), device=half.device), torch.zeros_like(half), half, torch.ones_like(half[:, 0]) > 0
    )
    done = []
    while len(cells):
        cut = _wanted(frame, cells)  # [C, D]
        whole = ~cut.any(-1)
        done.append(cells.at(whole))
        cells = _cut(cells.at(~whole), cut[~whole], 3)
    row, centre, half = (torch.cat([getattr(c, name) for c in done]) for name in ("row", "centre", "half"))
    return Cells(row, centre, half, (half <= CORE * 1.01).all(-1))


def _wanted(frame: Frame, cells: Cells) -> Tensor:
    """Which sides of a cell are too long for the draws that it holds, [C, D]."""

    def holds(draws: Tensor) -> Tensor:  # [M, B, D] → [C, 1]
        inside = (draws[:, cells.row] - cells.centre).abs() <= cells.half
        return inside.all(-1).any(0).unsqueeze(-1)

    body = BODY * frame.prior_spread[cells.row].clamp(min=CORE / BODY)
    return (holds(frame.q) & (cells.half > CORE * 1.01)) | (holds(frame.p) & (cells.half > body * 1.01))


def _joined(groups: tuple[Tensor, ...]) -> Tensor:
    """Groups [K, B, …] → [K, B, D] in float64."""
    return torch.cat([g.flatten(2) for g in groups], -1).double()


def _root(delta: Tensor, spread: Tensor) -> Tensor:
    """L [B, D, D] with L Lᵀ the covariance of draws [M, B, D], kept off zero relative to the prior's spread [D]."""
    covariance = torch.einsum("mbd,mbe->bde", delta, delta) / (len(delta) - 1)
    least = (1e-5 * spread.clamp(min=1e-30)).square()
    return torch.linalg.cholesky(covariance + torch.diag(least))


def _solve(root: Tensor, delta: Tensor) -> Tensor:
    """L⁻¹ δ for δ [M, B or 1, D]."""
    inverse = torch.linalg.solve_triangular(root, torch.eye(root.shape[-1]).to(root).expand_as(root), upper=False)
    return torch.einsum("bde,mbe->mbd", inverse, delta)


# What a cell holds


def _measured(model: Model, batch: Batch, frame: Frame, cells: Cells) -> tuple[Leaves, Tensor]:
    """The integral over each cell, what may hide in it as its error, and the number of points [C] it took."""
    log_value, log_error = torch.empty_like(cells.half[:, 0]), torch.empty_like(cells.half[:, 0])
    splits, cost = torch.zeros_like(cells.half, dtype=torch.bool), torch.zeros_like(cells.row)
    for index in _chunks(cells):
        part = cells.at(index)
        rule, log_half = _rule_of(part), part.half.log().sum(-1)
        log_f, *_ = _density(model, batch, frame, part)  # [C, N]
        hidden, splits[index] = _hidden(log_f, rule)
        log_value[index] = torch.logsumexp(log_f + rule.log_weight, -1) + log_half
        log_error[index] = hidden + log_half + part.half.shape[-1] * math.log(2)
        cost[index] = log_f.shape[-1]
    return Leaves(cells, log_value, log_error, splits), cost


def _density(model: Model, batch: Batch, frame: Frame, cells: Cells) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """log p(x, v) and log|det ∂z/∂v| [C, N], and z groups [N, C, …], at the points of cells of one rule."""
    rule = _rule_of(cells)
    v = cells.centre.unsqueeze(0) + cells.half.unsqueeze(0) * rule.points.unsqueeze(1)  # [N, C, D]
    u = frame.mean[cells.row] + torch.einsum("cde,nce->ncd", frame.root[cells.row], v)
    sizes = [math.prod(shape) for shape in frame.groups]
    parts = u.to(frame.dtype).split(sizes, -1)
    rows = _rows(batch, cells.row)
    z, log_det = model.coordinates(rows).to_z(
        tuple(part.reshape(*part.shape[:2], *shape) for part, shape in zip(parts, frame.groups, strict=True))
    )
    terms = model.joint(rows, z)
    log_det = log_det.double() + frame.log_det[cells.row]
    log_f = terms.log_px_z.double() + terms.log_pz.double().sum(-1) + log_det  # [N, C]
    outside = (v.abs() > 1.5 * frame.hull[cells.row]).any(-1)
    log_f = torch.where(outside & log_f.isnan(), -torch.inf, log_f)  # networks overflow where nobody ever was
    return log_f.T, log_det.T, z


class Points(NamedTuple):
    """row, log_weight and log_joint [P], and z groups [P, …], as in `Grid`."""

    row: Tensor
    log_weight: Tensor
    log_joint: Tensor
    z: tuple[Tensor, ...]


def _points(model: Model, batch: Batch, frame: Frame, cells: Cells) -> Points:
    """The points of cells of one rule."""
    log_f, log_det, z = _density(model, batch, frame, cells)  # [C, N]
    log_weight = _rule_of(cells).log_weight + cells.half.log().sum(-1, keepdim=True) + log_det
    row = cells.row.unsqueeze(-1).expand_as(log_f)
    each = (group.transpose(0, 1).flatten(0, 1) for group in z)
    return Points(row.flatten(), log_weight.flatten(), (log_f - log_det).flatten(), tuple(each))


def _hidden(log_f: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
    """log of the most that f may be between the points of a cell [C], and the directions in which it varies [C, D].

    A quadratic surface is laid through log f; the bound is the highest it gets within the cell, plus twice the largest
    miss. −∞ where that is no more than was seen at the points.
    """
    top = log_f.amax(-1, keepdim=True)
    relative = (log_f - top).clamp(min=-1e6).nan_to_num(nan=0.0)
    surface = relative @ rule.fit.T  # [C, T]
    miss = (relative - surface @ rule.basis.T).abs().amax(-1)
    bound = _peak(surface, rule) + 2 * miss
    variation = surface.abs() @ rule.varies.T  # [C, D]
    most = variation.amax(-1, keepdim=True)
    splits = variation >= 0.15 * most
    return torch.where(bound > 2, bound + top.squeeze(-1), -torch.inf), splits


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


def _rows(batch: Batch, row: Tensor) -> Batch:
    """The batch whose rows are examples `row`."""
    x, y, observed = (None if t is None else t.index_select(0, row) for t in (batch.x, batch.y, batch.observed))
    assert x is not None
    return Batch(x, y=y, observed=observed)


# Rules


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


def _rule_of(cells: Cells) -> Rule:
    """That of cells which all have the same."""
    return _rule(cells.half.shape[-1], bool(cells.fine[0]), cells.half.device)


@functools.cache
def _rule(num_dims: int, fine: bool, device: torch.device) -> Rule:
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


# Rounds


def _to_split(leaves: Leaves, error: Tensor, tolerance: float, budget: Tensor) -> Tensor:
    """The cells to halve: those that err most, until what is left is half the tolerance; as many as are affordable."""
    row, D = leaves.cells.row, leaves.splits.shape[-1]
    total = torch.zeros(len(budget), dtype=error.dtype, device=error.device).index_add(0, row, error)
    order = error.argsort()
    order = order[row[order].argsort(stable=True)]  # by example, the smallest error first
    left = _running(error[order], row[order])
    price = 2 ** leaves.splits.sum(-1)[order] * FINE[D] ** D  # at most
    spent = _running(price.double().flip(0), row[order].flip(0)).flip(0)  # on this cell and on those that err more
    wanted = (left > tolerance / 2) & (total[row[order]] > tolerance) & (spent <= budget[row[order]])
    return order[wanted]


def _refined(
    model: Model, batch: Batch, frame: Frame, leaves: Leaves, chosen: Tensor, log_px: Tensor
) -> tuple[Leaves, Cells, Tensor]:
    """The leaves with the chosen ones cut in halves; a child's error is its share of what its parent was off."""
    parents = leaves.cells.at(chosen)
    splits = leaves.splits[chosen]
    matters = leaves.log_value[chosen] - log_px[parents.row] > math.log(MATTERS)  # else it is only searched
    cells = _cut(replace(parents, fine=matters), splits, 2)
    family = _cut(replace(parents, row=torch.arange(len(parents), device=chosen.device)), splits, 2).row
    children, cost = _measured(model, batch, frame, cells)
    together = _log_sum(children.log_value, family, len(parents))
    off = _log_difference(together, leaves.log_value[chosen])
    share = off[family] - splits.sum(-1)[family] * math.log(2)
    children = replace(children, log_error=torch.logaddexp(children.log_error, share))
    kept = torch.ones(len(leaves.cells), dtype=torch.bool, device=chosen.device).index_fill(0, chosen, False)
    return _together(leaves, kept, children), cells, cost


def _cut(cells: Cells, sides: Tensor, pieces: int) -> Cells:
    """Each cell in `pieces` equal parts along each of its sides [C, D] that are marked."""
    row, centre, half, fine = cells.row, cells.centre, cells.half, cells.fine
    for d in range(sides.shape[-1]):
        marked = sides[:, d]
        step = half[marked, d] / pieces
        moves = [2 * i - pieces + 1 for i in range(pieces)]
        index = torch.cat([(~marked).nonzero().squeeze(-1), *[marked.nonzero().squeeze(-1)] * pieces])
        shift = torch.cat([torch.zeros_like(half[~marked, d]), *(step * move for move in moves)])
        scale = torch.ones_like(shift)
        scale[(~marked).sum() :] = 1 / pieces
        row, centre, half, fine, sides = (
            row[index],
            centre[index].clone(),
            half[index].clone(),
            fine[index],
            sides[index],
        )
        centre[:, d] += shift
        half[:, d] *= scale
    return Cells(row, centre, half, fine)


def _together(leaves: Leaves, kept: Tensor, more: Leaves) -> Leaves:
    a, b = leaves.cells.at(kept), more.cells
    cells = Cells(*(torch.cat([getattr(c, name) for c in (a, b)]) for name in ("row", "centre", "half", "fine")))
    pick = (
        torch.cat([getattr(leaves, name)[kept], getattr(more, name)]) for name in ("log_value", "log_error", "splits")
    )
    return Leaves(cells, *pick)


def _relative(leaves: Leaves, log_px: Tensor) -> Tensor:
    """The error of each cell relative to p(x), [C]."""
    return (leaves.log_error - log_px[leaves.cells.row]).exp().clamp(max=LARGEST)


def _curable(leaves: Leaves, error: Tensor, log_px: Tensor, dtype: torch.dtype) -> Tensor:
    """The errors [C] that are more than the rounding of log p(x, z), which no halving takes away; else 0."""
    row = leaves.cells.row
    rounding = ROUNDED * torch.finfo(dtype).eps * log_px.abs()[row]
    return torch.where(error > rounding * (leaves.log_value - log_px[row]).exp(), error, 0.0)


def _chunks(cells: Cells) -> Iterator[Tensor]:
    """The indices of some cells at a time, all of one rule: DECODED rows of points."""
    for fine in (True, False):
        index = (cells.fine == fine).nonzero().squeeze(-1)
        if len(index):
            yield from index.split(max(1, DECODED // len(_rule_of(cells.at(index[:1])).points)))


def _log_sum(value: Tensor, row: Tensor, size: int) -> Tensor:
    """log Σ exp(value) over the cells of each row, [C] → [size]."""
    top = value.new_full((size,), -torch.inf).scatter_reduce(0, row, value, "amax").clamp(min=-1e300)
    return top + torch.zeros_like(top).index_add(0, row, (value - top[row]).exp()).log()


def _log_difference(a: Tensor, b: Tensor) -> Tensor:
    """log|e^a − e^b|."""
    top, gap = torch.maximum(a, b), -(a - b).abs()
    return torch.where(top == -torch.inf, -torch.inf, top + torch.log(-torch.expm1(gap)))


def _running(value: Tensor, row: Tensor) -> Tensor:
    """Running sums within runs of equal `row`."""
    total = value.cumsum(0)
    first = torch.ones_like(row, dtype=torch.bool)
    first[1:] = row[1:] != row[:-1]
    before = (total - value)[first]
    return total - before[first.cumsum(0) - 1]


def _count(row: Tensor, cost: Tensor, size: int) -> Tensor:
    """Points per example, [size]."""
    return torch.zeros(size, dtype=cost.dtype, device=cost.device).index_add(0, row, cost)
