"""What one stage of training is: an objective, a budget and the knobs of the optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from ..errors import RequestError, nearest
from ..model import Model
from ..objectives import Objective
from .optimizer import Group, Optimizer

OPTIMIZERS = ("adamw", "adam", "adamax")
SCHEDULES = ("cosine", "constant", "plateau")
RANGES = {  # the least, the most and both in words: of which options
    (0, math.inf, "a whole number from 0 upwards"): ("steps", "encoder_steps"),
    (1, math.inf, "a whole number from 1 upwards"): ("batch_size",),
    (math.ulp(0.0), math.inf, "a positive number"): ("lr", "clip"),
    (0, math.inf, "a number from 0 upwards"): ("weight_decay", "ema_half_life"),
    (0, 1, "a share of the steps from 0 to 1"): ("warmup", "aggressive_share"),
}


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Arguments:
        objective: what is maximised.
        steps: the budget, in updates (for a model that is solved in closed form: passes over the training set).
        batch_size: examples per update.
        optimizer: "adamw", "adam" or "adamax".
        lr: the peak learning rate.
        schedule: "cosine" (to zero), "constant", or "plateau": constant until the caller, who validates, halves
            `TrainState.lr_factor`.
        warmup: share of the steps over which the learning rate rises from 0.
        weight_decay: decoupled, on matrices and kernels only (adamw).
        clip: the largest gradient norm; longer gradients are scaled down.
        ema_half_life: of the averaged weights, in examples, so that the batch size is free to change; 0 keeps none.
        parts: whose parameters move: "p", "q", "prior".
        encoder_steps: updates of q alone before each full one, in the first `aggressive_share` of the steps (He et al.,
            Lagging Inference Networks, 2019, algorithm 1, with a fixed number of inner updates).
        aggressive_share: share of the steps that have such updates before them.
        progress_from: what an objective sees as its progress at the first step; 1 where a stage before warmed it up.
        name: for the curves.
    """

    objective: Objective
    steps: int
    batch_size: int = 128
    optimizer: Literal["adamw", "adam", "adamax"] = "adamw"
    lr: float = 1e-3
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: float = 0.02
    weight_decay: float = 0.01
    clip: float = 200.0
    ema_half_life: float = 0.0
    parts: tuple[str, ...] = ("p", "q")
    encoder_steps: int = 0
    aggressive_share: float = 0.0
    progress_from: float = 0.0
    name: str = "main"

    def __post_init__(self) -> None:
        for (least, most, takes), names in RANGES.items():
            for name in names:
                if not least <= getattr(self, name) <= most:
                    raise RequestError(f"train.{name} is {getattr(self, name)}; it takes {takes}.")
        for name, allowed in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if (came := getattr(self, name)) not in allowed:
                raise RequestError(f"There is no train.{name} {came!r}.", nearest(came, allowed))

    @classmethod
    def of(cls, objective: Objective, options: Mapping[str, Any]) -> Stage:
        """A stage from plain values, of which it takes those that it knows."""
        known = {k: v for k, v in options.items() if k in cls.__dataclass_fields__ and k != "objective"}
        return cls(objective, **known | {"parts": tuple(known.get("parts", cls.parts))})

    def learning_rate(self, step: int) -> float:
        """The learning rate of the update after `step` finished ones (before the factor of a plateau)."""
        rise = min(1.0, (step + 1) / max(1.0, self.warmup * self.steps))
        if self.schedule != "cosine":
            return self.lr * rise
        return self.lr * rise * 0.5 * (1 + math.cos(math.pi * step / max(1, self.steps)))

    def progress(self, step: int) -> float:
        """What the objective sees as progress after `step` finished updates."""
        return self.progress_from + (1 - self.progress_from) * step / max(1, self.steps)

    def inner_steps(self, step: int) -> int:
        """The updates of q alone before the update after `step` finished ones."""
        return self.encoder_steps if step < self.aggressive_share * self.steps else 0

    def make_optimizer(self, model: Model) -> Optimizer:
        """The optimiser over the stage's parts; weight decay leaves biases and scalars alone."""
        parameters = self.parameters(model)
        if not parameters:
            raise RequestError(
                f"The part{'s' * (len(self.parts) > 1)} {' and '.join(map(repr, self.parts))} of this "
                f"{type(model).__name__} {'have' if len(self.parts) > 1 else 'has'} no parameters to train.",
                "Choose among 'p', 'q' and 'prior'.",
            )
        matrices = {id(w) for m in model.modules() if (w := getattr(m, "weight", None)) is not None and w.ndim >= 2}
        decay = self.weight_decay if self.optimizer == "adamw" else 0.0
        groups = [
            Group([p for p in parameters if id(p) in matrices], decay),
            Group([p for p in parameters if id(p) not in matrices], 0.0),
        ]
        return Optimizer(self.optimizer, groups, self.lr)

    def parameters(self, model: Model) -> list[nn.Parameter]:
        """The parameters that move, each once, in the model's order."""
        chosen = {id(p) for part in self.parts for p in model.parameters_of(part)}
        return [p for p in model.parameters() if id(p) in chosen]
