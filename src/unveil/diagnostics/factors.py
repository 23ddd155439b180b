"""Does each latent speak of one known factor, and each factor through one latent? Three scores, all from 0 to 1.

A code may hold every factor and score nothing, being rotated: only what lies along the axes of z counts here. Nothing
in the likelihood asks for that, and none of the scores says that a factor is *not* known.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import Plain

Array = NDArray[np.float64]
Factor = NDArray[Any]
Known = Mapping[str, Factor]
BINS = 20  # Locatello et al. (2019), appendix C, for the mutual information of a continuous code
VALUES = 50  # a factor of more is binned, too
TREES, DEPTH = 10, 12


@dataclass(frozen=True)
class Factors(Plain):
    """How a code is aligned with known factors.

    Arguments:
        mig: mutual information gap.
        sap: separated attribute predictability.
        disentanglement, completeness, informativeness: DCI.
        informed: informativeness of each factor by name.
    """

    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    informed: dict[str, float]


def factors(
    train: Array, known: Known, test: Array, known_test: Known, *, categorical: Set[str] = frozenset()
) -> Factors:
    """MIG, SAP and DCI of codes [N, D] and factors {name: [N]}, fitted on `train`, judged on `test` where they judge.

    Arguments:
        categorical: the names of factors whose values have no order.
    """
    informed, importance = {}, []
    for name, v in known.items():
        score, weights = _forest(train, v, test, known_test[name], name in categorical)
        informed[name] = score
        importance.append(weights)
    disentanglement, completeness = alignment(np.stack(importance, 1))
    return Factors(
        mig=mig(train, known),
        sap=sap(train, known, test, known_test, categorical),
        disentanglement=disentanglement,
        completeness=completeness,
        informativeness=float(np.mean(list(informed.values()))),
        informed=informed,
    )


def mig(codes: Array, known: Known) -> float:
    """1/J Σ_j (I(z_a; v_j) − I(z_b; v_j)) / H(v_j), a and b being the two latents that tell most of v_j.

    z is cut into 20 bins of equal width, a factor of more than 50 values into 20 of equal size.

    References: Chen et al., Isolating Sources of Disentanglement in VAEs (2018), eq. 6.
    """
    from sklearn.metrics import mutual_info_score

    binned = [_equal_width(z) for z in codes.T]
    gaps = []
    for v in map(_as_codes, known.values()):
        told = np.array([mutual_info_score(v, z) for z in binned])
        gaps.append(_gap(told) / max(mutual_info_score(v, v), 1e-12))
    return float(np.mean(gaps))


def sap(codes: Array, known: Known, test: Array, known_test: Known, categorical: Set[str] = frozenset()) -> float:
    """1/J Σ_j (S_aj − S_bj), S_ij saying how well z_i alone predicts v_j, a and b being the best two.

    S is R² of a line; for a categorical factor, the balanced accuracy of a Gaussian per class with one variance (where
    the paper takes a linear SVM), on test codes.

    References: Kumar et al., Variational Inference of Disentangled Latent Concepts from Unlabeled Observations (2018),
    section 3.
    """
    gaps = []
    for name, v in known.items():
        if name in categorical:
            scores = [_accuracy(z, v, z_test, known_test[name]) for z, z_test in zip(codes.T, test.T, strict=True)]
        else:
            scores = [_r_squared(z, v.astype(np.float64)) for z in codes.T]
        gaps.append(_gap(np.array(scores)))
    return float(np.mean(gaps))


def alignment(importance: Array) -> tuple[float, float]:
    """Disentanglement and completeness from importances R [D, J].

    D = Σ_i ρ_i (1 − H_J(P_i)),  P_ij = R_ij / Σ_j R_ij,  ρ_i = Σ_j R_ij / Σ_ij R_ij,
    C = 1/J Σ_j (1 − H_D(P̃_j)),  P̃_ij = R_ij / Σ_i R_ij,  with H to the base that makes it 1 when all are equal.

    References: Eastwood & Williams, A Framework for the Quantitative Evaluation of Disentangled Representations (2018),
    section 2.
    """
    total = importance.sum()
    if not total > 0:
        return 0.0, 0.0
    rho = importance.sum(1) / total
    return float(rho @ (1 - _entropy(importance))), float((1 - _entropy(importance.T)).mean())


def _forest(train: Array, v: Factor, test: Array, v_test: Factor, categorical: bool) -> tuple[float, Array]:
    """How much of v a random forest tells on test codes, 0 to 1, and the importance of each latent [D].

    R², or the share of the errors of the most frequent value that is avoided: where the paper states an error, less is
    better, and this is one minus it.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    size = {"n_estimators": TREES, "max_depth": DEPTH, "min_samples_leaf": 3, "random_state": 0, "max_features": None}
    if not categorical:
        forest = RandomForestRegressor(**size).fit(train, v.astype(np.float64))
        score = forest.score(test, v_test.astype(np.float64)) if np.ptp(v_test) > 0 else 0.0
        return max(0.0, float(score)), forest.feature_importances_
    forest = RandomForestClassifier(**size).fit(train, v)
    guess = np.bincount(np.unique(v_test, return_inverse=True)[1]).max() / len(v_test)
    return max(0.0, float((forest.score(test, v_test) - guess) / max(1 - guess, 1e-12))), forest.feature_importances_


def _gap(scores: Array) -> float:
    """The best minus the second best (0 where there is none)."""
    ordered = np.sort(np.append(scores, 0.0))
    return float(ordered[-1] - ordered[-2])


def _entropy(rows: Array) -> Array:
    """The entropy of each row [N, M], to the base M; 1 for a row of zeros."""
    p = rows / np.maximum(rows.sum(1, keepdims=True), 1e-300)
    H = -(p * np.log(np.maximum(p, 1e-300))).sum(1) / np.log(max(2, rows.shape[1]))
    return np.asarray(np.where(rows.sum(1) > 0, H, 1.0))


def _r_squared(z: Array, v: Array) -> float:
    if np.ptp(z) == 0 or np.ptp(v) == 0:
        return 0.0
    return float(np.corrcoef(z, v)[0, 1] ** 2)


def _accuracy(z: Array, v: Factor, z_test: Array, v_test: Factor) -> float:
    """Balanced accuracy of the nearest class mean, weighed by frequency: argmax_c log π_c − (z − μ_c)² / 2σ²."""
    values, which = np.unique(v, return_inverse=True)
    count = np.bincount(which)
    mean = np.bincount(which, z) / count
    var = max(float(((z - mean[which]) ** 2).mean()), 1e-12)
    score = np.log(count / len(v)) - (z_test[:, None] - mean) ** 2 / (2 * var)  # [N, C]
    right = values[score.argmax(1)] == v_test
    return float(np.mean([right[v_test == value].mean() for value in np.unique(v_test)]))


def _equal_width(z: Array) -> Factor:
    return np.digitize(z, np.linspace(z.min(), z.max(), BINS + 1)[1:-1])


def _as_codes(v: Factor) -> Factor:
    values, codes = np.unique(v, return_inverse=True)
    if len(values) <= VALUES:
        return codes
    return np.digitize(v, np.quantile(v, np.linspace(0, 1, BINS + 1)[1:-1]))
