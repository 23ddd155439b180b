"""Rows with gaps, ranked among validation examples of which no more is observed than of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import Split
from ..errors import Fact
from ..runs.store import RunStore
from .impute import impute_rows
from .reference import FEW, Array, scored, share_below

SCORED = 5_000  # validation examples that are scored for all masks together
LEAST = 100  # of them for one mask, where there are more masks than that allows

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ranks:
    """The percentile [N] of each row, NaN where there is none, and sentences on how it was found."""

    percentile: Array
    notes: tuple[str, ...]


def ranks_of_gaps(run: RunStore, split: Split, valid: Split, log_px: Array, seed: int) -> Ranks:
    """The share (in %) of validation examples that are less likely than each row [N] with gaps; NaN of whole rows.

    Rows are grouped by their mask, what of them is observed. Each group is ranked among the validation examples of
    which all of that is observed, scored with everything else hidden: then both are log p of the same columns. Where
    the model draws gaps given the rest, those of validation examples are drawn first, and all examples are taken. Of
    these, 5,000 are scored at most. Where there are so many masks that fewer than 100 would be left for each, the most
    frequent masks are taken, and a row of another is ranked by those of its columns that one of them holds, the one
    with most of them; it is scored anew for that. Where fewer than 20 examples can be compared there is no percentile.

    Arguments: split, new x; valid, validation examples; log_px [N] nats, of the rows; seed, of the draws.
    """
    seen = _observed(split)
    gaps = np.flatnonzero(~seen.all(1) & seen.any(1))
    percentile = np.full(len(seen), np.nan)
    if not len(gaps):
        return Ranks(percentile, ())
    valid = _without_gaps(run, valid, seed)
    known = _observed(valid)
    masks, group, counts = np.unique(seen[gaps], axis=0, return_inverse=True, return_counts=True)
    taken = _taken(masks, counts)
    nearest = _nearest(masks, taken)
    each = max(LEAST, SCORED // len(taken))
    among = {int(m): _among(run, valid, known, masks[m], each, seed) for m in taken}
    for m in np.unique(nearest[nearest >= 0]).tolist():
        rows = gaps[np.flatnonzero(nearest[group.ravel()] == m)]
        if len(among[m]) < FEW:
            continue
        own = log_px[rows].copy()
        less = ~(seen[rows] == masks[m]).all(1)
        if less.any():
            own[less] = _scored(run, split, rows[less], masks[m], seed)
        percentile[rows] = share_below(own, among[m])
    moved = int(((nearest >= 0) & (nearest != np.arange(len(masks))))[group.ravel()].sum())
    return Ranks(percentile, _said(len(gaps), len(seen), len(masks), moved, int(np.isnan(percentile[gaps]).sum())))


def _without_gaps(run: RunStore, valid: Split, seed: int) -> Split:
    """Validation examples with their gaps drawn, where the model gives any columns given any others."""
    if valid.observed is None or "conditionals" not in run.model.gives:
        return valid
    rows = np.flatnonzero(~_observed(valid).all(1))
    drawn, _ = impute_rows(run.model, valid, rows, seed=seed)
    x = valid.x.clone()
    x[rows] = torch.from_numpy(drawn[0]).to(x)
    return replace(valid, x=x, observed=None)


def _observed(split: Split) -> Mask:
    """[N, D] whether x is observed."""
    if split.observed is None:
        return np.ones((len(split), split.domain.num_dims), bool)
    return np.asarray(split.observed.flatten(1).cpu().numpy())


def _taken(masks: Mask, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of the masks [G, D] that are ranked by themselves: the most frequent."""
    return np.argsort(-counts, kind="stable")[: SCORED // LEAST]


def _nearest(masks: Mask, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each mask [G] the number of the taken one within it that holds most of its columns; −1 where none does."""
    found = np.full(len(masks), -1)
    found[taken] = taken
    sizes = masks[taken].sum(1)
    for m in np.flatnonzero(found < 0).tolist():
        within = ~(masks[taken] & ~masks[m]).any(1)
        if within.any():
            found[m] = taken[np.where(within, sizes, -1).argmax()]
    return found


def _among(run: RunStore, valid: Split, known: Mask, mask: Mask, most: int, seed: int) -> Array:
    """log p of what a mask holds, rising, of validation examples of which all of it is observed."""
    rows = np.flatnonzero((known | ~mask).all(1))
    if len(rows) > most:
        rows = rows[np.arange(most) * len(rows) // most]
    return np.sort(_scored(run, valid, rows, mask, seed)) if len(rows) else np.zeros(0)


def _scored(run: RunStore, split: Split, rows: NDArray[np.int64], mask: Mask, seed: int) -> Array:
    """log p of what a mask [D] holds of some rows."""
    part = split.take(torch.from_numpy(rows))
    observed = torch.from_numpy(np.broadcast_to(mask, (len(rows), len(mask))).copy()).reshape(part.x.shape)
    found: Array = scored(run, replace(part, observed=observed.to(part.x.device)), seed).log_px.numpy()
    return found


def _said(num_gaps: int, num_rows: int, num_masks: int, moved: int, without: int) -> tuple[str, ...]:
    patterns = "1 pattern" if num_masks == 1 else f"{num_masks:,} patterns"
    told = (
        f"{num_gaps:,} of {num_rows:,} rows have gaps, in {patterns}: each is ranked among validation examples of "
        "which the same columns are taken."
    )
    fewer = f" {moved:,} of a rare pattern are ranked by fewer of their columns." if moved else ""
    none = f" {without:,} have no percentile: fewer than {FEW} examples have their columns." if without else ""
    return (Fact(told + fewer + none),)
