"""The sections of a report, one a file. A new one is a new file here, and the page finds it by itself.

A section is a function that is given the subject and returns its panels in a group, or None where it does not apply:

    @section("training", order=20)
    def training(subject: Subject) -> Group | None: ...

It may import what lies below the report and the other rooms of it, and no other section.
"""

import importlib
import pkgutil
from collections.abc import Callable

from ..exhibits import Group
from ..subject import Subject

Section = Callable[[Subject], Group | None]
_found: dict[str, tuple[int, Section]] = {}


def section(name: str, *, order: int) -> Callable[[Section], Section]:
    """Enter a section under its name, which is its address within the page; small orders come first."""

    def enter(made: Section) -> Section:
        _found[name] = order, made
        return made

    return enter


def groups(subject: Subject) -> dict[str, Group]:
    """The sections that apply, by name, in order."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    ordered = sorted(_found, key=lambda name: _found[name][0])
    shown = {name: _found[name][1](subject) for name in ordered}
    return {name: group for name, group in shown.items() if group is not None}
