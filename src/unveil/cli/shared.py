"""What the verbs share: reading words and numbers, opening runs, printing."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import RequestError

if TYPE_CHECKING:
    from ..api import Run

N = TypeVar("N", int, float)


def merged(flags: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """Flags that came and KEY=VALUE words as one set of options; a key that came twice with two values is refused."""
    from ..fitting.prepare import dotted

    came = {name: f"{v:.15g}" if isinstance(v, float) else str(v) for name, v in flags.items() if v is not None}
    return joined(came, keys, dotted, "model.latent=16")


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


def numbers(text: str, kind: type[N], name: str) -> tuple[N, ...]:
    """The numbers between the commas of an option's text."""
    try:
        found = tuple(kind(word) for word in text.split(",") if word.strip())
    except ValueError:
        found = ()
    if not found or not all(map(math.isfinite, found)):
        raise RequestError(f"{name} came as {text!r}; it takes a number, or several with commas between them.")
    return found


def refuse_beside(where: str, /, **given: Any) -> None:
    """Refuse options that have no effect there: "with --gap", "without --sweep"."""
    for name, value in given.items():
        if value:
            raise RequestError(f"--{name.replace('_', '-')} cannot be used {where}; leave it out.")


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
    except (Exception, SystemExit) as error:  # a script that ends Python is no plugin
        raise RequestError(f"{path} could not be run: {type(error).__name__}: {error}.") from error
    return {k: v for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, nn.Module)}


def print_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


def answer(line: str) -> None:
    """One line on standard output."""
    from ..output.streams import print_lines

    print_lines([line])
