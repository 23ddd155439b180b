"""An exponential moving average of a model's weights."""

import copy

import torch
from torch import Tensor

from ..model import Model

MOST = 8  # steps between two updates of the average; a pass over all weights is some percent of a small step


def interval(half_life: float, batch_size: int) -> int:
    """Steps from one update of the average to the next: a sixteenth of the half-life, from 1 to 8."""
    return int(min(MOST, max(1, half_life / batch_size / 16)))


class Average:
    """θ̄ ← θ̄ + (1 − ½^(examples/half-life)) (θ − θ̄), with a faster start so that the first weights are forgotten.

    The weights are taken in every n-th step, for the examples of n steps at once (`interval`); buffers are always those
    of the live model.

    Arguments: model; half_life in examples, 0 for none (then `model` is the model itself).
    """

    def __init__(self, model: Model, half_life: float) -> None:
        self.live, self.half_life = model, half_life
        self.model = copy.deepcopy(model).requires_grad_(False) if half_life > 0 else model
        self._live: list[Tensor] = list(model.parameters())
        self._mean: list[Tensor] = list(self.model.parameters())
        self._buffers = [*zip(self.model.buffers(), model.buffers(), strict=True)] if half_life > 0 else []

    @torch.no_grad()
    def update(self, step: int, batch_size: int) -> None:
        """Take in the weights after the update number `step` (from 0)."""
        for mean, live in self._buffers:
            mean.copy_(live)
        if self.half_life <= 0:
            return
        every = interval(self.half_life, batch_size)
        taken, left = divmod(step + 1, every)
        if left == 0:
            keep = min(0.5 ** (every * batch_size / self.half_life), taken / (9 + taken))
            torch._foreach_lerp_(self._mean, self._live, 1 - keep)
