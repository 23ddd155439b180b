"""config.json: every choice of a run, of the types that its options have."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_type_hints

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, field

from ...records import Count, Positive, Text
from ...settings.options import DataOptions, TrainOptions
from ...settings.phase import KEPT, RESOLVED, Phase

MOST_STEPS, MOST_PHASES, MOST_STAGES = 10**12, 10_000, 100
MOST_THREADS = 1024
MOST_DRAWS = 10**7
Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0, le=1e12)]
AboveZero = Annotated[float, Meta(gt=0, le=1e12)]
Steps = Annotated[int, Meta(ge=0, le=MOST_STEPS)]
Size = Annotated[int, Meta(ge=1, le=2**31)]
Seed = Annotated[int, Meta(ge=0)]
Described = dict[str, Any]  # by `registry.describe`; `registry.rebuild` checks it against the constructors
BOUNDED: dict[str, Any] = {  # the options of a phase that are numbers, with their ends
    "steps": Steps, "batch_size": Size, "lr": AboveZero, "weight_decay": NotNegative, "ema_half_life": NotNegative,
    "prior_share": Share, "valid_every": Annotated[int, Meta(ge=1, le=MOST_STEPS)], "valid_examples": Positive | None,
    "threads": Annotated[int, Meta(ge=1, le=MOST_THREADS)], "seed": Seed, "warmup": Share, "clip": AboveZero,
    "patience": Count, "plateau": Positive, "finish_share": Share, "encoder_steps": Count, "aggressive_share": Share,
    "precision": Literal["float32", "bf16"], "device": Annotated[str, Meta(pattern=r"^(cpu|mps|cuda|xpu)(:\d{1,3})?$")],
}  # fmt: skip
OF_STAGE: dict[str, Any] = {
    name: BOUNDED[name] for name in ("steps", "batch_size", "lr", "encoder_steps", "aggressive_share", "warmup", "clip")
} | {"name": Text, "objective": Described, "parts": list[Literal["p", "q", "prior"]], "progress_from": Share}


def _optional(types: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Fields that may be left out, as earlier versions left out some."""
    return [(name, kind | UnsetType, UNSET) for name, kind in types.items()]


def _known_data() -> dict[str, Any]:
    types = get_type_hints(DataOptions)
    types["missing"] = str  # marks of missing values, in runs from before data.na_values
    return types | {"seed": Seed, "levels": Annotated[int, Meta(ge=0, le=65_536)]}


def _known_phase() -> dict[str, Any]:
    types = {name: kind for name, kind in get_type_hints(TrainOptions).items() if name in KEPT}
    types |= {name: kind for name, kind in get_type_hints(Phase).items() if name in RESOLVED}
    stages = Annotated[list[StageOptions], Meta(min_length=1, max_length=MOST_STAGES)]  # type: ignore[valid-type]
    return types | {name: kind for name, kind in BOUNDED.items() if name in types} | {"stages": stages}


StageOptions = defstruct("StageOptions", _optional(OF_STAGE), forbid_unknown_fields=True)
DataFileOptions = defstruct("DataFileOptions", _optional(_known_data()), forbid_unknown_fields=True)
PhaseOptions = defstruct("PhaseOptions", _optional(_known_phase()), forbid_unknown_fields=True)


class Source(Struct, forbid_unknown_fields=True):
    """Where the data came from."""

    kind: Literal["memory", "named"]
    where: Text


class JudgingOptions(Struct, forbid_unknown_fields=True):
    """How the result is judged."""

    estimator: Text
    num_samples: Annotated[int, Meta(ge=1, le=MOST_DRAWS)] | None = None
    num_examples: Positive | None = None
    ranked: Positive = 1


class Plan(Struct, forbid_unknown_fields=True):
    """What was asked for, the seconds that were expected, and what was said."""

    asked: dict[str, int | float | str | None] = {}
    seconds: dict[str, NotNegative] = {}
    notes: list[Text] = []


class ConfigFile(Struct, forbid_unknown_fields=True):
    """config.json."""

    format: str
    source: Source
    data: DataFileOptions  # type: ignore[valid-type]
    seed: int
    model: Described
    objective: Described
    phases: Annotated[list[PhaseOptions], Meta(min_length=1, max_length=MOST_PHASES)]  # type: ignore[valid-type]
    evaluation: JudgingOptions
    versions: dict[str, Text] = {}
    plan: Plan = field(default_factory=Plan)
