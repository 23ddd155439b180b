"""The rows that an estimator is fitted on: all but those that choose its weights, each as often as it weighs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Data, Split

MOST = 10  # times the number of rows, up to which whole weights are counted out


def arrange(data: Data, weights: NDArray[np.float64] | None, seed: int) -> Data:
    """The data without test rows, which nothing here is judged on: they train.

    Arguments: weights [N] > 0 of the rows as they came, or None; seed, of what is rounded of them.
    """
    train = _joined(data.train, data.test)
    found = replace(data, train=train, test=train.head(0), rule=f"{data.rule}; the test rows train, too")
    if weights is None:
        return found
    return replace(found, train=_weighed(train, weights, seed), valid=_weighed(data.valid, weights, seed))


def _weighed(split: Split, weights: NDArray[np.float64], seed: int) -> Split:
    return split.take(torch.from_numpy(copies(weights[split.rows.numpy()], seed)))


def copies(weights: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Which of n rows stands at each place of a resampled split, rising.

    Whole weights are counted out: row i stands there w_i times. Of others row i stands there n·w_i/Σw times, rounded
    up or down by one random start for all (systematic resampling), so that this is its expectation.

    Arguments: weights [n] ≥ 0, of which one is positive; seed, of that start.
    """
    total, count = weights.sum(), len(weights)
    is_counted = bool((weights == np.rint(weights)).all()) and total <= MOST * count
    places = int(total) if is_counted else count
    ends = np.cumsum(weights) if is_counted else np.cumsum(weights) * (places / total)
    start = np.random.default_rng(seed).random()
    return np.searchsorted(ends, np.arange(places) + start, side="right").clip(max=count - 1).astype(np.int64)


def _joined(one: Split, other: Split) -> Split:
    """The rows of both, the second ones in the form of the first: grey levels where its batches are fresh draws."""
    other = replace(other, x=other.grey) if one.binarize == "draw" and other.grey is not None else other
    x, rows = torch.cat([one.x, other.x]), torch.cat([one.rows, other.rows])
    has_gaps = one.observed is not None or other.observed is not None
    observed = torch.cat([_seen(one), _seen(other)]) if has_gaps else None
    y, grey = _both(one.y, other.y), _both(one.grey, other.grey)
    return replace(one, x=x, rows=rows, y=y, grey=grey, observed=observed)


def _both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return None if one is None or other is None else torch.cat([one, other])


def _seen(split: Split) -> Tensor:
    return torch.ones_like(split.x, dtype=torch.bool) if split.observed is None else split.observed
