"""How x enters a network: in units of the training data's mean and spread, gaps filled with the mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """(x − centre)/spread, and 0 where x is not observed.

    Arguments: shape of x; shared, whether one spread serves all of its values (images).
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, shape: tuple[int, ...], *, shared: bool) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(shape))
        self.register_buffer("spread", torch.ones(()) if shared else torch.ones(shape))

    @torch.no_grad()
    def start(self, mean: Tensor, spread: Tensor) -> None:
        """Take over mean and spread [*shape] of training examples; what never changes has a spread of 1."""
        self.centre.copy_(mean)
        spread = spread.square().mean().sqrt() if self.spread.ndim == 0 else spread
        self.spread.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        values = (x - self.centre) / self.spread
        return values if observed is None else torch.where(observed, values, torch.zeros_like(values))
