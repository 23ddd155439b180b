"""The validation bound: every example once, the same noise each time."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..data import Split
from ..estimators.base import rows_at_once
from ..model import Model, device_of
from ..objectives import Loss, Objective
from ..ops import keyed

ROWS = 500  # at once, but of large pictures
PASSES = 4  # through the decoder that so many rows may be


@torch.no_grad()
def validate(model: Model, split: Split, objective: Objective) -> dict[str, float]:
    """Mean bound, rate and distortion over a split, in nats; float32, evaluation mode."""
    totals: dict[str, float] = {}
    for rows, loss in _losses(model, split, objective):
        for name, value in {"bound": loss.bound.mean(), **loss.logs}.items():
            totals[name] = totals.get(name, 0.0) + float(value) * rows
    return {name: value / len(split) for name, value in totals.items()}


@torch.no_grad()
def bound_of_each(model: Model, split: Split, objective: Objective) -> Tensor:
    """As `validate`, the bound of each example, [N]."""
    return torch.cat([loss.bound.cpu() for _, loss in _losses(model, split, objective)])


def _losses(model: Model, split: Split, objective: Objective) -> Iterator[tuple[int, Loss]]:
    """(the number of examples, their loss) of one block after another."""
    training = model.training
    model.eval()
    size = min(ROWS, PASSES * rows_at_once(model))
    for first in range(0, len(split), size):
        rows = torch.arange(first, min(first + size, len(split)), device=split.x.device)
        with keyed("valid", first):
            loss = objective(model, split.batch(rows).to(device_of(model)))
        yield len(rows), loss
    model.train(training)
