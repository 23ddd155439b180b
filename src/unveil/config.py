"""From names and plain values to objects: keys, their types and defaults come from the constructors' signatures."""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from .domain import Domain
from .errors import RequestError, nearest
from .model import Model
from .objectives import Objective
from .registry import HOMES, load_all, lookup

PARTS = ("prior", "posterior", "likelihood")
DEFAULTS = {"model": "vae", "objective": "elbo"}


@dataclass(frozen=True)
class TrainOptions:
    """How to train. "auto" is resolved once, before the first step, and written to config.json.

    Arguments:
        epochs: the budget in passes over the training set.
        steps: the budget in updates.
        minutes: the budget for the whole command; becomes a number of steps after a short timed warm-up.
        batch_size: examples per update; auto follows the number of examples, and halves until a step fits in memory.
        optimizer: the update rule.
        lr: the peak learning rate.
        schedule: of the learning rate after its warm-up.
        warmup: share of the steps over which the learning rate rises from 0.
        weight_decay: decoupled, on matrices and kernels only.
        clip: the largest gradient norm.
        ema_half_life: of the averaged weights, in examples; 0 keeps none; auto is 1 % of the training.
        patience: validations without a better bound before training stops, from its first quarter on; 0 never does.
        plateau: validations without a better bound after which schedule=plateau halves the learning rate.
        finish: objective of a last stage, such as iwae or dreg, from the best weights so far; none has no such stage.
        finish_share: share of the steps that the finish takes.
        prior_share: share of the steps, at the very end, in which the prior moves alone and all else is held; auto
            takes none, but for a model that needs it (vqvae).
        encoder_steps: updates of the encoder alone before each update of everything (aggressive training).
        aggressive_share: share of the main stage, from its start, that has such updates.
        valid_every: steps between validations (and checkpoints); auto makes about 25, fewer in a few minutes.
        precision: bf16 runs encoder and decoder in bfloat16 while training; densities and evaluation stay float32.
        compile: compile objective and model as one module; auto does where the run is long enough to repay it.
        threads: processor threads; auto takes one for a small model, which a second only slows down, else all.
        device: cpu, cuda, cuda:1, mps, …
    """

    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int | Literal["auto"] = "auto"
    optimizer: Literal["adamw", "adam", "adamax"] = "adamw"
    lr: float | Literal["auto"] = "auto"
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: float = 0.02
    weight_decay: float | Literal["auto"] = "auto"
    clip: float = 200.0
    ema_half_life: float | Literal["auto"] = "auto"
    patience: int = 10
    plateau: int = 3
    finish: str = "none"
    finish_share: float = 0.25
    prior_share: float | Literal["auto"] = "auto"
    encoder_steps: int = 0
    aggressive_share: float = 0.2
    valid_every: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    threads: int | Literal["auto"] = "auto"
    device: str = "auto"


@dataclass(frozen=True)
class DataOptions:
    """How to read the data.

    Arguments:
        binarization: of grey images: a fresh draw each time (dynamic), one fixed draw (static), a threshold, or none.
        domain: what the values are; auto recognises it and says so.
        levels: the number of levels; 0 counts them.
        seed: of the split and of the fixed draws; untouched by --seed.
        label: the column of a table that is taken as labels.
        drop: columns of a table that are left out, separated by commas.
        size: of images: cut to squares and resized to this; auto keeps those of one size up to 64, else takes 64.
        skip_broken: leave out image files that cannot be read, instead of refusing.
    """

    binarization: Literal["auto", "dynamic", "static", "threshold", "none"] = "auto"
    domain: Literal["auto", "binary", "levels", "count", "unit", "real"] = "auto"
    levels: int = 0
    seed: int = 0
    label: str = ""
    drop: str = ""
    size: int | Literal["auto"] = "auto"
    skip_broken: bool = False


@dataclass(frozen=True)
class EvaluationOptions:
    """How the result and scores are judged.

    Arguments:
        estimator: of log p(x); auto is exact where there is a closed form, else iwae.
        num_samples: K; auto takes what a share of the budget allows.
    """

    estimator: str = "auto"
    num_samples: int | Literal["auto"] = "auto"


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


@dataclass(frozen=True)
class Choices:
    """What a user asked for, checked: names of parts, and values by kind."""

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def train(self) -> TrainOptions:
        return TrainOptions(**self.values.get("train", {}))

    @property
    def data(self) -> DataOptions:
        return DataOptions(**self.values.get("data", {}))

    @property
    def evaluation(self) -> EvaluationOptions:
        return EvaluationOptions(**self.values.get("evaluation", {}))

    def model(self, domain: Domain, **context: Any) -> Model:
        """Build the model for a domain; `context` is what else is known of the data, for a model that asks for it."""
        cls = lookup("model", self.names["model"])
        asked = inspect.signature(_constructor(cls)).parameters
        known = {name: value for name, value in context.items() if name in asked}
        parts = {
            kind: functools.partial(lookup(kind, self.names[kind]), **self.values.get(kind, {}))
            for kind in PARTS
            if kind in self.names
        }
        return _constructor(cls)(domain, **known, **self.values.get("model", {}), **parts)

    def objective(self) -> Objective:
        """Build the objective."""
        return lookup("objective", self.names["objective"])(**self.values.get("objective", {}))


