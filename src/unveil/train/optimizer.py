"""Adam, AdamW and Adamax: the functions of torch.optim with the state that a checkpoint keeps.

The classes of torch.optim import the compiler when the first is made, which takes a second or two; a short fit has no
use for it. The updates are the same functions, so the numbers are the same.

References: Kingma and Ba, Adam, 2015, algorithms 1 and 2; Loshchilov and Hutter, Decoupled Weight Decay
Regularization, 2019, algorithm 2.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamax import adamax

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Group:
    """Parameters that share a weight decay."""

    parameters: list[Tensor]
    weight_decay: float = 0.0


@dataclass
class Optimizer:
    """One of three update rules, with the two moments of each parameter that has moved.

    Arguments:
        rule: "adamw", "adam" or "adamax".
        groups: the parameters.
        lr: the learning rate of the next update; the caller changes it.
        state: of each parameter, its tensors by name: `step`, `exp_avg` and `exp_avg_sq` or (Adamax) `exp_inf`.
        skip: a scalar on the device; where it is 1, the next update leaves everything as it is. Adamax has none.
    """

    rule: Literal["adamw", "adam", "adamax"]
    groups: list[Group]
    lr: float
    state: dict[Tensor, dict[str, Tensor]] = field(default_factory=dict)
    skip: Tensor | None = None

    @property
    def can_skip(self) -> bool:
        """Whether an update can be masked on the device."""
        return self.rule != "adamax"

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for p in group.parameters:
                p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.groups:
            moving = {p: p.grad for p in group.parameters if p.grad is not None}
            if moving:
                self._move(list(moving), list(moving.values()), group.weight_decay)

    def _move(self, moving: list[Tensor], gradients: list[Tensor], weight_decay: float) -> None:
        states = [self._state_of(p) for p in moving]
        steps, first, second = ([state[slot] for state in states] for slot in self._slots)
        if self.rule == "adamax":
            adamax(
                *(moving, gradients, first, second, steps),
                lr=self.lr,
                beta1=BETA1,
                beta2=BETA2,
                eps=EPS,
                weight_decay=weight_decay,
            )
        else:
            adam(
                *(moving, gradients, first, second, [], steps),
                lr=self.lr,
                beta1=BETA1,
                beta2=BETA2,
                eps=EPS,
                weight_decay=weight_decay,
                decoupled_weight_decay=self.rule == "adamw",
                found_inf=self.skip,
                fused=True,
                amsgrad=False,
                maximize=False,
            )

    @property
    def _slots(self) -> tuple[str, str, str]:
        return "step", "exp_avg", "exp_inf" if self.rule == "adamax" else "exp_avg_sq"

    def _state_of(self, p: Tensor) -> dict[str, Tensor]:
        if p not in self.state:
            step, first, second = self._slots
            counter = torch.zeros((), device=p.device if self.can_skip else None)
            self.state[p] = {step: counter, first: torch.zeros_like(p), second: torch.zeros_like(p)}
        return self.state[p]
