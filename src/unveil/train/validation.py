"""The validation bound: every example once, the same noise each time."""

import torch

from ..data import Split
from ..estimators.base import rows_at_once
from ..model import Model, device_of
from ..objectives import Objective
from ..ops import keyed

ROWS = 500  # at once, but of large pictures
PASSES = 4  # through the decoder that so many rows may be


@torch.no_grad()
def validate(model: Model, split: Split, objective: Objective) -> dict[str, float]:
    """Mean bound, rate and distortion over a split, in nats; float32, evaluation mode."""
    training = model.training
    totals: dict[str, float] = {}
    model.eval()
    size = min(ROWS, PASSES * rows_at_once(model))
    for first in range(0, len(split), size):
        rows = torch.arange(first, min(first + size, len(split)), device=split.x.device)
        with keyed("valid", first):
            loss = objective(model, split.batch(rows).to(device_of(model)))
        for name, value in {"bound": loss.bound.mean(), **loss.logs}.items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(rows)
    model.train(training)
    return {name: value / len(split) for name, value in totals.items()}
