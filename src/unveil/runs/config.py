"""What config.json holds, typed: every resolved choice of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..data.gaps import MISSING
from ..settings.judging import Judging
from ..settings.options import DataOptions
from ..settings.phase import Phase

CONFIG = "unveil-run-1"


@dataclass(frozen=True)
class RunConfig:
    """Every choice that a run was made with, so that it can be repeated.

    Arguments:
        where: the source of the data, in words; in_memory, whether it was an array, which a run does not keep.
        data: how the data is read.
        seed: of initial weights, order of examples and noise.
        model, objective: as `registry.describe` gives them.
        phases: of training, the present one last.
        judging: how log p(x) of the result and of scores is estimated.
        asked: the budget as it was asked for, and the steps between validations where they were.
        seconds: expected, by part.
        notes: what was decided, in sentences.
        versions: of what the numbers depend on.
    """

    where: str
    in_memory: bool
    data: DataOptions
    seed: int
    model: dict[str, Any]
    objective: dict[str, Any]
    phases: tuple[Phase, ...]
    judging: Judging
    asked: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        return str(self.model.get("name", "own model"))

    @property
    def own_steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def slim(self) -> RunConfig:
        """The model and how it is judged, on any machine: what a pack keeps."""
        alone = (Phase(threads=self.phases[-1].threads),)
        return replace(self, where="packed", in_memory=True, phases=alone, asked={}, seconds={}, notes=(), versions={})

    def to_json(self) -> dict[str, Any]:
        return {
            "format": CONFIG,
            "versions": dict(self.versions),
            "source": {"kind": "memory" if self.in_memory else "named", "where": self.where},
            "data": vars(self.data),
            "seed": self.seed,
            "model": self.model,
            "objective": self.objective,
            "phases": [phase.to_json() for phase in self.phases],
            "evaluation": vars(self.judging),
            "plan": {"asked": dict(self.asked), "seconds": dict(self.seconds), "notes": list(self.notes)},
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> RunConfig:
        """The choices that `to_json` gave, as `schemas.ConfigFile` lets them pass; a packed model has no plan."""
        plan = found.get("plan", {})
        return cls(
            where=found["source"]["where"],
            in_memory=found["source"]["kind"] == "memory",
            data=_data_options(found["data"]),
            seed=found["seed"],
            model=found["model"],
            objective=found["objective"],
            phases=tuple(map(Phase.of_json, found["phases"])),
            judging=Judging(**found["evaluation"]),
            asked=plan.get("asked", {}),
            seconds=plan.get("seconds", {}),
            notes=tuple(plan.get("notes", ())),
            versions=found.get("versions", {}),
        )


def _data_options(found: Mapping[str, Any]) -> DataOptions:
    """The options of data; of a run from before data.na_values, what stood under data.missing are its marks."""
    if (marks := found.get("missing", "ignored")) in MISSING:
        return DataOptions(**found)
    return DataOptions(**{**found, "missing": "ignored", "na_values": marks})
