"""Exact marginals of a label that is not observed: sums over its values, in p and in q.

With p(y) the class frequencies, and q*(y|x) ∝ p(y) exp ELBO(x, y), the best q over labels that there is,

    log p(x) = log Σ_y p(y) p(x|y) ≥ Σ_y q*(y|x) [ELBO(x, y) + log p(y) − log q*(y|x)] = log Σ_y p(y) exp ELBO(x, y).

No classifier is trained: q* is one in itself.

References: Kingma et al., Semi-supervised Learning with Deep Generative Models (2014), eq. 7, with
q(y|x) at its optimum.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...batch import Batch
from ...errors import RequestError
from ...terms import Terms
from .. import Posterior


def one_hot(y: Tensor, num_classes: int) -> Tensor:
    """[…] int64 → […, C] float32."""
    return F.one_hot(y, num_classes).float()


def log_frequencies(y: Tensor | None, num_classes: int) -> Tensor:
    """log p(y) [C] from labels [N], as if every class had been seen once more."""
    if y is None or not bool((y >= 0).any()):
        raise RequestError("model.condition=label came for data none of whose labels is observed.")
    counts = torch.bincount(y[y >= 0], minlength=num_classes) + 1.0
    return (counts / counts.sum()).log()


def every_label(batch: Batch, num_classes: int) -> Batch:
    """The batch repeated with every label: C·B rows, label by label."""
    rows = len(batch)
    y = torch.arange(num_classes, device=batch.x.device).repeat_interleave(rows)
    observed = None if batch.observed is None else torch.cat([batch.observed] * num_classes)
    return Batch(x=torch.cat([batch.x] * num_classes), y=y, observed=observed)


def log_label_prior(batch: Batch, log_frequency: Tensor) -> Tensor:
    """[C, B]: log p(y) where the label is not observed; where it is, 0 at the label and −∞ elsewhere."""
    C, B = len(log_frequency), len(batch)
    free = log_frequency.unsqueeze(1).expand(C, B)
    if batch.y is None:
        return free
    given = torch.where(one_hot(batch.y.clamp(min=0), C).T > 0, 0.0, -torch.inf)
    return torch.where(batch.y < 0, free, given)


def fold(terms: Terms, log_py: Tensor) -> Terms:
    """The terms of every label [K, C·B] as the terms of K·C weighted samples of (z, y).

    The weight of a label is m = q*(y|x)/K, computed from sampled log-weights alone: a closed-form KL in it would be
    correlated with the draws, and what came out no bound.
    """
    (C, B), K = log_py.shape, terms.log_px_z.shape[0]
    log_w = terms.log_w.unflatten(1, (C, B))  # [K, C, B]
    log_qy = (log_py + log_w.mean(0)).log_softmax(0)  # [C, B]
    m = log_qy.unsqueeze(0).expand(K, C, B) - torch.tensor(float(K)).log()
    assert terms.log_qz_x is not None

    def joined(log_p: Tensor, log_y: Tensor) -> Tensor:
        """Adds the label's term to the last group's; a label that cannot be has no weight and adds nothing."""
        finite = torch.where(torch.isfinite(log_y), log_y, 0.0).reshape(1, C * B)
        return torch.cat([log_p[..., :-1], log_p[..., -1:] + finite.unsqueeze(-1)], -1)

    return Terms(
        log_px_z=_fold(terms.log_px_z, C),
        log_pz=_fold(joined(terms.log_pz, log_py), C),
        log_qz_x=_fold(joined(terms.log_qz_x, log_qy), C),
        log_m=m.reshape(K * C, B),
        z=tuple(_fold(group, C) for group in terms.z),
    )


def sum_labels(log_p: Tensor, log_py: Tensor) -> Tensor:
    """log p(z_l|z_>l) [K, B, L] with the label summed out, from log p(z_l|z_>l, y) [K, C, B, L] and log p(y) [C, B].

    log p(z_l|z_>l) = log Σ_y p(y) Π_{j≥l} p(z_j|z_>j, y) − log Σ_y p(y) Π_{j>l} p(z_j|z_>j, y)
    """
    down = log_p.flip(-1).cumsum(-1)  # of the top group, of the two topmost, …
    sums = (down + log_py.unsqueeze(-1)).logsumexp(1)  # [K, B, L]
    above = torch.cat([log_py.logsumexp(0).expand_as(sums[..., 0]).unsqueeze(-1), sums[..., :-1]], -1)
    return (sums - above).flip(-1)


class LabelMarginal(Posterior):
    """q(z|x) = Σ_y q*(y|x) q(z|x, y) for rows whose label is not observed.

    Arguments: given, q(z|x, y) of every label, [C·B] rows; log_qy [C, B].
    """

    def __init__(self, given: Posterior, log_qy: Tensor) -> None:
        self._given, self.log_qy = given, log_qy

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        B = self.log_qy.shape[1]
        groups, _ = self._given.draw(num_samples)
        y = torch.distributions.Categorical(logits=self.log_qy.T, validate_args=False).sample((num_samples,))  # [K, B]
        rows = y * B + torch.arange(B, device=y.device)
        z = tuple(torch.take_along_dim(g, _like(rows, g), 1) for g in groups)
        return z, self.log_prob(z)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        C, B = self.log_qy.shape
        every = self._given.log_prob(tuple(torch.cat([g] * C, 1) for g in z), hold=hold)  # [K, C·B, L]
        return sum_labels(every.unflatten(1, (C, B)), self.log_qy)

    @property
    def mean(self) -> tuple[Tensor, ...] | None:
        """Σ_y q*(y|x) E[z|x, y]."""
        found = self._given.mean
        return None if found is None else tuple(self._averaged(m) for m in found)

    @property
    def stddev(self) -> tuple[Tensor, ...] | None:
        """The square root of Σ_y q*(y|x) (σ_y² + μ_y²) − (Σ_y q*(y|x) μ_y)²."""
        means, stddevs = self._given.mean, self._given.stddev
        if means is None or stddevs is None:
            return None
        pairs = zip(means, stddevs, strict=True)
        return tuple((self._averaged(s**2 + m**2) - self._averaged(m) ** 2).clamp(min=0).sqrt() for m, s in pairs)

    def _averaged(self, value: Tensor) -> Tensor:
        each = value.unflatten(0, self.log_qy.shape)  # [C, B, …]
        return (each * _like(self.log_qy.exp(), each)).sum(0)


def _fold(value: Tensor, num_classes: int) -> Tensor:
    """[K, C·B, …] → [K·C, B, …]."""
    return value.unflatten(1, (num_classes, -1)).flatten(0, 1)


def _like(value: Tensor, other: Tensor) -> Tensor:
    """`value` with trailing dimensions of size 1, as many as `other` has more."""
    return value.reshape(value.shape + (1,) * (other.ndim - value.ndim))
