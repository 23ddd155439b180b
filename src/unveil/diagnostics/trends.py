"""Whether the columns of synthetic rows, and pairs of them, are spread as those of real rows are; errors from 0 to 1.

of a column: sup_t |F(t) − F'(t)| of numbers and dates (Kolmogorov and Smirnov), ½ Σ_v |p(v) − p'(v)| of levels,
of a pair: ½ |ρ − ρ'| of two columns of numbers, ρ being Pearson's; ½ Σ_vw |p(v, w) − p'(v, w)| of others, a number
being the one of ten bins between the least and the greatest real value that it lies in.

These are 1 − score of Column Shapes and Column Pair Trends of SDMetrics, which takes a gap for a level; here only what
is observed is compared. Rows that come from one table differ, too, by chance: how much, a shuffle of all rows tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.columns import LEVELLED, Column
from ..files import Plain

Array = NDArray[Any]
BINS = 10
PAIRED = 40  # columns that are paired with each other
SHUFFLES = 3  # that tell what chance makes of both errors


@dataclass(frozen=True)
class Trends(Plain):
    """How far D columns, and pairs of P of them, are from those of real rows; lower is better.

    Arguments:
        columns: [D], the error of each; None where nothing of it is observed.
        columns_chance: [D], what the errors would be by chance, were the rows from one table.
        paired: [P], the columns that are paired.
        pairs, pairs_chance: [P, P], the errors of each pair; None beside a column itself.
    """

    columns: tuple[float | None, ...]
    columns_chance: tuple[float | None, ...]
    paired: tuple[int, ...]
    pairs: tuple[tuple[float | None, ...], ...]
    pairs_chance: tuple[tuple[float | None, ...], ...]

    def column_error(self, chance: bool = False) -> float | None:
        """The mean over columns."""
        return _mean(self.columns_chance if chance else self.columns)

    def pair_error(self, chance: bool = False) -> float | None:
        """The mean over pairs."""
        return _mean([value for row in (self.pairs_chance if chance else self.pairs) for value in row])

    def worst_columns(self, count: int) -> list[tuple[int, float, float]]:
        """(column, its error, that by chance) of the columns that are farthest beyond chance."""
        return _beyond(list(range(len(self.columns))), self.columns, self.columns_chance)[:count]

    def worst_pairs(self, count: int) -> list[tuple[tuple[int, int], float, float]]:
        """((column, column), their error, that by chance) of the pairs that are farthest beyond chance."""
        both = list(combinations(range(len(self.paired)), 2))
        pairs, chance = ([of[i][j] for i, j in both] for of in (self.pairs, self.pairs_chance))
        return _beyond([(self.paired[i], self.paired[j]) for i, j in both], pairs, chance)[:count]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _beyond(what: Sequence[Any], errors: Sequence[float | None], chance: Sequence[float | None]) -> list[Any]:
    known = [(w, e, c) for w, e, c in zip(what, errors, chance, strict=True) if e is not None and c is not None]
    return sorted(known, key=lambda found: found[2] - found[1])


def trends(real: Array, made: Array, columns: Sequence[Column], *, seed: int = 0) -> Trends:
    """`Trends` of synthetic rows [M, D] beside real ones [N, D], both as codes, NaN where not observed.

    Arguments: seed, of the shuffles.
    """
    paired = tuple(int(d) for d in np.unique(np.linspace(0, len(columns) - 1, PAIRED).round()))
    ends = [_ends(real[:, d]) for d in range(len(columns))]
    rng, both = np.random.default_rng(seed), np.concatenate([real, made])
    found = [_errors(real, made, columns, paired, ends)]
    for _ in range(SHUFFLES):
        mixed = rng.permutation(both)
        found.append(_errors(mixed[: len(real)], mixed[len(real) :], columns, paired, ends))
    chance = (np.mean([each[part] for each in found[1:]], 0) for part in (0, 1))
    values = [_known(part) for part in (*found[0], *chance)]
    return Trends(values[0], values[2], paired, values[1], values[3])


def _known(values: Array) -> Any:
    """Nested tuples, None where there is no number."""
    if values.ndim > 1:
        return tuple(map(_known, values))
    return tuple(None if np.isnan(value) else float(value) for value in values)


def _errors(
    a: Array, b: Array, columns: Sequence[Column], paired: Sequence[int], ends: Sequence[tuple[float, float]]
) -> tuple[Array, Array]:
    """The errors [D] of columns and [P, P] of pairs between rows a and b."""
    each = np.array([column_error(a[:, d], b[:, d], column) for d, column in enumerate(columns)])
    pairs = np.full((len(paired), len(paired)), np.nan)
    cells = {d: [_cells(rows[:, d], columns[d], ends[d]) for rows in (a, b)] for d in paired}
    for i, j in combinations(range(len(paired)), 2):
        c, d = paired[i], paired[j]
        if columns[c].kind in LEVELLED or columns[d].kind in LEVELLED:
            pairs[i, j] = _contingency_error(cells[c], cells[d])
        else:
            pairs[i, j] = abs(_correlation(a[:, [c, d]]) - _correlation(b[:, [c, d]])) / 2
        pairs[j, i] = pairs[i, j]
    return each, pairs


def column_error(a: Array, b: Array, column: Column) -> float:
    """The error between values a [N] and b [M] of a column; NaN where one of them holds none."""
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if not len(a) or not len(b):
        return np.nan
    if column.kind in LEVELLED:
        return _variation(a.astype(np.int64), b.astype(np.int64))
    every = np.concatenate([a, b])
    below = (np.searchsorted(np.sort(side), every, "right") / len(side) for side in (a, b))
    return float(np.abs(np.subtract(*below)).max())


def _variation(a: Array, b: Array) -> float:
    """Total variation between the shares of whole numbers from 0, NaN where there are none of one side."""
    if not len(a) or not len(b):
        return np.nan
    size = int(max(a.max(), b.max())) + 1
    return float(np.abs(np.bincount(a, minlength=size) / len(a) - np.bincount(b, minlength=size) / len(b)).sum() / 2)


def _ends(values: Array) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)


def _cells(values: Array, column: Column, ends: tuple[float, float]) -> Array:
    """The level, or the bin, of each value [N]; −1 of none. The bins before and after all have what is beyond."""
    if column.kind in LEVELLED:
        return np.where(np.isnan(values), -1, values).astype(np.int64)
    low, high = ends if ends[1] > ends[0] else (ends[0] - 0.5, ends[0] + 0.5)
    inner = np.linspace(low, high, BINS + 1)
    inner[-1] = np.nextafter(np.float64(high), np.inf)  # the greatest is in the last bin
    return np.where(np.isnan(values), -1, np.digitize(values.astype(np.float64), inner))


def _contingency_error(c: Sequence[Array], d: Sequence[Array]) -> float:
    """Total variation between the tables of two columns, of each of which the cells of both sides came."""
    size = max(int(cells.max(initial=0)) for cells in d) + 1
    joint = [(x * size + y)[(x >= 0) & (y >= 0)] for x, y in zip(c, d, strict=True)]
    _, places = np.unique(np.concatenate(joint), return_inverse=True)
    return _variation(places[: len(joint[0])], places[len(joint[0]) :])


def _correlation(rows: Array) -> float:
    """ρ of two columns where both are observed: 0 of a constant, NaN of less than two rows."""
    known = rows[~np.isnan(rows).any(1)].astype(np.float64)
    if len(known) < 2:
        return np.nan
    spread = known.std(0)
    if not spread.all():
        return 0.0
    return float(np.clip(((known - known.mean(0)) / spread).prod(1).mean(), -1, 1))
