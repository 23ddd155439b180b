"""Splits of x from a model itself: over them the aggregate of the true posterior is the prior."""

from __future__ import annotations

from dataclasses import replace

import torch

from unveil.batch import Batch
from unveil.data import Split
from unveil.model import Model, Posterior

from .hierarchy import Hierarchy


def simulated(model: Model, num: int) -> Split:
    x, _ = model.sample(num)
    return Split(x.detach().float(), None, model.domain, "none", torch.arange(num))


class StoredHierarchy(Hierarchy):
    """The hierarchy for x as a split hands it out, in float32."""

    def posterior(self, batch: Batch) -> Posterior:
        return super().posterior(replace(batch, x=batch.x.double()))
