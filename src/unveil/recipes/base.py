"""What a recipe is: a number that was stated, and the options of `fit` that are to reach it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import RequestError, nearest
from ..files import Plain

BUDGETS = ("steps", "epochs", "minutes")
KINDS = ("published", "target", "reference")
_found: dict[str, Recipe] = {}
Options = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Goal(Plain):
    """The number that a recipe is held against, as −log p(x) in nats per test example; smaller is better.

    Arguments:
        kind: "published", to be reproduced; "target", to be reached; "reference", of another model, to be put beside.
        nll: the number.
        what: how it was estimated, with K, and on which split.
        source: who states it, and where.
        tolerance: how far from it still counts as reached: another draw of the binarization, other seeds.
    """

    kind: Literal["published", "target", "reference"]
    nll: float
    what: str
    source: str
    tolerance: float = 0.0


@dataclass(frozen=True)
class Recipe(Plain):
    """How a number is to be reached, and how what was reached is judged.

    Arguments:
        name, title: what it is called, and what it is.
        goal: the number.
        data, binarization: a named source, and how its grey levels are made binary.
        options: keys of `unveil fit` with its objective and one budget; nothing else is done.
        tuned: how the options were found.
        hours: of training, about, on two cores.
        estimator, num_samples: how the test set is judged.
        seeds: each is trained and reported.
        about: more, in sentences.
    """

    name: str
    title: str
    goal: Goal
    data: str
    binarization: str
    options: Mapping[str, Any] = field(hash=False)
    tuned: str
    hours: float
    estimator: str = "iwae"
    num_samples: int = 5000
    seeds: tuple[int, ...] = (0, 1, 2)
    about: str = ""

    def __post_init__(self) -> None:
        if len(self.budget) != 1:
            raise RequestError(f"The recipe {self.name!r} has {len(self.budget)} budgets; it takes exactly one.")

    @property
    def budget(self) -> dict[str, Any]:
        """{"train.steps": N}, or epochs, or minutes."""
        return {f"train.{b}": self.options[f"train.{b}"] for b in BUDGETS if f"train.{b}" in self.options}

    def options_with(self, steps: int | None = None, minutes: float | None = None) -> dict[str, Any]:
        """What is asked of `fit`, perhaps with another budget."""
        if steps is not None and minutes is not None:
            raise RequestError("The budget came as steps and minutes; give one of them.")
        options = {"data.binarization": self.binarization, **self.options}
        if steps is None and minutes is None:
            return options
        other = {"train.steps": steps} if steps is not None else {"train.minutes": minutes}
        return {k: v for k, v in options.items() if k not in self.budget} | other


def budget_words(options: Mapping[str, Any]) -> str:
    """ "300,000 steps", "2 minutes"."""
    (name, value), *_ = ((b, options[f"train.{b}"]) for b in BUDGETS if f"train.{b}" in options)
    return f"{value:,g} {name}" if isinstance(value, float) else f"{value:,} {name}"


def recipe(name: str, **facts: Any) -> Callable[[Options], Options]:
    """Decorator: enter a function that returns options of `fit` as a recipe; its docstring says more.

    Arguments: the fields of `Recipe` but options and about.
    """

    def enter(options: Options) -> Options:
        about = " ".join((options.__doc__ or "").split())
        _found[name] = Recipe(name=name, options=dict(options()), about=about, **facts)
        return options

    return enter


def all_recipes() -> dict[str, Recipe]:
    """Every recipe by name, published numbers first; imports the modules that may hold one."""
    home = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f"{home.__name__}.{module.name}")
    return dict(sorted(_found.items(), key=lambda each: KINDS.index(each[1].goal.kind)))


def find(name: str) -> Recipe:
    found = all_recipes()
    if name not in found:
        raise RequestError(f"There is no recipe named {name!r}.", nearest(name, found))
    return found[name]
