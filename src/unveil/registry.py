"""The registry: a class decorated with its kind and name is found by the command line, the docs and the tests.

A new model, objective, likelihood, prior, posterior, estimator, network or source is one class with one
decorator; no list of names is kept anywhere else. Every registered object remembers the arguments it was built with
(`describe`), so a run stores names and plain values, and loading one (`rebuild`) executes no stored code.
"""

import functools
import importlib
import inspect
import math
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .domain import Domain
from .errors import RequestError, nearest
from .ops import keyed

HOMES = {
    "model": "unveil.models",
    "objective": "unveil.objectives",
    "prior": "unveil.priors",
    "posterior": "unveil.posteriors",
    "likelihood": "unveil.likelihoods",
    "estimator": "unveil.estimators",
    "encoder": "unveil.nn",
    "decoder": "unveil.nn",
    "source": "unveil.data",
}
_found: dict[str, dict[str, type]] = {kind: {} for kind in HOMES}
T = TypeVar("T", bound=type)
MOST = 2**31  # of a whole number in a saved part
BROKEN = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError)  # of parts


def register(kind: str, name: str) -> Callable[[T], T]:
    """Class decorator: enter the class under (kind, name) and remember constructor arguments in `spec`."""

    def enter(cls: T) -> T:
        _found[kind][name] = cls
        cls.registered = (kind, name)  # type: ignore[attr-defined]
        if kind != "source":
            _remember_arguments(cls)
        return cls

    return enter


def _remember_arguments(cls: type) -> None:
    init = cls.__init__  # type: ignore[misc]
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        arguments.pop(next(iter(signature.parameters)))
        self.__dict__.setdefault("spec", arguments)  # of the class itself, whose constructor calls that of its base
        init(self, *args, **kwargs)

    cls.__init__ = wrapped  # type: ignore[misc]


def load_all(kind: str) -> dict[str, type]:
    """Every registered class of a kind, by name; imports the modules that may hold one, those of sub-packages, too."""
    if kind not in HOMES:
        raise RequestError(f"There is no kind {kind!r}.", nearest(kind, HOMES))
    _import_home(HOMES[kind])
    return dict(sorted(_found[kind].items()))


@functools.cache
def _import_home(name: str) -> None:
    home = importlib.import_module(name)
    for module in pkgutil.walk_packages(home.__path__, f"{name}."):
        importlib.import_module(module.name)


def lookup(kind: str, name: str) -> type:
    """The class registered under (kind, name); a name is looked up here and is never an import path."""
    found = load_all(kind)
    if name not in found:
        raise RequestError(f"There is no {kind} named {name!r}.", nearest(name, found))
    return found[name]


def describe(thing: Any) -> Any:
    """Plain JSON for a value: a registered object becomes its name and arguments, a foreign one its class name."""
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, Domain):
        return {"domain": thing.to_json()}
    if isinstance(thing, list | tuple):
        return [describe(value) for value in thing]
    if isinstance(thing, Mapping):
        return {str(key): describe(value) for key, value in thing.items()}
    if "spec" in getattr(thing, "__dict__", {}):
        kind, name = type(thing).registered
        return {"kind": kind, "name": name, **{key: describe(value) for key, value in thing.spec.items()}}
    return {"class": f"{type(thing).__module__}.{type(thing).__qualname__}"}


def rebuild(spec: Any, parts: Mapping[str, Any] | None = None, slot: str = "model") -> Any:
    """The object that `describe` described.

    Arguments: `parts`, objects (or classes without arguments) for the user's own pieces, by slot name ("encoder")
    or by class name. Raises RequestError when a foreign class is named and not given: nothing is imported for it.
    """
    if isinstance(spec, list):
        return tuple(rebuild(value, parts, slot) for value in spec)
    if not isinstance(spec, dict):
        return spec
    if "domain" in spec and len(spec) == 1:
        return Domain.from_json(spec["domain"])
    if "class" in spec:
        return _own_part(str(spec["class"]), parts or {}, slot)
    if "kind" not in spec:
        return {key: rebuild(value, parts, key) for key, value in spec.items()}
    kind, name = spec["kind"], spec.get("name")
    if not isinstance(kind, str) or not isinstance(name, str) or kind == "source":
        raise RequestError(f"A saved part has the kind {kind!r} and the name {name!r}; the file was changed.")
    cls, arguments = lookup(kind, name), {k: rebuild(v, parts, k) for k, v in spec.items() if k not in ("kind", "name")}
    what = f"The saved {kind} {name!r}"
    _require_types(cls, arguments, what)
    try:
        return cls(**arguments)
    except RequestError:
        raise
    except BROKEN as error:
        raise RequestError(f"{what} cannot be rebuilt: {error}.", "The file was changed.") from error


def _require_types(cls: type, arguments: Mapping[str, Any], what: str) -> None:
    """Refuse arguments that the constructor does not take, and those that are none of the types it states."""
    hints = typing.get_type_hints(inspect.unwrap(cls.__init__))  # type: ignore[misc]
    for name, value in arguments.items():
        if name not in hints or name == "return":
            raise RequestError(f"{what} has the argument {name!r}, which this version does not know.", "Update unveil.")
        if not _is_a(value, hints[name]):
            took = getattr(hints[name], "__name__", str(hints[name]).replace("typing.", ""))
            came = str(value) if isinstance(value, bool | int | float | str | tuple) else type(value).__name__
            raise RequestError(f"{what} has {name} = {came[:60]}; it takes {took}.", "The file was changed.")


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as signatures state it; a whole number counts as a number."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is typing.Literal:
        return any(type(value) is type(allowed) and value == allowed for allowed in inside)
    if origin in (typing.Union, types.UnionType):
        return any(_is_a(value, option) for option in inside)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_a(each, inside[0]) for each in value)
    if hint is int:
        return type(value) is int and abs(value) <= MOST
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return isinstance(value, types.NoneType if hint is None else hint)


def seeded(spec: Any, seed: int, parts: Mapping[str, Any] | None = None) -> Any:
    """`rebuild` with the initial weights of a seed."""
    with keyed("weights", seed):
        return rebuild(spec, parts)


def _made(part: Any, key: str) -> Any:
    if not isinstance(part, type):
        return part
    try:
        return part()
    except TypeError as error:
        raise RequestError(
            f"Your part {key!r} cannot be made without arguments ({error}).",
            f"Give defaults to its constructor, or an object: Run.load(path, parts={{{key!r}: …}}).",
        ) from error


def _own_part(name: str, parts: Mapping[str, Any], slot: str) -> Any:
    for key in (slot, name, name.rsplit(".", 1)[-1]):
        if key in parts:
            return _made(parts[key], key)
    raise RequestError(
        f"This run holds a part of your own, {slot} = {name}, and loading a run imports nothing.",
        f"Give it: Run.load(path, parts={{{slot!r}: …}}) or --plugin my_parts.py.",
    )
