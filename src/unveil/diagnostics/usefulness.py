"""What boosted trees make of synthetic rows: do they tell them from real ones, and learn from them as much?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.columns import LEVELLED, Column
from ..files import Plain
from .islands import area
from .quality import probability_less

Array = NDArray[Any]
FOLDS = 3
TREES = 100  # of all classes together
MOST_LEVELS = 255  # of a category that the trees split by its levels; rarer ones share the last
RESAMPLED = 200  # sets of test rows that errors are found from


@dataclass(frozen=True)
class ToldApart(Plain):
    """How well boosted trees tell synthetic rows from as many real ones that they were not fitted on.

    Arguments: auc, 0.5 where they cannot, and auc_stderr; num_rows, of each kind.
    """

    auc: float
    auc_stderr: float
    num_rows: int


@dataclass(frozen=True)
class Useful(Plain):
    """Boosted trees that learned a column from synthetic rows, and from as many training rows, tested on held-out rows.

    Arguments:
        target: the column by name, or "label".
        measure: "AUC" for two classes, "accuracy" for more, "R2" for numbers; higher is better.
        made, made_stderr: of trees fitted on synthetic rows.
        real, real_stderr: of trees fitted on training rows.
        difference, difference_stderr: made − real on the same test rows.
        guess: what guessing without looking at a row reaches.
        num_train, num_test: rows.
    """

    target: str
    measure: str
    made: float
    made_stderr: float
    real: float
    real_stderr: float
    difference: float
    difference_stderr: float
    guess: float
    num_train: int
    num_test: int


def told_apart(real: Array, made: Array, columns: Sequence[Column], seed: int = 0) -> ToldApart:
    """The AUC of real rows against synthetic ones, over three folds of as many of both [N, D]; at least 3 rows each."""
    from sklearn.model_selection import StratifiedKFold

    count = min(len(real), len(made))
    x, y = np.concatenate([real[:count], made[:count]]), np.repeat([0, 1], count)
    found = []
    for fit, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y):
        score = _trees(columns, 2, seed).fit(_input(x[fit], columns), y[fit]).predict_proba(_input(x[test], columns))
        found.append(area(score[None, y[test] == 1, 1], score[y[test] == 0, 1]))
    error = math.sqrt(sum(error**2 for _, error in found)) / FOLDS
    return ToldApart(float(np.mean([auc for auc, _ in found])), error, count)


@dataclass(frozen=True)
class Task:
    """What is to be learned of rows: y [N] from x [N, D].

    Arguments: target, its name; num_classes, 0 for a number; columns, of x.
    """

    target: str
    num_classes: int
    columns: Sequence[Column]

    @property
    def measure(self) -> str:
        return "R2" if not self.num_classes else "AUC" if self.num_classes == 2 else "accuracy"


def task_of(columns: Sequence[Column], d: int) -> Task:
    """Column d from all others."""
    others = [column for place, column in enumerate(columns) if place != d]
    return Task(columns[d].name, columns[d].num_levels if columns[d].kind in LEVELLED else 0, others)


def rows_of(rows: Array, d: int) -> tuple[Array, Array]:
    """(x, y) of rows [N, D] in which column d is observed."""
    known = rows[~np.isnan(rows[:, d])]
    return np.delete(known, d, 1), known[:, d]


Rows = tuple[Array, Array]  # x [N, D] and y [N]


def useful(task: Task, train: Rows, made: Rows, test: Rows, seed: int = 0) -> Useful | None:
    """`Useful` of synthetic rows beside training rows; None where the test rows have one value of y alone."""
    x, y = test
    if len(np.unique(y)) < 2 or not len(train[1]) or not len(made[1]):
        return None
    of_made, of_real = (_predicted(task, rows, x, seed) for rows in (made, train))
    values = [_measured(task, y, found) for found in (of_made, of_real)]
    rng, drawn = np.random.default_rng(seed), list[list[float]]()
    while len(drawn) < RESAMPLED:
        some = rng.integers(len(y), size=len(y))
        if len(np.unique(y[some])) > 1:
            drawn.append([_measured(task, y[some], found[some]) for found in (of_made, of_real)])
    errors, apart = np.std(drawn, 0), float(np.std(np.subtract(*np.transpose(drawn))))
    guess = _guess(task, train[1], y)
    pairs = (values[0], float(errors[0]), values[1], float(errors[1]), values[0] - values[1], apart)
    return Useful(task.target, task.measure, *pairs, guess, len(made[1]), len(y))


def _guess(task: Task, train: Array, y: Array) -> float:
    if task.measure != "accuracy":
        return 0.5 if task.measure == "AUC" else 0.0
    values, counts = np.unique(train, return_counts=True)
    return float((y == values[counts.argmax()]).mean())


def _predicted(task: Task, rows: Rows, x: Array, seed: int) -> Array:
    """What trees fitted on rows say of x: the score of class 1 of two, the likeliest class, or the number, [N]."""
    if len(np.unique(rows[1])) < 2:
        return np.full(len(x), rows[1][0])
    trees = _trees(task.columns, task.num_classes, seed).fit(_input(rows[0], task.columns), rows[1])
    if task.measure == "AUC":
        scores: Array = trees.predict_proba(_input(x, task.columns))[:, 1]
        return scores
    found: Array = trees.predict(_input(x, task.columns))
    return found


def _measured(task: Task, y: Array, found: Array) -> float:
    """AUC, accuracy or R2 = 1 − Σ(y − ŷ)²/Σ(y − ȳ)²."""
    if task.measure == "AUC":
        return probability_less(found[y == 0], found[y == 1])
    if task.measure == "accuracy":
        return float((y == found).mean())
    return float(1 - ((y - found) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def _trees(columns: Sequence[Column], num_classes: int, seed: int) -> Any:
    """Boosted trees of classes, or of a number."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    is_category = [column.kind in LEVELLED and column.kind != "ordinal" for column in columns]
    how = {"categorical_features": is_category, "early_stopping": False, "random_state": seed}
    if not num_classes:
        return HistGradientBoostingRegressor(max_iter=TREES, **how)
    rounds = TREES if num_classes == 2 else max(10, 2 * TREES // num_classes)
    return HistGradientBoostingClassifier(max_iter=rounds, **how)


def _input(x: Array, columns: Sequence[Column]) -> Array:
    """Rows [N, D] as trees take them: levels beyond the 254 most frequent of a category are one."""
    most = [MOST_LEVELS - 1 if column.kind in LEVELLED and column.kind != "ordinal" else np.inf for column in columns]
    return np.minimum(x, np.array(most))
