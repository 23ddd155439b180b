"""Probes: a linear and a neighbour classifier of labels, fitted on training codes and judged on test codes."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import Plain
from ..ops import mean_and_error

Array = NDArray[Any]
Correct = NDArray[np.bool_]
NEIGHBOURS = 5


@dataclass(frozen=True)
class Probe(Plain):
    """The share of test labels that a code tells.

    Arguments:
        linear, knn: accuracy of logistic regression and of the 5 nearest neighbours.
        linear_stderr, knn_stderr: their standard errors, the fitted classifier fixed.
        hits: whether each test label came out right, by "linear" and "knn", [N] each; for paired differences.
    """

    linear: float
    linear_stderr: float
    knn: float
    knn_stderr: float
    hits: dict[str, Correct] = field(repr=False, compare=False)


def probe(train: Array, y_train: Array, test: Array, y_test: Array, *, columns: bool = False) -> Probe:
    """Both accuracies of codes [N, D] for labels [N].

    Codes are centred and divided by one number, their root mean square distance per dimension, so that what z hardly
    uses stays small.

    Arguments:
        columns: divide each column by its own standard deviation instead (for a table, whose units are arbitrary).
    """
    train, test = standardised(train, test, columns)
    hits = {"linear": linear_hits(train, y_train, test, y_test), "knn": knn_hits(train, y_train, test, y_test)}
    return probe_of(hits)


def probe_of(hits: dict[str, Correct]) -> Probe:
    """The Probe that hits [N] by "linear" and "knn" make."""
    (linear, e_linear), (knn, e_knn) = (mean_and_error(hits[name]) for name in ("linear", "knn"))
    return Probe(linear, e_linear, knn, e_knn, hits)


def linear_hits(train: Array, y_train: Array, test: Array, y_test: Array) -> Correct:
    """Whether logistic regression (ridge penalty ½‖w‖², 100 steps of L-BFGS) is right, [N]."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():  # a probe that could be a little better is a probe
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _hits(LogisticRegression(max_iter=100, tol=1e-3), train, y_train, test, y_test)


def knn_hits(train: Array, y_train: Array, test: Array, y_test: Array) -> Correct:
    """Whether the vote of the 5 nearest training codes is right, [N]."""
    from sklearn.neighbors import KNeighborsClassifier

    return _hits(KNeighborsClassifier(min(NEIGHBOURS, len(train))), train, y_train, test, y_test)


def standardised(train: Array, test: Array, columns: bool = False) -> tuple[Array, Array]:
    """Both centred and scaled by what `train` says, as float64."""
    train, test = train.astype(np.float64), test.astype(np.float64)
    mean, var = train.mean(0), train.var(0)
    scale = np.sqrt(var if columns else var.mean())
    scale = np.where(scale > 0, scale, 1.0)
    return (train - mean) / scale, (test - mean) / scale


def clearly_below(one: Probe, other: Probe, margin: float, errors: float = 3.0) -> bool:
    """Whether both accuracies of `one` are lower by more than `margin`, and by more than so many paired errors."""

    def is_below(name: str) -> bool:
        gap, stderr = mean_and_error(other.hits[name].astype(float) - one.hits[name])
        return gap > max(margin, errors * stderr)

    return is_below("linear") and is_below("knn")


def _hits(classifier: Any, train: Array, y_train: Array, test: Array, y_test: Array) -> Correct:
    if len(np.unique(y_train)) == 1:
        return np.asarray(y_test == y_train[0])
    return np.asarray(classifier.fit(train, y_train).predict(test) == y_test)
