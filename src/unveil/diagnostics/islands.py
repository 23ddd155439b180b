"""How far draws of q(z) and of p(z) differ: dimension by dimension, and by whether a classifier tells them apart."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BINS = 20  # of equal prior mass; an island that lies outside of all prior draws counts log 20 = 3.0 nats
HOLE = 0.01  # the share of fresh draws of q(z) itself that would be said to lie in holes

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


def two_sample_auc(q: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor], seed: int = 0) -> tuple[float, float]:
    """(AUC, standard error) of a classifier that tells draws of q(z) from draws of p(z).

    AUC = P(score of a draw of q > score of a draw of p): ½ where nothing tells them apart, 1 where everything does. The
    classifier is fitted on one half of the examples and tested on the other, then the other way round. Boosted trees
    see what a comparison of means and variances does not: rings, gaps, correlations.

    References: Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests (2017); DeLong et al., Comparing the Areas
    under Two or More Correlated ROC Curves (1988), eq. 5, for the error.

    Arguments:
        q, p: for each half [K, n, D], K draws of each of n examples, and as many of the prior.
        seed: of the classifier.
    """
    found = [_fit_and_test((q[i], p[i]), (q[1 - i], p[1 - i]), seed) for i in (0, 1)]
    return sum(auc for auc, _ in found) / 2, math.hypot(*(error for _, error in found)) / 2


def _fit_and_test(fit: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], seed: int) -> tuple[float, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    classifier = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=8, min_samples_leaf=10, early_stopping=False, random_state=seed
    )
    rows, is_q = _flat(fit[0]), len(fit[0].flatten(0, 1))
    classifier.fit(np.concatenate([rows, _flat(fit[1])]), np.arange(len(rows) + len(_flat(fit[1]))) < is_q)
    q, p = (classifier.decision_function(_flat(z)).reshape(z.shape[:2]) for z in test)
    return area(q, p.ravel())


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


def hole_share(log_q_fresh: tuple[Tensor, Tensor], log_q_prior: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """(share, standard error) of prior draws where q(z) is below its 1st percentile over fresh draws of its own.

    A match has 1 %.

    Arguments:
        log_q_fresh: log q(z) under one half of the examples at draws of the other half, both ways round.
        log_q_prior: under either half, at draws [M] of the prior.
    """
    pairs = zip(log_q_fresh, log_q_prior, strict=True)
    share = sum(float((prior < fresh.quantile(HOLE)).double().mean()) for fresh, prior in pairs) / 2
    return share, math.sqrt(share * (1 - share) / len(log_q_prior[0]))
