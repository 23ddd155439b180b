"""Configuration keys: names, types and defaults come from the constructors, meanings from their docstrings."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from ..errors import RequestError, nearest
from ..legible import shortened
from ..model import Model
from ..registry import HOMES, load_all, lookup
from .options import DataOptions, EvaluationOptions, TrainOptions

PARTS = ("prior", "posterior", "likelihood")
OPTIONS: dict[str, Callable[..., Any]] = {"data": DataOptions, "train": TrainOptions, "evaluation": EvaluationOptions}
TYPES = {int: "whole number", float: "number", bool: "true|false", str: "text", types.NoneType: "none"}
LARGEST = 3.4e38  # about, of float32
LONGEST = 100  # characters of a wrong value in a sentence
UNIONS = (typing.Union, types.UnionType)
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Key:
    """One configuration key: its type and default from a signature, its meaning from the docstring."""

    name: str
    type: Any
    default: Any
    meaning: str

    @property
    def type_name(self) -> str:
        return " | ".join(_alternatives(self.type))

    def of(self, name: str) -> Key:
        """The key with the name of whose it is before its meaning."""
        return replace(self, meaning=f"({name}) {self.meaning}")


def estimator_keys() -> list[Key]:
    """Every key of every estimator, for `unveil list estimators`."""
    return [k.of(name) for name, cls in load_all("estimator").items() for k in _keys_of(cls, "estimator")]


def estimator_arguments(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor arguments of the named estimator, from `{"estimator.num_distributions": "500", …}`."""
    return _arguments(_keys_of(lookup("estimator", name), "estimator"), f"the estimator {name!r}", options)


def sample_arguments(model: Model, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword-only arguments of a family's `sample`, from `{"steps": "50", …}`."""
    asked = {f"sample.{key.removeprefix('sample.')}": value for key, value in options.items()}
    return _arguments(_keys_of(type(model).sample, "sample"), f"samples of this {type(model).__name__}", asked)


def _arguments(keys: list[Key], what: str, options: Mapping[str, Any]) -> dict[str, Any]:
    allowed = {key.name: key for key in keys}
    for option in options:
        if option not in allowed:
            told = nearest(option, allowed) if allowed else "It has none."
            raise RequestError(f"There is no key {option!r} for {what}.", told)
    return {option.split(".", 1)[1]: parse(allowed[option], value) for option, value in options.items()}


def takes_several(function: Callable[..., Any], name: str) -> bool:
    """Whether an argument may be a sequence."""
    kind = typing.get_type_hints(inspect.unwrap(function)).get(name)
    return any(typing.get_origin(option) in (tuple, Sequence) for option in (kind, *typing.get_args(kind)))


def keys_for(names: Mapping[str, str], options: Mapping[str, Any] | None = None) -> dict[str, Key]:
    """Every key that applies to the named model, objective and parts (of parts not named: the default's)."""
    sources: dict[str, Callable[..., Any]] = {
        "model": constructor(lookup("model", names["model"])),
        "objective": lookup("objective", names["objective"]),
        **OPTIONS,
    }
    sources |= {kind: lookup(kind, names[kind]) for kind in PARTS if kind in names}
    keys = {key.name: key for kind, source in sources.items() for key in _keys_of(source, kind)}
    for kind in PARTS:  # so that likelihood.sigma without likelihood= can say what is missing
        for option in options or {}:
            if kind not in names and option.startswith(f"{kind}."):
                keys |= {key.name: key for cls in load_all(kind).values() for key in _keys_of(cls, kind)}
    return keys


def all_keys() -> list[Key]:
    """Every key of every registered class, for `unveil list keys`."""
    found: list[Key] = []
    for kind in ("model", "objective", *PARTS):
        for name, cls in load_all(kind).items():
            keys = _keys_of(constructor(cls) if kind == "model" else cls, kind)
            keys += _keys_of(cast(type[Model], cls).sample, "sample") if kind == "model" else []
            found += [k.of(name) for k in keys]
    return found + [key for kind, source in OPTIONS.items() for key in _keys_of(source, kind)]


def constructor(cls: type) -> Callable[..., Any]:
    """What makes a part from the user's keys: `build` where the class has one."""
    return getattr(cls, "build", cls)


def _keys_of(source: Callable[..., Any], kind: str) -> list[Key]:
    function = source.__init__ if inspect.isclass(source) else source
    function = inspect.unwrap(getattr(function, "__func__", function))
    hints = {name: _named(hint) for name, hint in typing.get_type_hints(function, include_extras=True).items()}
    text = inspect.getdoc(source) or ""
    return [
        Key(f"{kind}.{p.name}", hints.get(p.name, str), p.default, _meaning(text, p.name))
        for p in inspect.signature(function).parameters.values()
        if p.name != "self" and (source in OPTIONS.values() or (p.kind == p.KEYWORD_ONLY and p.name not in HOMES))
    ]


def _named(hint: Any) -> Any:
    """A type; `Annotated[str, names]` is one of the names that this function gives now."""
    if typing.get_origin(hint) is not typing.Annotated:
        return hint
    _, names = typing.get_args(hint)
    return cast(Any, Literal)[names()]


def _meaning(text: str, name: str) -> str:
    found = re.search(rf"^\s+{name}: (.+(?:\n\s{{8,}}\S.*)*)", text, re.MULTILINE)
    return "" if found is None else " ".join(found.group(1).split())


def _alternatives(kind: Any) -> list[str]:
    if typing.get_origin(kind) is Literal:
        return [str(v) for v in typing.get_args(kind)]
    if typing.get_origin(kind) in UNIONS:
        return [name for option in typing.get_args(kind) for name in _alternatives(option)]
    return [TYPES.get(kind, kind.__name__)]


def parse(key: Key, value: Any) -> Any:
    """A value of the key's type, from text or from a Python value."""
    options = typing.get_args(key.type) if typing.get_origin(key.type) in UNIONS else (key.type,)
    for option in sorted(options, key=lambda o: o is float):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return _parse_as(option, value)
    came = shortened(repr(value), LONGEST)
    raise RequestError(f"{key.name} came as {came}; it takes {key.type_name} (default {key.default}).")


def _parse_as(kind: Any, value: Any) -> Any:
    """The value as one of a kind; a ValueError or a TypeError where it is none."""
    text = value.strip() if isinstance(value, str) else value
    if typing.get_origin(kind) is Literal and text in typing.get_args(kind):
        return text
    if kind is types.NoneType and (value is None or text in ("none", "None")):
        return None
    if kind is bool and isinstance(text, str) and text in TRUTH:
        return TRUTH[text]
    if kind in (bool, str) and isinstance(value, kind):
        return text
    if kind is int and type(value) is not bool and (isinstance(value, int) or re.fullmatch(r"[+-]?\d+", str(text))):
        return _whole(int(text))
    if kind is float and type(value) is not bool and math.isfinite(float(text)):
        return _single(float(text))
    raise ValueError(f"{value!r} is no {kind}")


def _single(value: float) -> float:
    """A number that torch's default type holds."""
    if abs(value) > LARGEST:
        raise ValueError(f"{value} is too large")
    return value


def _whole(value: int) -> int:
    """A whole number that 64 bits hold, as torch, numpy and every file of a run need it."""
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} is too large")
    return value
