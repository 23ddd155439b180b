"""Where examples stand in z, so that two can be compared: posterior means, or codes, as a function of the row alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..data import Data, Split
from ..diagnostics.activity import posterior_moments
from ..model import Model, has_real_z, require_latents, stands_for_x
from ..runs.store import RunStore
from .encode import encoded, is_coded
from .nearest import nearest, same

Array = NDArray[np.float64]


def has_embeddings(model: Model) -> bool:
    """Whether examples have posterior means or codes that can be compared."""
    return stands_for_x(model) and (is_coded(model) or has_real_z(model))


@dataclass(frozen=True)
class Embeddings:
    """The training examples of a run in z, to search among.

    Arguments: run; data, what it was fitted on; among, the training examples; train [M, D], their posterior means or
    codes.
    """

    run: RunStore
    data: Data
    among: Split
    train: Array

    @classmethod
    def of(cls, run: RunStore, what: str, limit: int | None = None) -> Embeddings:
        """Read the data of a run again and encode its training examples.

        Arguments: what, in words, what needs them; limit, take no more than so many, drawn from all over them.
        """
        require_latents(run.model, what)
        data = run.training_data(what)
        among = data.train if limit is None or len(data.train) <= limit else data.train.spread(limit)
        return cls(run, data, among, embedded(run, among))

    def nearest(
        self, split: Split, k: int, progress: Callable[[int, int], None] | None = None
    ) -> tuple[NDArray[np.int64], Array]:
        """The k nearest training examples of each, by their place in the training split, and how far they are."""
        z = embedded(self.run, split, alone=not is_settled(self.run, split))
        known = same(split, self.among)
        return nearest(z, self.train, k, codes=is_coded(self.run.model), equal=known, progress=progress)


def embedded(run: RunStore, split: Split, alone: bool = False) -> Array:
    """Posterior means, or codes, [N, D] of every example, whose labels are not used: new x has none."""
    unlabelled = replace(split, y=None, z=None).to(run.device)
    return encoded(run, unlabelled, alone=alone).mean.astype(np.float64)


def is_settled(run: RunStore, split: Split) -> bool:
    """Whether z of an example hangs on no draw: then it does not matter what stands beside it."""
    if run.model.draw_labels(1) is not None:  # which are inferred from draws
        return False
    one = replace(split.head(1), y=None, z=None).to(run.device)
    return is_coded(run.model) or posterior_moments(run.model, one, expected=True) is not None
