"""The options of one phase of training, resolved: what "auto" became before the first step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .options import TrainOptions


@dataclass(frozen=True)
class Phase:
    """One phase of a training, as config.json keeps it. The defaults are those of a packed model, which trains nothing.

    Arguments:
        asked: the options that are taken as they were asked for; the others of `TrainOptions` stand below, resolved.
        steps: updates of all stages together (of a model in closed form: passes).
        valid_examples: the most examples that a validation looks at, or None for all.
        seed: of order and noise.
        stages: what differs in each stage from what holds for the whole phase.
    """

    asked: TrainOptions = field(default_factory=TrainOptions)
    steps: int = 1
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.0
    ema_half_life: float = 0.0
    prior_share: float = 0.0
    valid_every: int = 1
    valid_examples: int | None = None
    precision: str = "float32"
    compile: bool = False
    threads: int = 1
    device: str = "cpu"
    seed: int = 0
    stages: tuple[Mapping[str, Any], ...] = ({},)

    @property
    def in_bf16(self) -> bool:
        return self.precision == "bf16"

    @property
    def options(self) -> TrainOptions:
        """Options that repeat this phase with another budget."""
        again = TAKEN & set(RESOLVED) - {"steps", "ema_half_life", "valid_every"}
        return replace(self.asked, **{name: getattr(self, name) for name in again})

    def stage_options(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a stage: its own over those of the phase."""
        return self.to_json() | dict(own)

    def to_json(self) -> dict[str, Any]:
        """Plain values, all on one level."""
        kept = {name: getattr(self.asked, name) for name in KEPT}
        return kept | {name: getattr(self, name) for name in RESOLVED} | {"stages": list(self.stages)}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Phase:
        asked = TrainOptions(**{name: found[name] for name in KEPT if name in found})
        own = {name: found[name] for name in RESOLVED if name in found}
        return cls(asked, **own, stages=tuple(found.get("stages", ({},))))


TAKEN = {f.name for f in fields(TrainOptions)}
RESOLVED = tuple(f.name for f in fields(Phase) if f.name not in ("asked", "stages"))
KEPT = tuple(name for name in TrainOptions.__dataclass_fields__ if name not in (*RESOLVED, "epochs", "minutes"))
