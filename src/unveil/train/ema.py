"""An exponential moving average of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..models.base import Model


class Average:
    """θ̄ ← θ̄ + (1 − ½^(examples/half-life)) (θ − θ̄), with a faster start so that the first weights are forgotten.

    Arguments: model; half_life in examples, 0 for none (then `model` is the model itself).
    """

    def __init__(self, model: Model, half_life: float) -> None:
        self.live, self.half_life = model, half_life
        self.model = copy.deepcopy(model).requires_grad_(False) if half_life > 0 else model
        self._live: list[Tensor] = list(model.parameters())
        self._mean: list[Tensor] = list(self.model.parameters())

    @torch.no_grad()
    def update(self, step: int, batch_size: int) -> None:
        """Take in the weights after the update number `step` (from 0)."""
        if self.half_life <= 0:
            return
        keep = min(0.5 ** (batch_size / self.half_life), (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, self._live, 1 - keep)
        for a, b in zip(self.model.buffers(), self.live.buffers(), strict=True):
            a.copy_(b)
