"""Checks signatures as the tests run: every function at its first calls in a test, and ever more rarely after that.

A check costs as much as a small function, and a test that calls one ten thousand times learns nothing from the last
nine thousand. So calls 1, 2, 4, 8, … of each function are checked, counted anew in each test; those of one file that
are run with the same parameters, as the contracts are with each model, count together.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import jaxtyping
import torch

PACKAGE = Path(__file__).parents[1] / "src" / "unveil"
# The command line is left out: typer and pytest hand its functions stand-ins for the context and the standard streams.
SPEAKING = {"cli", "output"}

calls: Counter[int] = Counter()  # in this test and those that count with it
_together: defaultdict[tuple[Path, str], Counter[int]] = defaultdict(Counter)


def begin(file: Path, parameters: str) -> None:
    """A test begins; parameters, its own, or its name where it has none."""
    global calls
    calls = _together[file, parameters]


def install() -> None:
    """Check every signature of the package, shapes where they are annotated; an int may stand for a float."""
    names = [f"unveil.{p.stem}" for p in PACKAGE.iterdir() if p.stem not in SPEAKING and not p.stem.startswith("_")]
    jaxtyping.install_import_hook(names, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
    jaxtyping.jaxtyped = functools.partial(sparingly, jaxtyping.jaxtyped)


def sparingly(jaxtyped: Any, made: Any = None, *, typechecker: Any) -> Any:
    """What the import hook puts above each class and function: `jaxtyped`, which now checks now and then."""
    check = functools.partial(jaxtyped, typechecker=typechecker)
    if made is None:
        return functools.partial(sparingly, jaxtyped, typechecker=typechecker)
    if not inspect.isclass(made):
        return _sometimes(made, check)
    if dataclasses.is_dataclass(made) and "__init__" in vars(made):
        made.__init__ = _sometimes(made.__init__, check)
    return made


def _sometimes(made: FunctionType, check: Callable[[Any], Any]) -> Callable[..., Any]:
    code = id(made.__code__)  # codes that were generated alike are equal, and are not of one function

    @functools.wraps(made)
    def called(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return made(*args, **kwargs)
        calls[code] += 1
        if calls[code] & (calls[code] - 1):
            return made(*args, **kwargs)
        if code not in _checked:
            latest = Latest(made)
            _checked[code] = latest, check(latest)
        latest, checked = _checked[code]
        latest.made = made
        return checked(*args, **kwargs)

    return called


class Latest:
    """A function as `jaxtyped` sees it. One inside of another is made anew at each call of that, and checked as one."""

    def __init__(self, made: FunctionType) -> None:
        functools.update_wrapper(self, made)
        self.__globals__, self.made = made.__globals__, made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.made(*args, **kwargs)


_checked: dict[int, tuple[Latest, Callable[..., Any]]] = {}  # by the id of a code, which is held by `Latest`
