"""From a fitted model of a table to `Synthetic`: rows that it draws, and the real rows that they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import Data, Split
from ..data.columnforms import brought
from ..data.columns import LEVELLED, Column
from ..data.split import spread_rows
from ..errors import RequestError, nearest
from ..model import Model
from ..ops import threads
from .closeness import closeness
from .codes import flat_x
from .drawngaps import with_gaps
from .quality import draw_labelled
from .synthetic import Synthetic
from .trends import trends
from .usefulness import Rows, Task, Useful, rows_of, task_of, told_apart, useful

Array = NDArray[Any]
LABEL = "label"
MOST_ROWS, LEAST_ROWS, CELLS = 5_000, 1_000, 100_000  # of a kind; and rows times columns, which wide tables keep to
ENOUGH = 500  # test rows, below which other rows are taken with them
FEWEST = 30  # training and held-out rows from which numbers say anything
FEW_LEVELS, MOST_LEVELS = 20, 100  # of a column that is chosen to be learned, and of one that is asked for


def columns_of(data: Data) -> tuple[Column, ...] | None:
    """The columns of the table that data is, as far as x has their values; None of other x."""
    if data.table is not None:
        return data.table.columns
    if data.columns is None or data.domain.is_image or data.binarization is not None:
        return None
    if data.domain.num_levels == 2:
        return tuple(Column(name, "yes/no", levels=("0", "1")) for name in data.columns)
    return tuple(Column(name, "whole" if data.domain.is_discrete else "real") for name in data.columns)


def learned_column(data: Data, target: str | None) -> int | None:
    """The column that is to be learned from synthetic rows; None for the label.

    Without a name it is the last column of few levels, or of numbers; a model that is conditioned on labels has those.
    """
    columns = columns_of(data)
    if columns is None:
        raise RequestError("--target names a column of a table, and this run was fitted on other x.")
    names = [column.name for column in columns]
    if target is not None and target not in names:
        raise RequestError(f"There is no column {target!r} to be learned.", nearest(target, names))
    if target is not None:
        return _allowed(names.index(target), columns)
    few = [d for d, column in enumerate(columns) if column.kind in LEVELLED and 2 <= column.num_levels <= FEW_LEVELS]
    numbers = [d for d, column in enumerate(columns) if column.kind not in LEVELLED]
    return next(reversed(few or numbers or [0]))


def _allowed(d: int, columns: Sequence[Column]) -> int:
    if columns[d].num_levels > MOST_LEVELS:
        raise RequestError(
            f"The column {columns[d].name!r} has {columns[d].num_levels:,} levels, too many to be learned in time.",
            f"Name one of at most {MOST_LEVELS} levels, or one of numbers.",
        )
    return d


def synthetic(model: Model, data: Data, *, target: str | None = None, seed: int = 0) -> Synthetic:
    """`Synthetic` of rows that the model draws, in one thread: so few rows are sooner done than two threads have met.

    Arguments: target, the column that is to be learned, chosen unless told; seed, of draws, shuffles, folds and trees.
    """
    from threadpoolctl import threadpool_limits

    with threads(1), threadpool_limits(1):
        return _synthetic(model, data, target, seed)


def _synthetic(model: Model, data: Data, target: str | None, seed: int) -> Synthetic:
    """Columns, pairs, a classifier, what can be learned, and copies."""
    columns = columns_of(data)
    if columns is None:
        raise RequestError("Synthetic rows are judged of tables, and this run was fitted on other x.")
    train, valid, test = (_Rows.of(split) for split in (data.train, data.valid, data.test))
    is_small = len(test.x) < ENOUGH
    heldout = valid.joined(test) if is_small else test
    if min(len(train.x), len(heldout.x)) < FEWEST:
        raise RequestError(
            f"Synthetic rows are judged beside at least {FEWEST} training rows and as many held-out ones; "
            f"{len(train.x)} and {len(heldout.x)} came."
        )
    most = max(LEAST_ROWS, min(MOST_ROWS, CELLS // len(columns)))
    real = (train.joined(heldout) if is_small else test).spread(most).x
    as_many, tested = train.spread(most), heldout.spread(most)
    made = _drawn(model, data, columns, as_many, seed)
    return Synthetic(
        names=tuple(column.name for column in columns),
        num_made=len(made.x),
        num_real=len(real),
        real="rows of the whole table, because the test rows are few" if is_small else "test rows",
        gaps=bool(np.isnan(made.x).any()),
        models_gaps=model.domain.models_gaps,
        trends=trends(real, made.x, columns, seed=seed),
        told_apart=told_apart(real, made.x, columns, seed),
        useful=_useful(columns, _target(model, data, target), as_many, made, tested, seed),
        closeness=closeness(train.x, heldout.x, made.x, columns),
        has_latents=bool(model.groups),
    )


def _target(model: Model, data: Data, target: str | None) -> int | None:
    """The column, or None for the label that the model draws rows for."""
    has_label = data.train.y is not None and model.draw_labels(1) is not None
    return None if has_label and target in (None, LABEL) else learned_column(data, target)


@dataclass(frozen=True)
class _Rows:
    """Codes x [N, D], NaN where not observed, and labels y [N], negative where there is none, or None."""

    x: Array
    y: Array | None

    @staticmethod
    def of(split: Split) -> _Rows:
        return _Rows(flat_x(split).numpy(), None if split.y is None else split.y.cpu().numpy())

    def spread(self, count: int) -> _Rows:
        rows = spread_rows(len(self.x), count).numpy()
        return _Rows(self.x[rows], None if self.y is None else self.y[rows])

    def joined(self, other: _Rows) -> _Rows:
        both = self.y is not None and other.y is not None
        return _Rows(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]) if both else None)

    @property
    def labelled(self) -> Rows:
        assert self.y is not None
        return self.x[self.y >= 0], self.y[self.y >= 0]


def _drawn(model: Model, data: Data, columns: Sequence[Column], gaps: _Rows, seed: int) -> _Rows:
    """As many synthetic rows as `unveil sample` gives them, with the gaps of training rows or of the model."""
    drawn, y = draw_labelled(model, len(gaps.x), seed)
    x = drawn.flatten(1).numpy()
    if data.table is None:
        x = np.asarray(brought(x, data.forms, True), np.float32)
    for d, column in enumerate(columns if data.table is not None else ()):
        if column.kind not in LEVELLED:
            x[:, d] = np.clip(x[:, d], column.low, column.high)
    x = with_gaps(model, torch.from_numpy(x), torch.from_numpy(np.isnan(gaps.x)), seed).numpy()
    return _Rows(x, None if y is None else y.numpy())


def _useful(
    columns: Sequence[Column], d: int | None, train: _Rows, made: _Rows, test: _Rows, seed: int
) -> Useful | None:
    if d is not None:
        return useful(task_of(columns, d), rows_of(train.x, d), rows_of(made.x, d), rows_of(test.x, d), seed)
    classes = int(max(rows.y.max() for rows in (train, made, test) if rows.y is not None)) + 1
    return useful(Task(LABEL, classes, columns), train.labelled, made.labelled, test.labelled, seed)
