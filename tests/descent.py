"""Plain gradient descent, with which a test sees how long an update is."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from unveil.train.optimizer import Group, Optimizer


class Descent(Optimizer):
    """p ← p − ∂p."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        super().__init__("adam", [Group(list(parameters))], lr=1.0)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.groups:
            for p in group.parameters:
                p -= p.grad