def choose(options: Mapping[str, Any]) -> Choices:
    """Check `{"model.latent": "16", "objective": "iwae", …}` against the signatures.

    A bare kind ("prior") names the part; a dotted key sets an argument. Values may be text (from the command line) or
    already of the right type. Raises RequestError with the nearest key or the allowed values.
    """
    names = dict(DEFAULTS)
    for kind, name in options.items():
        if kind in (*DEFAULTS, *PARTS):
            lookup(kind, str(name))
            names[kind] = str(name)
    _check_parts_taken(names)
    allowed = keys_for(names, options)
    values: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if name in (*DEFAULTS, *PARTS):
            continue
        if name not in allowed:
            raise RequestError(f"There is no key {name!r} for the model {names['model']!r}.", nearest(name, allowed))
        kind, argument = name.split(".", 1)
        values.setdefault(kind, {})[argument] = parse(allowed[name], value)
    for kind in PARTS:
        if kind in values and kind not in names:
            raise RequestError(f"{kind}.{next(iter(values[kind]))} needs the {kind} named, such as {kind}=….")
    budgets = [b for b in ("epochs", "steps", "minutes") if values.get("train", {}).get(b) is not None]
    if len(budgets) > 1:
        raise RequestError(f"The budget came as {' and '.join(budgets)}; give one of them.")
    for budget in budgets:
        if values["train"][budget] <= 0:
            raise RequestError(f"train.{budget} is {values['train'][budget]}; it takes a positive number.")
    return Choices(names, values)


def estimator_keys() -> list[Key]:
    """Every key of every estimator, for `unveil list estimators`."""
    found = [(name, key) for name, cls in load_all("estimator").items() for key in _keys_of(cls, "estimator")]
    return [Key(key.name, key.type, key.default, f"({name}) {key.meaning}") for name, key in found]


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


def _check_parts_taken(names: Mapping[str, str]) -> None:
    taken = inspect.signature(_constructor(lookup("model", names["model"]))).parameters
    for kind in PARTS:
        if kind in names and kind not in taken:
            raise RequestError(f"The model {names['model']!r} has no {kind} to choose; leave {kind}= out.")


def keys_for(names: Mapping[str, str], options: Mapping[str, Any] | None = None) -> dict[str, Key]:
    """Every key that applies to the named model, objective and parts (of parts not named: the default's)."""
    sources: dict[str, Callable[..., Any]] = {
        "model": _constructor(lookup("model", names["model"])),
        "objective": lookup("objective", names["objective"]),
        "train": TrainOptions,
        "data": DataOptions,
        "evaluation": EvaluationOptions,
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
            keys = _keys_of(_constructor(cls) if kind == "model" else cls, kind)
            keys += _keys_of(cast(type[Model], cls).sample, "sample") if kind == "model" else []
            found += [Key(k.name, k.type, k.default, f"({name}) {k.meaning}") for k in keys]
    for kind, source in (("data", DataOptions), ("train", TrainOptions), ("evaluation", EvaluationOptions)):
        found += _keys_of(source, kind)
    return found


def _constructor(cls: type) -> Callable[..., Any]:
    return getattr(cls, "build", cls)


def _keys_of(source: Callable[..., Any], kind: str) -> list[Key]:
    function = source.__init__ if inspect.isclass(source) else source
    function = inspect.unwrap(getattr(function, "__func__", function))
    hints = typing.get_type_hints(function)
    text = inspect.getdoc(source) or ""
    return [
        Key(f"{kind}.{p.name}", hints.get(p.name, str), p.default, _meaning(text, p.name))
        for p in inspect.signature(function).parameters.values()
        if p.name != "self" and (_is_options(source) or (p.kind == p.KEYWORD_ONLY and p.name not in HOMES))
    ]


def _is_options(source: Callable[..., Any]) -> bool:
    return source in (TrainOptions, DataOptions, EvaluationOptions)


def _meaning(text: str, name: str) -> str:
    found = re.search(rf"^\s+{name}: (.+(?:\n\s{{8,}}\S.*)*)", text, re.MULTILINE)
    if found is None:
        return ""
    return " ".join(found.group(1).split())


def _alternatives(kind: Any) -> list[str]:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return [str(v) for v in typing.get_args(kind)]
    if origin in (typing.Union, types.UnionType):
        return [name for option in typing.get_args(kind) for name in _alternatives(option)]
    if kind is type(None):
        return ["none"]
    return [
        {"int": "whole number", "float": "number", "bool": "true|false", "str": "text"}.get(
            kind.__name__, kind.__name__
        )
    ]


def parse(key: Key, value: Any) -> Any:
    """A value of the key's type, from text or from a Python value."""
    options = (
        typing.get_args(key.type) if typing.get_origin(key.type) in (typing.Union, types.UnionType) else (key.type,)
    )
    for option in sorted(options, key=lambda o: o is float):
        accepted, found = _parse_as(option, value)
        if accepted:
            return found
    raise RequestError(f"{key.name} came as {value!r}; it takes {key.type_name} (default {key.default}).")


def _parse_as(kind: Any, value: Any) -> tuple[bool, Any]:
    text = value.strip() if isinstance(value, str) else value
    if typing.get_origin(kind) is Literal:
        return text in typing.get_args(kind), text
    if kind is type(None):
        return value is None or text in ("none", "None"), None
    if kind is bool:
        named = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        return (
            (True, value)
            if isinstance(value, bool)
            else (text in named, named.get(text))
            if isinstance(text, str)
            else (False, None)
        )
    if kind is str:
        return isinstance(value, str), text
    if isinstance(value, bool):
        return False, None
    try:
        if kind is int:
            return (
                (True, int(text)) if isinstance(value, int) or re.fullmatch(r"[+-]?\d+", str(text)) else (False, None)
            )
        number = float(text)
        return number == number and abs(number) != float("inf"), number
    except (TypeError, ValueError, OverflowError):
        return False, None
