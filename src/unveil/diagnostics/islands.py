"""The distance between draws of q(z) and of p(z): by dimension, and by a classifier that tells them apart."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BINS = 20  # of equal prior mass; an island that lies outside of all prior draws counts log 20 = 3.0 nats
HOLE = 0.01  # the share of q(z)'s own draws that would be said to lie in holes

Array = NDArray[np.float64]


def marginal_kl(q: Tensor, p: Tensor) -> Tensor:
    """KL(q(z_d)‖p(z_d)) of each dimension [D] from draws q [M, D] and p [M', D], in bins of equal mass under p.

    Σ_b q_b log(q_b / p_b)   q_b = (count_b + ½) / (M + B/2)

    What falls into one bin is no longer told apart, so that without noise it is at most the KL itself, and at most
    log B. Two equal distributions come out near (B − 1)(1/M + 1/M')/2. A z of few values has a bin for each.

    References: Krichevsky & Trofimov, The Performance of Universal Encoding (1981), for the ½.
    """
    return torch.stack(
        [_binned_kl(*pair) for pair in zip(q.double().T.contiguous(), p.double().T.contiguous(), strict=True)]
    )


def _binned_kl(q: Tensor, p: Tensor) -> Tensor:
    values = torch.cat([q, p]).unique()
    if len(values) > BINS:
        values = p.quantile(torch.linspace(0, 1, BINS + 1, dtype=p.dtype, device=p.device)[1:-1]).unique()
    else:
        values = values[1:]  # what is below the second value is the first
    log_q, log_p = (_log_shares(torch.bucketize(z, values, right=True), len(values) + 1) for z in (q, p))
    return (log_q.exp() * (log_q - log_p)).sum()


def _log_shares(which: Tensor, num_bins: int) -> Tensor:
    count = torch.bincount(which, minlength=num_bins).double()
    return ((count + 0.5) / (len(which) + 0.5 * num_bins)).log()


@dataclass(frozen=True)
class Separation:
    """The separation of draws of q(z) from draws of p(z) by a classifier, on examples that it was not fitted on.

    Arguments:
        auc: P(score of a draw of q > score of a draw of p): ½ where nothing tells them apart, 1 where everything does;
            and auc_stderr.
        holes: the share of draws of p(z) that look less like q(z) than 99 % of its own draws do: 1 % in a match; and
            holes_stderr.
    """

    auc: float
    auc_stderr: float
    holes: float
    holes_stderr: float


def separation(q: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor], seed: int = 0) -> Separation:
    """A classifier is fitted on draws of one half of the examples and tested on the other, then the other way round.

    Boosted trees see what a comparison of means and variances does not: rings, gaps, correlations. Their score ranks z
    by q(z)/p(z), so a hole is where the prior draws and hardly an example has its code. (The density q(z) itself would
    not do: from N examples with narrow posteriors it is as small at a fresh code as it is in a hole.)

    References: Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests (2017); DeLong et al., Comparing the Areas
    under Two or More Correlated ROC Curves (1988), eq. 5, for the error.

    Arguments:
        q, p: for each half [K, n, D], K draws of each of n examples, and as many of the prior.
        seed: of the classifier.
    """
    scores = [_scores((q[i], p[i]), (q[1 - i], p[1 - i]), seed) for i in (0, 1)]
    areas = [area(*pair) for pair in scores]
    holes = float(np.mean([hole_share(*pair) for pair in scores]))
    num_prior = sum(len(of_p) for _, of_p in scores)
    auc, stderr = sum(auc for auc, _ in areas) / 2, math.hypot(*(error for _, error in areas)) / 2
    return Separation(auc, stderr, holes, math.sqrt(holes * (1 - holes) / num_prior))


def _scores(fit: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], seed: int) -> tuple[Array, Array]:
    """Log-odds of q against p [K, n] at the draws of q, and [K·n] at those of p."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    classifier = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=8, min_samples_leaf=10, early_stopping=False, random_state=seed
    )
    q, p = map(_flat, fit)
    classifier.fit(np.concatenate([q, p]), np.arange(len(q) + len(p)) < len(q))
    of_q, of_p = (classifier.decision_function(_flat(z)) for z in test)
    return of_q.reshape(test[0].shape[:2]), of_p


def _flat(z: Tensor) -> Array:
    return z.flatten(0, 1).double().cpu().numpy()


def area(q: Array, p: Array) -> tuple[float, float]:
    """(AUC, standard error) of the scores q [K, n], K draws of each example, and p [m], independent draws."""
    above = _share_below(q.ravel(), p).reshape(q.shape).mean(0)  # [n]: how often an example's draw beats one of p
    beaten = 1 - _share_below(p, q.ravel())  # [m]
    variance = above.var(ddof=1) / len(above) + beaten.var(ddof=1) / len(beaten)
    return float(above.mean()), float(np.sqrt(variance))


def _share_below(a: Array, b: Array) -> Array:
    """The share of b below each of a; ties count one half."""
    b = np.sort(b)
    return (np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")) / (2 * len(b))


def hole_share(q: Array, p: Array) -> float:
    """The share of the scores p [m] below the 1st percentile of the scores q [K, n]."""
    return float((p < np.quantile(q, HOLE)).mean())
