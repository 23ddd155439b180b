"""Every way to build a small model from the registry: a new class, or a new choice of an old one, is here by itself."""

from __future__ import annotations

import functools
import inspect
import itertools
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.base import Model
from unveil.objectives import Objective
from unveil.ops import keyed
from unveil.registry import load_all, lookup

K, B, LATENTS = 3, 5, 4  # K ≠ B ≠ L, and none of them the number of latents
SMALL = {"latent": LATENTS, "width": 8, "depth": 1, "num_components": 6}
DOMAINS = [
    Domain(kind, shape, 4 if kind == "levels" else None)
    for kind in ("binary", "levels", "real")
    for shape in ((7,), (9, 10))  # an image whose halves are odd
]
PARTS = ("prior", "posterior", "likelihood")


@dataclass(frozen=True)
class Choice:
    """A registered part and one value of each argument that has named ones, such as gaussian(sigma='solved')."""

    kind: str
    name: str
    arguments: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.name, *(value for _, value in self.arguments)])

    @property
    def constructor(self) -> Callable[..., Any]:
        return functools.partial(lookup(self.kind, self.name), **dict(self.arguments))


@dataclass(frozen=True)
class Variant:
    """One model: its class, its domain and what was chosen for each argument."""

    model: str
    domain: Domain
    choices: tuple[tuple[str, Choice | str], ...]

    def __str__(self) -> str:
        shape = "x".join(map(str, self.domain.shape))
        return "-".join([self.model, f"{self.domain}[{shape}]", *(str(choice) for _, choice in self.choices)])

    def build(self, **sizes: int) -> Model:
        """A float32 model: built, started from data, and moved a little, so that no weight is at a special value."""
        constructor = constructor_of(self.model)
        taken = inspect.signature(constructor).parameters
        arguments = {k: v for k, v in (SMALL | sizes).items() if k in taken}
        arguments |= {k: c.constructor if isinstance(c, Choice) else c for k, c in self.choices}
        with keyed("weights", 0):
            model: Model = constructor(self.domain, **arguments)
            model.initialise(batch_of(self.domain, 40))
            with torch.no_grad():
                for p in model.parameters():
                    p.add_(0.1 * torch.randn_like(p))
        return model.eval()

    @functools.cached_property
    def gives(self) -> frozenset[str]:
        return self.build().gives


def constructor_of(model: str) -> Callable[..., Model]:
    """What the command line calls: `build` where there is one, else the class."""
    cls = lookup("model", model)
    return getattr(cls, "build", cls)


def rows_of(domain: Domain, num: int) -> Tensor:
    """Examples [N, *shape] that no dimension of is constant."""
    if domain.kind == "real":
        return 3 + torch.randn(num, *domain.shape) * torch.linspace(0.5, 2, domain.num_dims).reshape(domain.shape)
    return torch.randint(domain.levels, (num, *domain.shape)).float()


def batch_of(domain: Domain, num: int = B) -> Batch:
    return Batch(rows_of(domain, num), torch.arange(num))


def split_of(domain: Domain, num: int) -> Split:
    x = rows_of(domain, num)
    stored = x if domain.kind == "real" else x.to(torch.uint8)
    return Split(stored, None, domain, "none", torch.arange(num))


def named_values(function: Callable[..., Any]) -> dict[str, list[str]]:
    """The values of each keyword-only argument that takes named ones: Literal["learned", "solved"], and not "auto"."""
    function = function.__init__ if inspect.isclass(function) else function
    function = inspect.unwrap(getattr(function, "__func__", function))
    hints = typing.get_type_hints(function)
    found = {}
    for p in inspect.signature(function).parameters.values():
        options = typing.get_args(hints.get(p.name)) if typing.get_origin(hints.get(p.name)) is not Literal else ()
        literals = [o for o in (hints.get(p.name), *options) if typing.get_origin(o) is Literal]
        values = [v for o in literals for v in typing.get_args(o) if v != "auto"]
        if p.kind == p.KEYWORD_ONLY and values:
            found[p.name] = values
    return found


def choices_of(kind: str) -> list[Choice]:
    """Each registered part of a kind, once with each combination of its named values."""
    return [
        Choice(kind, name, combination)
        for name, cls in load_all(kind).items()
        for combination in _products(named_values(cls))
    ]


def _products(values: dict[str, list[Any]]) -> Iterator[tuple[tuple[str, Any], ...]]:
    for combination in itertools.product(*values.values()):
        yield tuple(zip(values, combination, strict=True))


def all_variants() -> list[Variant]:
    """Every combination that can be built; one that is refused is not a model (test_refusals holds the refusals)."""
    found = []
    for model in load_all("model"):
        constructor = constructor_of(model)
        taken = inspect.signature(constructor).parameters
        values: dict[str, list[Any]] = {kind: choices_of(kind) for kind in PARTS if kind in taken}
        values |= named_values(constructor)
        every = (Variant(model, domain, c) for domain in DOMAINS for c in _products(values))
        found += [variant for variant in every if _can_be_built(variant)]
    return found


def _can_be_built(variant: Variant) -> bool:
    try:
        variant.build()
    except RequestError:
        return False
    return True


def models_with(*facts: str) -> list[Any]:
    """Those of `models` that give these facts."""
    return [param for param in models() if set(facts) <= param.values[0].gives]


def meets(variant: Variant, needs: frozenset[str]) -> bool:
    return all(variant.gives & set(need.split("|")) for need in needs)


def needs_of(choice: Choice) -> frozenset[str]:
    cls: type[Objective] = lookup(choice.kind, choice.name)
    return cls.needs


def covering(combinations: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A few of the combinations in which each pair of values that occurs together in any of them occurs once."""
    left = set().union(*map(_pairs, combinations))
    chosen = []
    while left:
        best = max(combinations, key=lambda c: len(_pairs(c) & left))
        chosen.append(best)
        left -= _pairs(best)
    return chosen


def _pairs(combination: tuple[Any, ...]) -> set[tuple[Any, ...]]:
    return set(itertools.combinations(enumerate(map(str, combination)), 2))


def _values(variant: Variant) -> tuple[Any, ...]:
    return (variant.domain.kind, variant.domain.shape, *(choice for _, choice in variant.choices))


def pairwise() -> list[tuple[Variant, Choice]]:
    """(model, objective) such that each pair of choices of a model class meets at least once."""
    found = []
    for model in load_all("model"):
        every = {(*_values(v), o): (v, o) for v, o in all_cases() if v.model == model}
        found += [every[c] for c in covering(list(every))]
    return found


@functools.cache
def all_cases() -> list[tuple[Variant, Choice]]:
    """The full product."""
    return [(v, o) for v in all_variants() for o in choices_of("objective") if meets(v, needs_of(o))]


def cases() -> list[Any]:
    """The full product as test parameters; what is not needed for each pair to meet is left to `make test-all`."""
    chosen = set(pairwise())
    return [
        pytest.param(v, o, id=f"{v}-{o}", marks=() if (v, o) in chosen else pytest.mark.test_all)
        for v, o in all_cases()
    ]


def models() -> list[Any]:
    """The models of `cases`, each once."""
    chosen = {v for v, _ in pairwise()}
    every = dict.fromkeys(v for v, _ in all_cases())
    return [pytest.param(v, id=str(v), marks=() if v in chosen else pytest.mark.test_all) for v in every]
