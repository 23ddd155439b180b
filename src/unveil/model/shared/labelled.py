"""Models conditioned on labels, of which some or all may not be observed: the code that their families share."""

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...batch import Batch
from ...errors import RequestError
from ...terms import Terms
from .. import Model, Posterior
from .labels import LabelMarginal, every_label, fold, log_frequencies, log_label_prior, one_hot, sum_labels

Condition = Literal["none", "label"]
LABEL_DRAWS = 8  # draws of z per label that q*(y|x) is estimated from


class Conditioned(Model):
    """A family that may be conditioned on labels. p(y) is their frequency in the training data.

    Attributes: num_classes, C, or 0 without a condition; log_frequency, log p(y) [C].
    """

    num_classes: int
    log_frequency: Tensor

    def expect_labels(self, num_classes: int) -> None:
        """Called by the constructor: C, and a uniform p(y)."""
        self.num_classes = num_classes
        if num_classes:
            self.register_buffer("log_frequency", torch.full((num_classes,), -math.log(num_classes)))

    def count_labels(self, batch: Batch) -> None:
        """p(y) from training examples."""
        if self.num_classes:
            self.log_frequency.copy_(log_frequencies(batch.y, self.num_classes))

    def misses_labels(self, batch: Batch) -> bool:
        """Whether there is a condition, and a label of it is not observed."""
        return bool(self.num_classes) and (batch.y is None or bool((batch.y < 0).any()))

    def draw_labels(self, num_samples: int) -> Tensor | None:
        """Labels [N] by their frequency in the training data, for a model with a condition."""
        if not self.num_classes:
            return None
        return torch.multinomial(self.log_frequency.exp(), num_samples, replacement=True)

    def log_label_frequency(self) -> Tensor | None:
        return self.log_frequency if self.num_classes else None

    def log_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor:
        """log p(y|x, z) up to a constant, [K, C, B], for each value of a label, −∞ where another was observed."""
        raise NotImplementedError(f"{type(self).__name__} does not infer labels")

    @torch.no_grad()
    def label(self, batch: Batch) -> Tensor | None:
        """argmax_y p(y|x, z), [B], at one draw of z, where the label is not observed."""
        if not self.misses_labels(batch):
            return batch.y if self.num_classes else None
        return self.log_label(batch, self.posterior(batch).draw(1)[0])[0].argmax(0)

    @torch.no_grad()
    def draw_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor | None:
        """y ∼ p(y|x, z) [K, B] where the label is not observed."""
        if not self.misses_labels(batch):
            return batch.y if self.num_classes else None
        logits = self.log_label(batch, z).movedim(1, -1)  # [K, B, C]
        return torch.distributions.Categorical(logits=logits, validate_args=False).sample()


class Labelled(Conditioned):
    """p(x, z|y) and q(z|x, y) of a family; where y is not observed it is marginalised exactly (`shared/labels.py`)."""

    @abstractmethod
    def posterior_given_label(self, batch: Batch) -> Posterior:
        """q(z|x, y); without a condition q(z|x)."""

    @abstractmethod
    def joint_given_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        """log p(x|z, y) and log p(z|y)."""

    def terms_given_label(
        self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None
    ) -> Terms:
        """As `draw_terms`, of a batch whose labels are all observed."""
        return super().draw_terms(batch, num_samples, hold, posterior)

    def posterior(self, batch: Batch) -> Posterior:
        if not self.misses_labels(batch):
            return self.posterior_given_label(batch)
        every = every_label(batch, self.num_classes)
        given = self.posterior_given_label(every)
        terms = self.terms_given_label(every, LABEL_DRAWS, frozenset(), given)
        log_py = log_label_prior(batch, self.log_frequency)
        return LabelMarginal(given, (log_py + terms.log_w.unflatten(1, log_py.shape).mean(0)).log_softmax(0))

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        if not self.misses_labels(batch):
            return self.joint_given_label(batch, z)
        terms, log_py = self._joint_of_each_label(batch, z), log_label_prior(batch, self.log_frequency)  # [C, B]
        log_pz, log_px_z = terms.log_pz.unflatten(1, log_py.shape), terms.log_px_z.unflatten(1, log_py.shape)
        summed = sum_labels(log_pz, log_py)  # [K, B, L]
        log_px = (log_px_z + log_pz.sum(-1) + log_py).logsumexp(1) - log_py.logsumexp(0)
        return Terms(log_px_z=log_px - summed.sum(-1), log_pz=summed, z=z)

    def _joint_of_each_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        """The terms of the same z with every label, [K, C·B]."""
        every = every_label(batch, self.num_classes)
        return self.joint_given_label(every, tuple(torch.cat([g] * self.num_classes, 1) for g in z))

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        """Where labels are missing, K·C samples of (z, y) that `log_m` weighs by q*(y|x)/K.

        A given posterior is drawn from instead, with the label summed out of each density.
        """
        if not self.misses_labels(batch):
            return self.terms_given_label(batch, num_samples, hold, posterior)
        if posterior is not None:
            return super().draw_terms(batch, num_samples, hold, posterior)
        terms = self.terms_given_label(every_label(batch, self.num_classes), num_samples, hold, None)
        return fold(terms, log_label_prior(batch, self.log_frequency))

    @torch.no_grad()
    def label(self, batch: Batch) -> Tensor | None:
        """argmax_y q*(y|x) ∝ p(y) exp ELBO(x, y), [B], where the label is not observed."""
        if not self.misses_labels(batch):
            return batch.y if self.num_classes else None
        marginal: Any = self.posterior(batch)
        return marginal.log_qy.argmax(0)

    def log_label_frequency(self) -> Tensor | None:
        return self.log_frequency if self.num_classes else None

    def log_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor:
        """log p(y) p(z|y) p(x|z, y), [K, C, B]."""
        terms = self._joint_of_each_label(batch, z)
        log_p = (terms.log_px_z + terms.log_pz.sum(-1)).unflatten(1, (self.num_classes, -1))
        return log_p + log_label_prior(batch, self.log_frequency)

    def with_labels(self, batch: Batch) -> Batch:
        """Missing labels drawn from q*(y|x)."""
        if not self.misses_labels(batch):
            return batch
        marginal: Any = self.posterior(batch)
        drawn = torch.distributions.Categorical(logits=marginal.log_qy.T).sample()
        return replace(batch, y=drawn)

    def explained(self, batch: Batch) -> Distribution:
        """p(x|z, y) at one draw of z. A label that is not observed is drawn, too."""
        known = self.with_labels(batch)
        return self.decode(self.posterior(known).draw(1)[0], known.y)

    def encoded(self, y: Tensor | None) -> Tensor | None:
        """The label as C numbers [..., C], for a network; None without a condition."""
        if not self.num_classes:
            return None
        if y is None:
            raise RequestError("This model is p(x|z, y): decoding takes the labels y [B] beside z.")
        return one_hot(y, self.num_classes)


def classes_of(condition: str, num_classes: int) -> int:
    """The number of classes C that `condition` asks for, or 0; data without labels is refused."""
    if condition == "label" and num_classes < 2:
        raise RequestError("model.condition=label needs data with labels of at least two classes; leave it out.")
    return num_classes if condition == "label" else 0
