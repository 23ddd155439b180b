"""What the verbs share: reading words and numbers, opening runs, printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import RequestError

if TYPE_CHECKING:
    from ..api import Run


def merged(flags: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Flags and KEY=VALUE words as one set of options; a key that came twice with two values is refused."""
    from ..fitting.prepare import dotted

    return joined(flags, keys, dotted, "model.latent=16")


def joined(flags: Mapping[str, str], keys: Sequence[str], full: Callable[[str], str], example: str) -> dict[str, str]:
    """As `merged`, with the full name of a key from `full`, and an example of a word."""
    options = dict(flags)
    for word in keys:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise RequestError(f"{word!r} is neither an option nor KEY=VALUE.", f"An example: {example}")
        name = full(name)
        if options.get(name, value) != value:
            raise RequestError(f"{name} came as {options[name]!r} and as {value!r}; give one of them.")
        options[name] = value
    return options


def whole(text: str, name: str, at_least: int = 0) -> int:
    """The whole number that a flag was given."""
    if not (text.isascii() and text.isdigit() and int(text) >= at_least):
        raise RequestError(f"{name} came as {text!r}; it takes a whole number from {at_least} upwards.")
    return int(text)


def positive(text: str, name: str) -> float:
    """The positive number that a flag was given."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise RequestError(f"{name} came as {text!r}; it takes a positive number.")
    return value


def positives(text: str, name: str) -> float | tuple[float, ...]:
    """A positive number, or several of them between commas."""
    each = tuple(positive(part.strip(), name) for part in text.split(","))
    return each[0] if len(each) == 1 else each


def refuse_beside(what: str, **given: Any) -> None:
    """Refuse flags that mean nothing beside `what`."""
    for name, value in given.items():
        if value:
            raise RequestError(f"--{name.replace('_', '-')} means nothing beside {what}; leave it out.")


def open_run(path: Path, plugin: Path | None) -> Run:
    """A run with the user's own parts."""
    parts = load_plugin(plugin)
    from ..api import Run

    return Run.load(path, parts=parts)


def open_to_draw(path: Path, out: Path, plugin: Path | None, source: str | None = None) -> Run:
    """A run whose x can be written to `out`."""
    from ..output.exports import ARRAYS, check_picture, check_target

    check_target(out, ARRAYS, source)
    run = open_run(path, plugin)
    check_picture(out, run.domain)
    return run


def load_plugin(path: Path | None) -> dict[str, Any]:
    """Run a file that the user named on the command line; its modules by class name, what it registers by its name."""
    if path is None:
        return {}
    if path.suffix != ".py" or not path.is_file():
        raise RequestError(f"--plugin came as {str(path)!r}; it takes an existing Python file such as my_parts.py.")
    import importlib.util

    from torch import nn

    name = f"unveil_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RequestError(f"{path} could not be run: {type(error).__name__}: {error}.") from error
    return {k: v for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, nn.Module)}


def remarked(notes: Sequence[str]) -> None:
    """What there is to say of a result, on standard error."""
    from ..output.sentences import say

    say(notes)


def print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=1, allow_nan=False))
