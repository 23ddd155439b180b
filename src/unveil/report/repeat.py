"""The commands that make a run again: every choice in words, and never a clock."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

from ..config import DEFAULTS, PARTS, Choices, DataOptions, EvaluationOptions, TrainOptions, choose, keys_for
from ..errors import RequestError
from ..ops import keyed
from ..registry import describe
from ..run import Run

HELD_IN = {  # where the description of a model built from choices keeps a choice that its constructor does not take
    "latent": ("prior", "num_latents"),
    "network": ("encoder", "name"),
    "width": ("encoder", "width"),
    "depth": ("encoder", "depth"),
    "dropout": ("encoder", "dropout"),
}


def repetition(run: Run) -> list[str] | None:
    """`unveil fit …` and what follows it, or None for a model that was built by hand."""
    keys = _model_keys(run)
    if keys is None:
        return None
    config, first = run.config, run.config["phases"][0]
    keys |= _objective_keys(config) | _differing(DataOptions(), "data", config["data"])
    keys |= _differing(TrainOptions(), "train", {k: v for k, v in first.items() if k != "steps"})
    keys |= _differing(EvaluationOptions(), "evaluation", {k: v for k, v in config["evaluation"].items() if v})
    flags = [f"--{kind} {keys.pop(kind)}" for kind in DEFAULTS if kind in keys]
    words = [
        f"unveil fit {shlex.quote(config['source']['where'])}",
        *flags,
        f"--steps {first['steps']} --seed {config['seed']}",
        *(shlex.quote(f"{name}={_text(value)}") for name, value in keys.items()),
    ]
    again = [f"unveil resume {shlex.quote(str(run.path))} --steps {phase['steps']}" for phase in config["phases"][1:]]
    return [" \\\n    ".join(_lines(words)), *again]


def judgement(run: Run) -> str:
    """The command that judges the run with the same estimator and K."""
    chosen = run.config["evaluation"]
    samples = f" --num-samples {chosen['num_samples']}" if chosen["num_samples"] else ""
    return f"unveil evaluate {shlex.quote(str(run.path))} --estimator {chosen['estimator']}{samples}"


def _model_keys(run: Run) -> dict[str, Any] | None:
    """The choices that differ from what `fit` would build by itself; None unless they build this very model."""
    spec = run.config["model"]
    if _has_own_parts(spec) or _has_own_parts(run.config["objective"]):
        return None
    names = {kind: run.config[kind]["name"] for kind in DEFAULTS}
    alone = _built(Choices(names), run)
    keys: dict[str, Any] = {kind: name for kind, name in names.items() if name != DEFAULTS[kind]}
    parts = {kind: _part(spec, kind)["name"] for kind in PARTS if _part(spec, kind)}
    changed = {
        key.name: _found(spec, key.name)
        for key in keys_for({**names, **parts}).values()
        if key.name.split(".")[0] in ("model", *parts)
        and _found(spec, key.name) not in (_found(alone, key.name), key.default)
    }
    named = {name.split(".")[0] for name in changed}
    keys |= {k: name for k, name in parts.items() if k in named or name != _part(alone, k).get("name")}
    keys |= changed
    try:
        return keys if _built(choose(keys), run) == spec else None
    except RequestError:  # a choice that no key can say
        return None


def _built(choices: Choices, run: Run) -> Any:
    """The description of the model that choices build on this run's domain."""
    with keyed("report", "repeat"):
        return describe(choices.model(run.domain))


def _has_own_parts(spec: Any) -> bool:
    return isinstance(spec, dict) and ("class" in spec or any(_has_own_parts(part) for part in spec.values()))


def _found(spec: dict[str, Any], key: str) -> Any:
    """The value of a choice in a model's description; None where it has no such place."""
    kind, argument = key.split(".", 1)
    home = spec if kind == "model" else _part(spec, kind)
    if argument in home or kind != "model":
        return home.get(argument)
    slot, name = HELD_IN.get(argument, ("", ""))
    return _part(spec, slot).get(name)


def _part(spec: dict[str, Any], slot: str) -> dict[str, Any]:
    """The description of a part; empty where the family has no such part."""
    found = spec.get(slot)
    return found if isinstance(found, dict) else {}


def _objective_keys(config: dict[str, Any]) -> dict[str, Any]:
    spec = config["objective"]
    keys = keys_for({**DEFAULTS, "objective": spec["name"]})
    held = {name: spec[name.removeprefix("objective.")] for name in keys if name.startswith("objective.")}
    return {name: value for name, value in held.items() if value != keys[name].default}


def _differing(defaults: Any, kind: str, resolved: dict[str, Any]) -> dict[str, Any]:
    """`kind.key` of every resolved option that is not its default; what was "auto" is said in numbers."""
    names = {field.name for field in fields(defaults)} & resolved.keys()
    return {
        f"{kind}.{name}": value
        for name, value in resolved.items()
        if name in names and value != getattr(defaults, name)
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _lines(words: list[str], width: int = 76) -> list[str]:
    """Words in lines of at most `width` characters, a longer word alone."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
