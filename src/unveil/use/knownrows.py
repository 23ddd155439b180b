"""How far rows of a table are from all that a run was given: from the nearest row, and column by column.

log p of a row is a sum, in which columns that hardly change or repeat their values carry most of what varies. Here each
column counts in units of its own tail, and rows that no column tells from others by their distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data import Data, Split
from ..domain import Domain
from .nearest import nearest, same
from .show import batch_x
from .units import upper_tail

Array = NDArray[np.float64]
Seen = NDArray[np.bool_]
SEARCHED = 20_000  # known rows that are searched
OWN_LEVELS = 64  # levels of a column that have a place of their own in a distance; the rarest of more share one
MOST_PLACES = 2_000  # features that rows are compared in
LEAST = 1e-3  # of the variance of a column, added to each direction: those that hardly vary are rounding


def is_table(domain: Domain) -> bool:
    """Whether the values of x are columns."""
    return len(domain.shape) == 1


@dataclass(frozen=True)
class KnownRows:
    """The rows that a run was given, as the features that others are compared in.

    Arguments: split, those rows (at most 20,000 of them); x [M, D] and seen [M, D], theirs; turn [F, F], from
    standardised features to those of a distance, or None where there are too many to compare.
    """

    split: Split
    x: Array
    seen: Seen
    turn: Array | None

    @classmethod
    def of(cls, data: Data) -> KnownRows:
        """Of the training, validation and test rows: to what comes later all of them are known."""
        rows = data.train.followed_by(data.valid).followed_by(data.test).spread(SEARCHED)
        x, seen = _values(rows)
        known = cls(rows, x, seen, None)
        if sum(1 for _ in known._indicators(x, seen)) > MOST_PLACES:
            return known
        return cls(rows, x, seen, half_whitening(known.features(x, seen)))

    @property
    def compares(self) -> bool:
        """Whether there are few enough features, and rows enough, to compare rows."""
        return self.turn is not None and len(self.split) > 1

    def distance(self, split: Split) -> Array:
        """How far the nearest known row is, [N]; of a row that is known, the nearest other one.

        A row is taken for a known one where all its values are the same. Else the rows that a run was fitted on would
        all be at 0, and so would be what comes in the same file as they do.
        """
        assert self.turn is not None
        twins = same(split, self.split)
        new, among = (self.features(*each) @ self.turn for each in (_values(split), (self.x, self.seen)))
        _, found = nearest(new, among, 2, equal={row: places[:1] for row, places in twins.items()})
        known = np.isin(np.arange(len(split)), list(twins))
        return np.asarray(np.where(known, found[:, 1], found[:, 0]))

    def tails(self, split: Split) -> Array:
        """√Σ_d t_d² [N] with t_d = −log of the share of known rows that are as far out in column d, on either side.

        Squares, since a row that is far out in a few columns is odder than one that is a little in all. Of a row with
        gaps, the mean of what is observed stands for the rest.
        """
        x, seen = _values(split)
        total = np.zeros(len(x))
        for d in range(x.shape[1]):
            known = self.x[self.seen[:, d], d]
            if len(known):
                tail = rarity if self._has_levels(d) else column_tail
                total += np.where(seen[:, d], tail(x[:, d], np.sort(known)) ** 2, 0)
        return np.asarray(np.sqrt(total * x.shape[1] / np.maximum(seen.sum(1), 1)))

    def features(self, x: Array, seen: Seen) -> Array:
        """Numbers in standard deviations and levels as indicators in theirs, of both levels of a pair the half; [N, F].

        What is not observed stands at the mean of the known.
        """
        return np.stack(list(self._indicators(x, seen)), 1)

    def _indicators(self, x: Array, seen: Seen) -> Iterator[Array]:
        for d in range(x.shape[1]):
            known = self.x[self.seen[:, d], d]
            if not self._has_levels(d):
                yield _standard(x[:, d], seen[:, d], known)
                continue
            levels, counts = np.unique(known, return_counts=True)
            for level in levels[np.argsort(-counts, kind="stable")][:OWN_LEVELS]:
                yield _standard((x[:, d] == level) * 1.0, seen[:, d], (known == level) * 1.0) / math.sqrt(2)

    def _has_levels(self, d: int) -> bool:
        """Whether the column holds categories, whose codes have no order."""
        columns = self.split.domain.columns
        return columns is not None and columns[d].kind == "category"


def column_tail(values: Array, known: Array) -> Array:
    """−log of the share [n] of the rising `known` that is as far out on the same side, doubled; at least 0."""
    both = np.maximum(upper_tail(values, known), upper_tail(-values, -known[::-1]))
    return np.asarray(np.maximum(both - math.log(2), 0))


def rarity(values: Array, known: Array) -> Array:
    """−log of the share [n] of `known` whose level is as rare as that of each value, or rarer."""
    levels, counts = np.unique(known, return_counts=True)
    place = np.searchsorted(levels, values).clip(max=len(levels) - 1)
    own = np.where(levels[place] == values, counts[place], 0)
    order = np.sort(counts)
    at_most = np.r_[0, np.cumsum(order)][np.searchsorted(order, own, "right")]
    return np.asarray(-np.log((at_most + 0.5) / (len(known) + 0.5)))


def half_whitening(features: Array) -> Array:
    """V·diag(λ^−¼) of the covariance VΛVᵀ of features [N, F]: what several columns tell alike counts less often.

    Whitening wholly, by λ^−½, would count directions in which nothing but noise is left as much as all others.
    """
    covariance = np.atleast_2d(np.cov(features.T)) + LEAST * np.eye(features.shape[1])
    variances, directions = np.linalg.eigh(covariance)
    return np.asarray(directions / np.maximum(variances, LEAST) ** 0.25)


def _standard(values: Array, seen: Seen, known: Array) -> Array:
    spread = float(known.std()) if len(known) else 0.0
    middle = float(known.mean()) if len(known) else 0.0
    return np.where(seen, (values - middle) / (spread or 1.0), 0.0)


def _values(split: Split) -> tuple[Array, Seen]:
    """x and what of it is observed, [N, D]."""
    x = batch_x(split).astype(np.float64)
    seen = np.ones(x.shape, bool) if split.observed is None else split.observed.cpu().numpy()
    return x, seen
