"""The coordinates in which one moves about in z: z itself where it is small, else its main directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data import Split
from ...data.rowblocks import blocks
from ...diagnostics.activity import posterior_moments
from ...estimators.base import rows_of_block
from ...model import Model, prior_draw
from ...ops import keyed

MOST = 256  # latents of one group that are moved one by one
DIRECTIONS = 16  # of more, or of several groups
DRAWS = 8  # of z, where its posterior has no mean in closed form
PRIOR, LEAST, NUMBERS = 3000, 500, 60_000  # draws from p(z) that show where it lies; numbers they take


@dataclass(frozen=True)
class Space:
    """Coordinates c [B, k] for z.

    z = c, or of many latents z = centre + basisᵀ c with orthonormal rows: the main directions of posterior means.

    Arguments: size, k; shapes of the groups of z of one example; centre [D] and basis [k, D], or None.
    """

    size: int
    shapes: tuple[torch.Size, ...]
    centre: Tensor | None = None
    basis: Tensor | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every z has coordinates."""
        return self.basis is None

    def groups(self, c: Tensor) -> tuple[Tensor, ...]:
        """The groups of z at c [B, k]."""
        z = c if self.basis is None or self.centre is None else self.centre + c @ self.basis
        parts = z.split([shape.numel() for shape in self.shapes], -1)
        return tuple(part.reshape(len(c), *shape) for part, shape in zip(parts, self.shapes, strict=True))

    def of(self, z: Tensor) -> Tensor:
        """The coordinates of z [N, D], all groups flat beside each other."""
        return z if self.basis is None or self.centre is None else (z - self.centre) @ self.basis.T

    def spread(self, stddev: Tensor) -> Tensor:
        """The standard deviation of each coordinate, of independent z with these [N, D]."""
        return stddev if self.basis is None else ((stddev**2) @ (self.basis**2).T).sqrt()


def space_of(model: Model, means: Tensor) -> Space:
    """The coordinates for a model, from the posterior means [N, D] of some examples."""
    shapes = tuple(group.shape[1:] for group in prior_draw(model))
    if len(shapes) == 1 and means.shape[1] <= MOST:
        return Space(means.shape[1], shapes)
    centre = means.mean(0)
    _, _, Vt = torch.linalg.svd((means - centre).double(), full_matrices=False)
    basis = Vt[: min(DIRECTIONS, max(1, len(means) - 1))].to(means.dtype)
    return Space(len(basis), shapes, centre, basis)


@torch.no_grad()
def moments(model: Model, split: Split) -> tuple[Tensor, Tensor]:
    """Posterior means and standard deviations [N, D] of z, all groups flat; of draws, where q has none."""
    known = posterior_moments(model, split, expected=True)
    if known is not None:
        return known
    found = []
    for block in blocks(len(split), size=rows_of_block(model)):
        with keyed("explorer", "moments", block.first):
            z, _ = model.posterior(split.expected(block.rows)).draw(DRAWS)
        flat = torch.cat([group.flatten(2) for group in z], 2)[:, : block.keep]  # [K, B, D]
        found.append(torch.stack([flat.mean(0), flat.std(0)]).cpu())
    means, stddevs = torch.cat(found, 1)
    return means, stddevs


@torch.no_grad()
def prior_places(model: Model, space: Space) -> Tensor:
    """The coordinates [N, k] of draws from p(z)."""
    with keyed("explorer", "prior"):
        count = max(LEAST, min(PRIOR, NUMBERS // space.size))
        z = model.draw_prior(count, model.draw_labels(count))
    flat = torch.cat([group.flatten(1).cpu() for group in z], 1)
    return space.of(flat)


def order_of(means: Tensor, rate: Tensor | None) -> list[int]:
    """The coordinates, the one that says most first: by its rate, or by how its posterior mean varies."""
    said = means.var(0) if rate is None or len(rate) != means.shape[1] else rate
    return said.argsort(descending=True, stable=True).tolist()


def pairs(order: Sequence[int], count: int = 4) -> list[tuple[int, int]]:
    """Pairs of the first coordinates, for the axes of a map."""
    first = order[:count]
    return [(a, b) for i, a in enumerate(first) for b in first[i + 1 :]]
