"""Whether synthetic rows are copies: how close each is to a training row, beside how close held-out rows are.

d(a, b)² = Σ (T(a_d) − T(b_d))² over numbers + the number of columns of levels in which a and b differ

T brings a column to a spread of 1 and draws long tails in (`Stretch`). What is not observed lies at T = 0, and is a
level of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.columns import LEVELLED, Column
from ..data.split import spread_rows
from ..distributions.stretch import Stretch
from ..files import Plain

Array = NDArray[Any]
CLOSE = 0.05  # of held-out rows, that are the closest to training rows
ASKED, AMONG = 2_000, 20_000  # rows whose nearest is looked for, and training rows that it is looked for among
ROWS = 256  # beside all training rows at once


@dataclass(frozen=True)
class Closeness(Plain):
    """How close M synthetic rows and N held-out ones are to training rows.

    Arguments:
        median, heldout_median: of the distance to the closest training row.
        close: share of synthetic rows that are closer to a training row than 95 % of held-out rows; 0.05 by chance.
        nearer: share of synthetic rows that are nearer to a training row than to any of as many held-out rows, and
            nearer_stderr; 0.5 by chance.
        copies, heldout_copies: share of rows that equal a training row in every column, and their _stderr.
        num_made, num_heldout, num_train: rows that distances are between; copies are looked for among all.
    """

    median: float
    heldout_median: float
    close: float
    nearer: float
    nearer_stderr: float
    copies: float
    copies_stderr: float
    heldout_copies: float
    heldout_copies_stderr: float
    num_made: int
    num_heldout: int
    num_train: int


def closeness(train: Array, heldout: Array, made: Array, columns: Sequence[Column]) -> Closeness:
    """`Closeness` of synthetic rows [M, D] and held-out rows [N, D] to training rows, all as codes, NaN for gaps."""
    copies, heldout_copies = (_copied(rows, train) for rows in (made, heldout))
    space = _Space.of(train, columns)
    among, some, asked = (space(_spread(x, n)) for x, n in ((train, AMONG), (heldout, ASKED), (made, ASKED)))
    count = min(len(train), len(some[0]))
    as_many, beside = space(_spread(train, count)), _spread_of(some, count)
    to_train, of_heldout = _nearest(asked, among), _nearest(some, among)
    one, other = _nearest(asked, as_many), _nearest(asked, beside)
    nearer = ((one < other).double() + 0.5 * (one == other).double()).mean()
    return Closeness(
        median=float(to_train.median()),
        heldout_median=float(of_heldout.median()),
        close=float((to_train < of_heldout.quantile(CLOSE)).double().mean()),
        nearer=float(nearer),
        nearer_stderr=0.5 / math.sqrt(min(len(to_train), count)),
        copies=copies[0],
        copies_stderr=copies[1],
        heldout_copies=heldout_copies[0],
        heldout_copies_stderr=heldout_copies[1],
        num_made=len(to_train),
        num_heldout=len(of_heldout),
        num_train=len(among[0]),
    )


def _spread(rows: Array, count: int) -> Array:
    found: Array = rows[spread_rows(len(rows), count).numpy()]
    return found


def _copied(rows: Array, train: Array) -> tuple[float, float]:
    """The share of rows that are training rows, and its standard error."""
    known = {row.tobytes() for row in _exact(train)}
    share = float(np.mean([row.tobytes() in known for row in _exact(rows)]))
    return share, math.sqrt(share * (1 - share) / len(rows))


def _exact(rows: Array) -> Array:
    """Rows of which equal ones have equal bytes: one NaN, and one zero."""
    return np.where(np.isnan(rows), np.float32(np.nan), rows.astype(np.float32) + np.float32(0))


Place = tuple[Tensor, Tensor]  # stretched numbers [N, A] and levels [N, B]


@dataclass(frozen=True)
class _Space:
    """Where rows are compared. Arguments: numbers and levels, the columns of each kind; stretch, of the numbers."""

    numbers: list[int]
    levels: list[int]
    stretch: Stretch

    @staticmethod
    def of(train: Array, columns: Sequence[Column]) -> _Space:
        levels = [d for d, column in enumerate(columns) if column.kind in LEVELLED]
        numbers = [d for d in range(len(columns)) if d not in levels]
        stretch, x = Stretch(len(numbers)), torch.from_numpy(train[:, numbers])
        stretch.fit(x, ~x.isnan())
        return _Space(numbers, levels, stretch)

    def __call__(self, rows: Array) -> Place:
        x, y = (torch.from_numpy(rows[:, places]) for places in (self.numbers, self.levels))
        return self.stretch.line()(x).nan_to_num(0.0).float(), y.nan_to_num(-1.0).int()


def _spread_of(place: Place, count: int) -> Place:
    rows = spread_rows(len(place[0]), count)
    return place[0][rows], place[1][rows]


def _nearest(points: Place, among: Place) -> Tensor:
    """The distance of each point to the nearest of `among`, [N] float64."""
    return torch.cat([squared.min(1).values for squared in _squared(points, among)]).double().sqrt()


def _squared(points: Place, among: Place) -> Iterator[Tensor]:
    """Squared distances, [b, M] at a time."""
    for numbers, levels in zip(points[0].split(ROWS), points[1].split(ROWS), strict=True):
        found = torch.cdist(numbers, among[0], compute_mode="donot_use_mm_for_euclid_dist") ** 2
        for mine, theirs in zip(levels.T, among[1].T, strict=True):
            found += mine[:, None] != theirs
        yield found
