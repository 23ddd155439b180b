"""What a user asked for, checked against the keys, and the parts that are built from it."""

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain import Domain
from ..errors import RequestError, nearest
from ..model import Model
from ..objectives import Objective
from ..registry import lookup
from .keys import PARTS, constructor, keys_for, parse
from .options import DataOptions, EvaluationOptions, TrainOptions

DEFAULTS = {"model": "vae", "objective": "elbo"}


@dataclass(frozen=True)
class Choices:
    """What a user asked for, checked.

    Arguments: names, of parts; values, by kind; open_model, whether no model, part or option of one was asked for.
    """

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    open_model: bool = False

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
        asked = inspect.signature(constructor(cls)).parameters
        known = {name: value for name, value in context.items() if name in asked}
        parts = {
            kind: functools.partial(lookup(kind, self.names[kind]), **self.values.get(kind, {}))
            for kind in PARTS
            if kind in self.names
        }
        return constructor(cls)(domain, **known, **self.values.get("model", {}), **parts)

    def objective(self) -> Objective:
        return lookup("objective", self.names["objective"])(**self.values.get("objective", {}))


def choose(options: Mapping[str, Any]) -> Choices:
    """Check `{"model.latent": "16", "objective": "iwae", …}` against the signatures.

    A bare kind ("prior") names the part; a dotted key sets an argument. Values may be text (from the command line) or
    already of the right type. Raises RequestError with the nearest key or the allowed values.
    """
    options = {kind: name for kind, name in options.items() if (kind, name) != ("model", "auto")}
    names = dict(DEFAULTS)
    for kind, name in options.items():
        if kind in (*DEFAULTS, *PARTS):
            lookup(kind, str(name))
            names[kind] = str(name)
    names = {**getattr(lookup("model", names["model"]), "default_parts", {}), **names}
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
            given = f"{kind}.{next(iter(values[kind]))}"
            raise RequestError(f"{given} came without a {kind}; add {kind}=NAME (see unveil list {kind}s).")
    budgets = [b for b in ("epochs", "steps", "minutes") if values.get("train", {}).get(b) is not None]
    if len(budgets) > 1:
        raise RequestError(f"The budget came as {' and '.join(budgets)}; give one of them.")
    for budget in budgets:
        if values["train"][budget] <= 0:
            raise RequestError(f"train.{budget} is {values['train'][budget]}; it takes a positive number.")
    bound = {"model", *PARTS} & {name.split(".")[0] for name in options}
    return Choices(names, values, open_model=not bound and names["objective"] == DEFAULTS["objective"])


def _check_parts_taken(names: Mapping[str, str]) -> None:
    taken = inspect.signature(constructor(lookup("model", names["model"]))).parameters
    for kind in PARTS:
        if kind in names and kind not in taken:
            raise RequestError(f"The model {names['model']!r} has no {kind} to choose; leave {kind}= out.")
