"""The region that a grid over z covers: the box of each example, and the cells that it begins with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError
from ..model import Model
from .brute_force import prior_draws
from .flat import Flat

DIMS = 3  # of z, at most
DRAWS = 64  # of q and of p, per example, that say where a grid must look
CORE = 1.5  # half the width of the innermost cells, in standard deviations of q
BODY = 1.5  # half the greatest width where the prior has its draws, in standard deviations of the prior
REACH = 4.0  # the box reaches so many times as far as the farthest draw


@dataclass(frozen=True)
class Box:
    """The box of each example, in coordinates v with u = m + L v.

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


def box_of(model: Model, batch: Batch) -> Box:
    """The box of each example, from draws of q(z|x) and of p(z)."""
    z_q = model.posterior(batch).draw(DRAWS)[0]
    groups, dtype = tuple(g.shape[2:] for g in z_q), z_q[0].dtype
    require_few(sum(math.prod(shape) for shape in groups))
    flat, z_p = Flat(model.coordinates(batch), groups), tuple(g.to(dtype) for g in prior_draws(model, batch, DRAWS))
    u_q, u_p = (flat.to_u(z).double() for z in (z_q, z_p))  # [M, B, D]
    mean = u_q.mean(0)
    root = _root(u_q - mean, u_p.flatten(0, 1).std(0))
    q, p = (_solve(root, u - mean) for u in (u_q, u_p))
    everywhere = _solve(root, u_p.flatten(0, 1).unsqueeze(1) - mean)  # the prior's draws of all examples, seen by each
    hull = torch.maximum(everywhere.abs().amax(0), q.abs().amax(0))
    return Box(mean, root, groups, dtype, q, p, hull, everywhere.std(0))


def require_few(num_dims: int, who: str = "quadrature") -> None:
    """Refuse what no grid can cover."""
    if num_dims > DIMS:
        raise RequestError(
            f"{who} lays grids over z of up to {DIMS} dimensions, and this model's z has {num_dims}.",
            "Use the estimator ais or sandwich.",
        )


def first_cells(box: Box) -> Cells:
    """The cells to begin with: CORE·3^k wide, those that hold draws cut in three until they are as fine as the draws.

    Nothing is evaluated here.
    """
    levels = (REACH * box.hull / CORE).clamp(min=1).log() / math.log(3)
    half = CORE * 3 ** levels.ceil().clamp(min=1)
    cells = Cells(
        torch.arange(len(half), device=half.device), torch.zeros_like(half), half, torch.ones_like(half[:, 0]) > 0
    )
    done = []
    while len(cells):
        sides = _wanted(box, cells)  # [C, D]
        whole = ~sides.any(-1)
        done.append(cells.at(whole))
        cells = cut(cells.at(~whole), sides[~whole], 3)
    row, centre, half = (torch.cat([getattr(c, name) for c in done]) for name in ("row", "centre", "half"))
    return Cells(row, centre, half, (half <= CORE * 1.01).all(-1))


def _wanted(box: Box, cells: Cells) -> Tensor:
    """The sides of each cell that are too long for the draws that it holds, [C, D]."""

    def holds(draws: Tensor) -> Tensor:  # [M, B, D] → [C, 1]
        inside = (draws[:, cells.row] - cells.centre).abs() <= cells.half
        return inside.all(-1).any(0).unsqueeze(-1)

    body = BODY * box.prior_spread[cells.row].clamp(min=CORE / BODY)
    return (holds(box.q) & (cells.half > CORE * 1.01)) | (holds(box.p) & (cells.half > body * 1.01))


def _root(delta: Tensor, spread: Tensor) -> Tensor:
    """L [B, D, D] with L Lᵀ the covariance of draws [M, B, D], kept off zero relative to the prior's spread [D]."""
    covariance = torch.einsum("mbd,mbe->bde", delta, delta) / (len(delta) - 1)
    least = (1e-5 * spread.clamp(min=1e-30)).square()
    return torch.linalg.cholesky(covariance + torch.diag(least))


def _solve(root: Tensor, delta: Tensor) -> Tensor:
    """L⁻¹ δ for δ [M, B or 1, D]."""
    inverse = torch.linalg.solve_triangular(root, torch.eye(root.shape[-1]).to(root).expand_as(root), upper=False)
    return torch.einsum("bde,mbe->mbd", inverse, delta)


def cut(cells: Cells, sides: Tensor, pieces: int) -> Cells:
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
        row, centre, half, fine, sides = (each[index] for each in (row, centre, half, fine, sides))
        centre[:, d] += shift
        half[:, d] *= scale
    return Cells(row, centre, half, fine)
