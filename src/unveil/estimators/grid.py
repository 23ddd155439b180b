"""Adaptive grids over z: the integral ∫ p(x, z) dz by Gauss–Legendre cells, and p(z|x) on their points.

Every example has a box of its own in u, where z = T(u) are the model's coordinates: u = m + L v, with the mean m and
the covariance L Lᵀ of draws of q(z|x). A cell is a box in v. Cells begin at the size of the spread of q where q has
its draws and at that of the prior where the prior has its own, and grow by three from there outwards. They are then
halved where it matters, in the directions in which log p(x, z) varies.

References: Genz & Malik, An adaptive algorithm for numerical integration over an N-dimensional rectangular region
(1980), for halving what errs most; Davis & Rabinowitz, Methods of Numerical Integration (1984), §2.7 and §6.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..batch import Batch
from ..model import Model
from .base import rows_at_once
from .cells import Box, Cells, box_of, cut, first_cells
from .flat import Flat
from .rules import FINE, Rule, hidden, rule_for

MATTERS = 1e-4  # share of p(x) above which a cell is halved into cells of the fine rule
ROUNDED = 8.0  # rounding of log p(x, z), in units of the last place of log p(x): sums cancel, 1/σ magnifies
FASTEST = 1 / 16  # what is left of an error after a halving, at the least that is believed
TIMES = 4.0  # what is left, so that the stated error is seldom short of the real one
LARGEST = 1e6  # relative error above which one is as good as another


@dataclass(frozen=True)
class Leaves:
    """Cells with what was found in them.

    Arguments: cells; log_value [C], log of the integral; log_error [C], of the most that it may be off, which decides
    what is halved; log_off [C], of the cell's share of what the halving that made it changed, and log_left [C], of what
    another would; splits [C, D], the directions to halve.
    """

    cells: Cells
    log_value: Tensor
    log_error: Tensor
    log_off: Tensor
    log_left: Tensor
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
        return _sum(value, self.row, len(self.log_px))


@dataclass(frozen=True)
class Integral:
    """∫ p(x, z) dz of B examples.

    Arguments: log_px [B]; stderr [B], the estimated error in nats; evaluations [B]; leaves and box, the grid itself.
    """

    log_px: Tensor
    stderr: Tensor
    evaluations: Tensor
    leaves: Leaves
    box: Box


@torch.no_grad()
def integrate(model: Model, batch: Batch, *, tolerance: float, max_evaluations: int) -> Integral:
    """log ∫ p(x, z) dz by halving, round after round, the cells that err most.

    Arguments: tolerance, the error to reach, relative to p(x); max_evaluations of p(x, z) per example, after which the
        error that is left is reported as it is. So is what lies within the rounding of the model's own arithmetic.
    """
    box = box_of(model, batch)
    cells = first_cells(box)
    leaves, cost = _measured(model, batch, box, cells)
    most, left = (torch.logaddexp(leaves.log_value, each) for each in (leaves.log_error, leaves.log_left))
    leaves = replace(leaves, log_error=most, log_off=leaves.log_value, log_left=left)  # nothing confirms it yet
    used = _sum(cost, cells.row, len(batch))
    while True:
        log_px = _log_sum(leaves.log_value, leaves.cells.row, len(batch))
        error = _relative(leaves.log_error, leaves, log_px)
        chosen = _to_split(leaves, _curable(leaves, error, log_px, box.dtype), tolerance, max_evaluations - used)
        if not len(chosen):
            break
        leaves, cells, cost = _refined(model, batch, box, leaves, chosen, log_px)
        used = used + _sum(cost, cells.row, len(batch))
    left = torch.minimum(TIMES * _relative(leaves.log_left, leaves, log_px), error)  # kinks halve less regularly
    return Integral(log_px, torch.log1p(_sum(left, leaves.cells.row, len(batch))), used, leaves, box)


@torch.no_grad()
def posterior_grid(model: Model, batch: Batch, *, tolerance: float = 1e-3, max_evaluations: int = 100_000) -> Grid:
    """p(x, z), and so p(z|x), on the points of an adaptive grid over z of up to three dimensions.

    Arguments: tolerance and max_evaluations as in `integrate`.
    """
    found = integrate(model, batch, tolerance=tolerance, max_evaluations=max_evaluations)
    cells = found.leaves.cells
    parts = [_points(model, batch, found.box, cells.at(index)) for index in _chunks(model, cells)]
    row, log_weight, log_joint, *z = (torch.cat(each) for each in zip(*parts, strict=True))
    log_px = _log_sum(log_weight + log_joint, row, len(batch))
    return Grid(row, tuple(z), log_weight, log_joint, log_px, found.stderr, found.evaluations)


def _measured(model: Model, batch: Batch, box: Box, cells: Cells) -> tuple[Leaves, Tensor]:
    """The integral over each cell, what may hide in it as its error, and the number of points [C] it took."""
    log_value, log_error, log_left = (torch.empty_like(cells.half[:, 0]) for _ in range(3))
    splits, cost = torch.zeros_like(cells.half, dtype=torch.bool), torch.zeros_like(cells.row)
    for index in _chunks(model, cells):
        part = cells.at(index)
        rule, log_half = _rule_of(part), part.half.log().sum(-1)
        log_f, *_ = _density(model, batch, box, part)  # [C, N]
        unseen, likely, splits[index] = hidden(log_f, rule)
        log_value[index] = torch.logsumexp(log_f + rule.log_weight, -1) + log_half
        log_volume = log_half + part.half.shape[-1] * math.log(2)
        log_error[index], log_left[index] = unseen + log_volume, likely + log_volume
        cost[index] = log_f.shape[-1]
    return Leaves(cells, log_value, log_error, torch.full_like(log_value, -torch.inf), log_left, splits), cost


def _density(model: Model, batch: Batch, box: Box, cells: Cells) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """log p(x, v) and log|det ∂z/∂v| [C, N], and z groups [N, C, …], at the points of cells of one rule."""
    rule = _rule_of(cells)
    v = cells.centre.unsqueeze(0) + cells.half.unsqueeze(0) * rule.points.unsqueeze(1)  # [N, C, D]
    u = box.mean[cells.row] + torch.einsum("cde,nce->ncd", box.root[cells.row], v)
    rows = replace(batch, index=None, z=None).map(lambda held: held.index_select(0, cells.row))
    z, log_det = Flat(model.coordinates(rows), box.groups).to_z(u.to(box.dtype))
    terms = model.joint(rows, z)
    log_det = log_det.double() + box.log_det[cells.row]
    log_f = terms.log_px_z.double() + terms.log_pz.double().sum(-1) + log_det  # [N, C]
    outside = (v.abs() > 1.5 * box.hull[cells.row]).any(-1)
    log_f = torch.where(outside & log_f.isnan(), -torch.inf, log_f)  # networks overflow where nobody ever was
    return log_f.T, log_det.T, z


def _points(model: Model, batch: Batch, box: Box, cells: Cells) -> tuple[Tensor, ...]:
    """row, log_weight and log_joint [P], and z groups [P, …], of cells of one rule, as in `Grid`."""
    log_f, log_det, z = _density(model, batch, box, cells)  # [C, N]
    log_weight = _rule_of(cells).log_weight + cells.half.log().sum(-1, keepdim=True) + log_det
    row = cells.row.unsqueeze(-1).expand_as(log_f)
    each = (group.transpose(0, 1).flatten(0, 1) for group in z)
    return row.flatten(), log_weight.flatten(), (log_f - log_det).flatten(), *each


def _to_split(leaves: Leaves, error: Tensor, tolerance: float, budget: Tensor) -> Tensor:
    """The cells to halve: those that err most, until what is left is half the tolerance; as many as are affordable."""
    row, D = leaves.cells.row, leaves.splits.shape[-1]
    total = _sum(error, row, len(budget))
    order = error.argsort()
    order = order[row[order].argsort(stable=True)]  # by example, the smallest error first
    left = _running(error[order], row[order])
    price = 2 ** leaves.splits.sum(-1)[order] * FINE[D] ** D  # at most
    spent = _running(price.double().flip(0), row[order].flip(0)).flip(0)  # on this cell and on those that err more
    wanted = (left > tolerance / 2) & (total[row[order]] > tolerance) & (spent <= budget[row[order]])
    return order[wanted]


def _refined(
    model: Model, batch: Batch, box: Box, leaves: Leaves, chosen: Tensor, log_px: Tensor
) -> tuple[Leaves, Cells, Tensor]:
    """The leaves with the chosen ones cut in halves; a child may be off by its share of what its parent was off.

    What another halving would change is less, by as much as this one changed less than the one before.
    """
    parents = leaves.cells.at(chosen)
    splits = leaves.splits[chosen]
    matters = leaves.log_value[chosen] - log_px[parents.row] > math.log(MATTERS)  # else it is only searched
    cells = cut(replace(parents, fine=matters), splits, 2)
    family = cut(replace(parents, row=torch.arange(len(parents), device=chosen.device)), splits, 2).row
    children, cost = _measured(model, batch, box, cells)
    together = _log_sum(children.log_value, family, len(parents))
    off = _log_difference(together, leaves.log_value[chosen])
    share = off[family] - splits.sum(-1)[family] * math.log(2)
    falls = (off - leaves.log_off[chosen]).clamp(math.log(FASTEST), 0.0)[family]
    left, most = torch.logaddexp(children.log_left, share + falls), torch.logaddexp(children.log_error, share)
    children = replace(children, log_error=most, log_off=share, log_left=left)
    kept = torch.ones(len(leaves.cells), dtype=torch.bool, device=chosen.device).index_fill(0, chosen, False)
    return _together(leaves, kept, children), cells, cost


def _together(leaves: Leaves, kept: Tensor, more: Leaves) -> Leaves:
    a, b = leaves.cells.at(kept), more.cells
    cells = Cells(*(torch.cat([getattr(c, name) for c in (a, b)]) for name in ("row", "centre", "half", "fine")))
    names = ("log_value", "log_error", "log_off", "log_left", "splits")
    return Leaves(cells, *(torch.cat([getattr(leaves, name)[kept], getattr(more, name)]) for name in names))


def _relative(log_error: Tensor, leaves: Leaves, log_px: Tensor) -> Tensor:
    """An error of each cell relative to p(x), [C]."""
    return (log_error - log_px[leaves.cells.row]).exp().clamp(max=LARGEST)


def _curable(leaves: Leaves, error: Tensor, log_px: Tensor, dtype: torch.dtype) -> Tensor:
    """The errors [C] that are more than the rounding of log p(x, z), which no halving takes away; else 0."""
    row = leaves.cells.row
    rounding = ROUNDED * torch.finfo(dtype).eps * log_px.abs()[row]
    return torch.where(error > rounding * (leaves.log_value - log_px[row]).exp(), error, 0.0)


def _rule_of(cells: Cells) -> Rule:
    """That of cells which all have the same."""
    return rule_for(cells.half.shape[-1], bool(cells.fine[0]), cells.half.device)


def _chunks(model: Model, cells: Cells) -> Iterator[Tensor]:
    """The indices of some cells at a time, all of one rule: as many points as the decoder takes rows at once."""
    rows = rows_at_once(model)
    for fine in (True, False):
        index = (cells.fine == fine).nonzero().squeeze(-1)
        if len(index):
            yield from index.split(max(1, rows // len(_rule_of(cells.at(index[:1])).points)))


def _log_sum(value: Tensor, row: Tensor, size: int) -> Tensor:
    """log Σ exp(value) over the cells of each row, [C] → [size]."""
    top = value.new_full((size,), -torch.inf).scatter_reduce(0, row, value, "amax").clamp(min=-1e300)
    return top + _sum((value - top[row]).exp(), row, size).log()


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


def _sum(value: Tensor, row: Tensor, size: int) -> Tensor:
    """Σ over the cells of each row, [C] → [size]."""
    return value.new_zeros(size).index_add(0, row, value)
