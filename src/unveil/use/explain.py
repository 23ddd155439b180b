"""Why a row is odd: the column that fits the rest of its row least, and what was to be expected there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data import Split
from ..errors import RequestError
from ..runs.store import RunStore
from .conditionals import Array, conditionals
from .expected import said_of
from .reference import said_few, share_below

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Explanation:
    """What each column says of each row.

    Arguments: names [D], of the columns; log_p [N, D] nats, log p(x_d|what else is observed of the row), NaN where x_d
    is not observed; percentile [N, D], the share of validation examples (in %) of which column d is less likely given
    the rest of their rows; oddest [N], the name of the column with the lowest percentile, of several the one that lies
    farthest below all of them; why [N], its value, its probability and what was to be expected, in words; notes.
    """

    names: tuple[str, ...]
    log_p: Array
    percentile: Array
    oddest: Texts
    why: Texts
    notes: tuple[str, ...] = ()

    def columns(self) -> dict[str, NDArray[np.generic]]:
        each = {f"log_p_{name}": self.log_p[:, d] for d, name in enumerate(self.names)}
        return {**each, "oddest": self.oddest, "why": self.why}


@dataclass(frozen=True)
class Explainer:
    """What explains new rows, made before anything long is computed.

    Arguments: run; valid, validation examples; names, of the columns.
    """

    run: RunStore
    valid: Split
    names: tuple[str, ...]

    @classmethod
    def of(cls, run: RunStore) -> Explainer:
        """Read the data of a run again; refused where it is not at hand, or x is no table."""
        if len(run.domain.shape) != 1:
            shape = "×".join(map(str, run.domain.shape))
            raise RequestError(
                f"Explanations are of the columns of a table, and x is of shape {shape}; leave them out."
            )
        if run.domain.models_gaps:
            raise RequestError(
                "An explanation hides one column at a time, and where gaps are modelled (data.missing=informative) a "
                "hidden column counts as missing; leave it out."
            )
        run.training_data("An explanation")
        names = tuple(run.columns or (f"x_{d}" for d in range(run.domain.num_dims)))
        return cls(run, run.judged("valid"), names)

    def __call__(self, split: Split, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> Explanation:
        """Arguments: split, new x; seed, of draws."""
        found, usual = conditionals(self.run, split, seed, progress), conditionals(self.run, self.valid, seed)
        percentile, below = ranked(found.log_p, usual.log_p)
        column = oddest(percentile, below)
        why = said_of(self.run, split, column, found.log_p, self.names, seed)
        names = np.array([*self.names, ""], object)[column]
        return Explanation(self.names, found.log_p, percentile, names, why, (*found.notes, *said_few(len(self.valid))))


def ranked(log_p: Array, usual: Array) -> tuple[Array, Array]:
    """The percentile [N, D] of each log p(x_d|rest), and how far it lies below all that it is ranked among, in nats.

    It is ranked among those of validation examples [M, D] whose x_d is observed; NaN where there are none.
    """
    percentile, below = np.full(log_p.shape, np.nan), np.zeros(log_p.shape)
    for d in range(log_p.shape[1]):
        among, known = np.sort(usual[~np.isnan(usual[:, d]), d]), ~np.isnan(log_p[:, d])
        if len(among):
            percentile[known, d] = share_below(log_p[known, d], among)
            below[known, d] = np.maximum(among[0] - log_p[known, d], 0.0)
    return percentile, below


def oddest(percentile: Array, below: Array) -> NDArray[np.int64]:
    """The number [N] of the column with the lowest percentile, of several the one farthest below; −1 for none."""
    rank = np.where(np.isnan(percentile), np.inf, percentile)
    lowest = rank == rank.min(1, keepdims=True)
    column = np.where(lowest, below, -1.0).argmax(1)
    return np.where(np.isfinite(rank.min(1)), column, -1)
