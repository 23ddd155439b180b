"""Exact search for the nearest rows: distances in z, or the share of codes that differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Split
from ..data.rowblocks import blocks

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
HELD = 2**24  # distances that are held at once
SPARE = 32  # rows beyond the k nearest whose distance is taken exactly: rounding may have put them in another order
FAR = 1e6  # times the largest squared length among the others, from which squares no longer tell the others apart


def nearest(
    z: Array,
    among: Array,
    k: int,
    *,
    codes: bool = False,
    equal: Mapping[int, Sequence[int]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Rows, Array]:
    """The k nearest rows of `among` [M, D] to each row of z [N, D], the nearest first, and how far they are, [N, k].

    The distance is ‖z − z'‖, or of codes the share of them that differ. Of rows equally far the first comes first.

    Arguments: equal, rows of z that are known to be the same example as rows of `among`: their distance is 0.
    """
    equal, size = equal or {}, max(1, HELD // max(1, len(among)))
    k = min(k, len(among))
    index, distance = np.zeros((len(z), k), np.int64), np.zeros((len(z), k))
    for first in range(0, len(z), size):
        part = z[first : first + size]
        rough = _differing(part, among) if codes else _squares(part, among)
        for row in range(len(part)):
            twins = list(equal.get(first + row, ()))
            rough[row, twins] = -np.inf
            found = _candidates(rough[row], k + (0 if codes else SPARE))
            exact = rough[row, found] if codes else np.linalg.norm(part[row] - among[found], axis=1)
            exact[np.isin(found, twins)] = 0.0
            best = np.argsort(exact, kind="stable")[:k]
            index[first + row], distance[first + row] = found[best], exact[best]
        if progress is not None:
            progress(first + len(part), len(z))
    return index, distance


def _candidates(distance: Array, count: int) -> Rows:
    """The `count` nearest rows and all that are as near as the last of them, rising."""
    if count >= len(distance):
        return np.arange(len(distance))
    return np.flatnonzero(distance <= np.partition(distance, count - 1)[count - 1])


def _squares(z: Array, among: Array) -> Array:
    """‖z − z'‖² [n, M] as |z|² − 2 z·z' + |z'|², around the mean of the others; by differences where z is very far."""
    from scipy.spatial.distance import cdist

    centre = among.mean(0)
    a, b = z - centre, among - centre
    with np.errstate(over="ignore", invalid="ignore"):
        lengths, others = (a**2).sum(1), (b**2).sum(1)
        found: Array = lengths[:, None] - 2 * a @ b.T + others
        far = ~(lengths < FAR * max(others.max(), 1e-300))
        if far.any():
            found[far] = cdist(z[far], among, "sqeuclidean")
    return found


def _differing(z: Array, among: Array) -> Array:
    """The share of codes that differ, [n, M]."""
    from scipy.spatial.distance import cdist

    found: Array = cdist(z, among, "hamming")
    return found


def same(x: Split, train: Split) -> dict[int, list[int]]:
    """Of the rows of x that are training examples value by value, these examples' places in the training split."""
    places: dict[bytes, list[int]] = {}
    for place, key in enumerate(_keys(train)):
        places.setdefault(key, []).append(place)
    return {row: places[key] for row, key in enumerate(_keys(x)) if key in places}


def _keys(split: Split) -> list[bytes]:
    """What identifies each example, its values as a model is given them and what of them is observed."""
    import hashlib

    found: list[bytes] = []
    for block in blocks(len(split)):
        batch = split.expected(block.own)
        held: list[Any] = [batch.x.cpu().numpy() + 0.0]  # −0 is 0
        if batch.observed is not None and not bool(batch.observed.all()):
            held.append(batch.observed.cpu().numpy())
        found += [hashlib.sha256(b"|".join(part[i].tobytes() for part in held)).digest() for i in range(block.keep)]
    return found
