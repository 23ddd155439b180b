"""Structure beyond labels: the order of two parts, and the tree of meanings above emoji."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import Plain
from .probes import Probe, knn_hits, linear_hits, probe_of, standardised

Array = NDArray[Any]
RESAMPLES = 30  # of the bootstrap over examples
FEWEST = 8  # training examples of a pair, below which it is left out


def pair_order(
    train: Array, parts: tuple[Array, Array], test: Array, parts_test: tuple[Array, Array], *, columns: bool = False
) -> Probe | None:
    """Whether a code tells 3-above-5 from 5-above-3: the order, where the two digits are known; ½ by chance.

    For each unordered pair {a, b} both classifiers of `probes` are fitted on the training codes of that pair and asked
    of its test codes which digit is above. A code that knows which digits there are, and not where, gets ½. None where
    no pair has training and test examples of both orders.

    Arguments: train and test, codes [N, D]; parts and parts_test, (upper, lower) digits, [N] each.

    Keyword arguments:
        columns: as of `probe`.
    """
    train, test = standardised(train, test, columns)
    hits: dict[str, list[NDArray[np.bool_]]] = {"linear": [], "knn": []}
    for a, b in sorted({(min(p), max(p)) for p in zip(*(map(int, part) for part in parts), strict=True)}):
        rows, rows_test = (_either(a, b, *which) for which in (parts, parts_test))
        above, above_test = parts[0][rows] == a, parts_test[0][rows_test] == a
        if len(above) < FEWEST or len(set(above)) < 2 or not len(above_test):
            continue
        hits["linear"].append(linear_hits(train[rows], above, test[rows_test], above_test))
        hits["knn"].append(knn_hits(train[rows], above, test[rows_test], above_test))
    return probe_of({name: np.concatenate(found) for name, found in hits.items()}) if hits["knn"] else None


def _either(a: int, b: int, upper: Array, lower: Array) -> Array:
    return np.flatnonzero(((upper == a) & (lower == b)) | ((upper == b) & (lower == a)))


@dataclass(frozen=True)
class Tree(Plain):
    """How distances between codes agree with a tree of groups and subgroups.

    Arguments:
        auc: probability that a pair of one subgroup is nearer than a pair of two groups; ½ by chance.
        auc_stderr: its standard error, by a bootstrap over examples.
        spearman: rank correlation of distances with tree distances (0 one subgroup, 1 one group, 2 two groups).
        spearman_stderr: likewise.
        num_pairs: pairs that were compared.
    """

    auc: float
    auc_stderr: float
    spearman: float
    spearman_stderr: float
    num_pairs: int


def tree_agreement(codes: Array, group: Array, subgroup: Array, base: Array, *, seed: int = 0) -> Tree | None:
    """`Tree` of codes [N, D], pairs of one base (skin tones of one emoji) left out; None without pairs of both kinds.

    Arguments:
        seed: of the bootstrap.
    """
    from sklearn.metrics import pairwise_distances

    distance = pairwise_distances(codes.astype(np.float64))
    far = np.where(subgroup[:, None] == subgroup, 0, np.where(group[:, None] == group, 1, 2))
    rows = np.arange(len(codes))
    first = _agreement(distance, far, base, rows)
    if first is None:
        return None
    rng = np.random.default_rng(seed)
    again = [_agreement(distance, far, base, rng.choice(rows, len(rows))) for _ in range(RESAMPLES)]
    spread = np.array([found[:2] for found in again if found is not None]).std(0, ddof=1)
    return Tree(first[0], float(spread[0]), first[1], float(spread[1]), first[2])


def _agreement(distance: Array, far: Array, base: Array, rows: Array) -> tuple[float, float, int] | None:
    """(AUC, Spearman's ρ, number of pairs) among these rows; an example drawn twice is no pair with itself."""
    from scipy.stats import rankdata
    from sklearn.metrics import roc_auc_score

    i, j = np.triu_indices(len(rows), 1)
    i, j = rows[i], rows[j]
    kept = base[i] != base[j]
    d, t = distance[i[kept], j[kept]], far[i[kept], j[kept]]
    if len(set(t[t != 1])) < 2:
        return None
    ends = t != 1
    rho = np.corrcoef(rankdata(d), rankdata(t))[0, 1] if np.ptp(d) > 0 else 0.0
    return float(roc_auc_score(t[ends] == 2, d[ends])), float(rho), int(kept.sum())


def held_by(known: Mapping[str, Array] | None, *names: str) -> bool:
    """Whether factors of all these names are known."""
    return known is not None and set(names) <= set(known)
