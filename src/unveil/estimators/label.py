"""What an estimate is called wherever it is printed."""

import inspect
from collections.abc import Mapping
from typing import Any

ALWAYS = ("num_steps",)  # settings that make another quantity of it: they are said even where nobody chose them


def label(estimator: str, num_samples: int | None = None, settings: Mapping[str, Any] | None = None) -> str:
    """IWAE-500 for an estimator with draws, its bare name without: exact; with settings LAYERS-4 (num_steps = 50)."""
    name = f"{estimator.upper()}-{num_samples}" if num_samples else estimator
    told = ", ".join(f"{key} = {value}" for key, value in (settings or {}).items())
    return f"{name} ({told})" if told else name


def label_of(result: Mapping[str, Any]) -> str:
    """The same from a result."""
    return label(result["estimator"], result["num_samples"], result.get("settings"))


def settings_of(estimator: Any) -> dict[str, Any]:
    """What was set otherwise than by default, beside num_samples."""
    given = inspect.signature(type(estimator)).parameters.values()
    found = {p.name: (getattr(estimator, p.name, p.default), p.default) for p in given if p.name != "num_samples"}
    return {name: value for name, (value, usual) in found.items() if name in ALWAYS or value != usual}
