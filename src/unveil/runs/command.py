"""A run's choices in the words of the command line: the keys that make it again, and the command that says them."""

import contextlib
import shlex
from collections.abc import Mapping
from typing import Any

from ..errors import RequestError
from ..legible import quoted
from ..ops import keyed
from ..registry import describe
from ..settings.choices import DEFAULTS, Choices, choose
from ..settings.keys import PARTS, keys_for
from ..settings.options import DataOptions, EvaluationOptions, TrainOptions
from .store import RunStore

HELD_IN = {  # where the description of a model built from choices keeps a choice that its constructor does not take
    "latent": ("prior", "num_latents"),
    "network": ("encoder", "name"),
    "width": ("encoder", "width"),
    "depth": ("encoder", "depth"),
    "dropout": ("encoder", "dropout"),
    "activation": ("encoder", "activation"),
}


def keys_of(run: RunStore) -> dict[str, Any] | None:
    """Every key that differs from its default, of the run's first phase and without its budget.

    None for a model or an objective that was built by hand, which no key says.
    """
    keys = _model_keys(run)
    if keys is None:
        return None
    config = run.config
    keys |= objective_keys(config.objective) | _differing(DataOptions(), "data", vars(config.data))
    keys |= _differing(TrainOptions(), "train", {k: v for k, v in config.phases[0].to_json().items() if k != "steps"})
    judging = {"estimator": config.judging.estimator, "num_samples": config.judging.num_samples}
    return keys | _differing(EvaluationOptions(), "evaluation", {k: v for k, v in judging.items() if v})


def fit_command(run: RunStore, keys: Mapping[str, Any], steps: int) -> str:
    """`unveil fit …` on the run's data with its seed and these keys."""
    keys = dict(keys)
    flags = [f"--{kind} {keys.pop(kind)}" for kind in DEFAULTS if kind in keys]
    words = [
        f"unveil fit {quoted(run.config.where)}",
        *flags,
        f"--steps {steps} --seed {run.config.seed}",
        *(shlex.quote(f"{name}={_text(value)}") for name, value in keys.items()),
    ]
    return " \\\n    ".join(_lines(words))


def objective_keys(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a described objective that differ from their defaults."""
    keys = keys_for({**DEFAULTS, "objective": spec["name"]})
    held = {name: spec[name.removeprefix("objective.")] for name in keys if name.startswith("objective.")}
    return {name: value for name, value in held.items() if value != keys[name].default}


def _model_keys(run: RunStore) -> dict[str, Any] | None:
    """The choices that differ from what `fit` would build by itself; None unless they build this very model."""
    spec = run.config.model
    if _has_own_parts(spec) or _has_own_parts(run.config.objective):
        return None
    names = {"model": spec["name"], "objective": run.config.objective["name"]}
    alone = _built(Choices(names), run)
    told_always = {"model"} if run.domain.columns is not None else set()  # of a table another could be picked
    keys: dict[str, Any] = {kind: name for kind, name in names.items() if name != DEFAULTS[kind] or kind in told_always}
    parts = {kind: _part(spec, kind)["name"] for kind in PARTS if _part(spec, kind)}
    held = {
        key: _found(spec, key.name)
        for key in keys_for({**names, **parts}).values()
        if key.name.split(".")[0] in ("model", *parts)
    }
    told = {key.name: held[key] for key in held if held[key] not in (None, key.default)}  # None: it has no such choice
    shortest = {name: value for name, value in told.items() if value != _found(alone, name)}
    for changed in (shortest, told):  # what fit picks may hang on another choice: then all are said
        named = {name.split(".")[0] for name in changed}
        kinds = {k: name for k, name in parts.items() if k in named or name != _part(alone, k).get("name")}
        with contextlib.suppress(RequestError):  # a choice that no key can say
            if _built(choose(keys | kinds | changed), run) == spec:
                return keys | kinds | changed
    return None


def _built(choices: Choices, run: RunStore) -> Any:
    """The description of the model that choices build on this run's domain, with what else was known of its data."""
    known = {
        "num_classes": len(run.data_info["classes"] or ()),
        "has_missing": bool(run.config.model.get("sees_missing")),
        "num_examples": run.data_info["split"]["sizes"]["train"],
    }
    with keyed("report", "repeat"):
        return describe(choices.model(run.domain, **known))


def _has_own_parts(spec: Any) -> bool:
    return isinstance(spec, dict) and ("class" in spec or any(_has_own_parts(part) for part in spec.values()))


def _found(spec: dict[str, Any], key: str) -> Any:
    """The value of a choice in a model's description; None where it has no such place."""
    kind, argument = key.split(".", 1)
    home = spec if kind == "model" else _part(spec, kind)
    if argument in home or kind != "model":
        return home.get(argument)
    if argument == "condition":
        return "label" if spec.get("num_classes") else "none"
    slot, name = HELD_IN.get(argument, ("", ""))
    return _part(spec, slot).get(name)


def _part(spec: dict[str, Any], slot: str) -> dict[str, Any]:
    """The description of a part; empty where the family has no such part."""
    found = spec.get(slot)
    return found if isinstance(found, dict) else {}


def _differing(defaults: Any, kind: str, resolved: dict[str, Any]) -> dict[str, Any]:
    """`kind.key` of every resolved option that is not its default; what was "auto" is said in numbers."""
    return {f"{kind}.{name}": value for name, value in resolved.items() if value != getattr(defaults, name, value)}


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
