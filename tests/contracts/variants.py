"""Every way to build a small model from the registry: a new class, or a new choice of an old one, is here by itself."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

import mixedtables
from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.model import Model
from unveil.objectives import Objective
from unveil.ops import keyed, seed_of
from unveil.registry import load_all, lookup

K, B, LATENTS = 3, 5, 4  # K ≠ B ≠ L, and none of them the number of latents
SMALL = {"latent": LATENTS, "width": 8, "depth": 1, "num_components": 6, "num_groups": 2, "cell": 1}
ALL = os.environ.get("UNVEIL_TEST_ALL") == "1"
DOMAINS = [
    Domain(kind, shape, 4 if kind == "levels" else None)
    for kind in ("binary", "levels", "real", "unit", "count")
    for shape in ((7,), (9, 10))  # an image whose halves are odd
] + [mixedtables.mixed(7), Domain.joined(image=Domain("binary", (2, 3)), text=Domain("text", (3,), alphabet="abc"))]
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
        """The model that was built once, as it was then: building takes longer than most of what is asked of it."""
        model, tensors = _built(self, tuple(sizes.items()))
        with torch.no_grad():
            for name, tensor in named_tensors(model):
                tensor.copy_(tensors[name])
        model.zero_grad()
        return model.eval()

    def build_anew(self, **sizes: int) -> Model:
        """A float32 model: built, started from data, and moved a little, so that no weight is at a special value."""
        with keyed("weights", 0):
            model = self.unstarted(**sizes)
            model.initialise(batch_of(self.domain, 40))
            with torch.no_grad():
                for p in model.parameters():
                    p.add_(0.1 * torch.randn_like(p))
        return model.eval()

    def unstarted(self, **sizes: int) -> Model:
        """Built and no more, which is enough to be refused, and to know the facts."""
        constructor = constructor_of(self.model)
        taken = inspect.signature(constructor).parameters
        arguments = {k: v for k, v in (SMALL | sizes).items() if k in taken}
        arguments |= {k: c.constructor if isinstance(c, Choice) else c for k, c in self.choices}
        return constructor(self.domain, **arguments)

    @property
    def num_groups(self) -> int:
        return self._facts[0]

    @property
    def gives(self) -> frozenset[str]:
        return self._facts[1]

    @property
    def _facts(self) -> tuple[int, frozenset[str]]:
        facts = facts_of(self)
        assert facts is not None
        return facts


@functools.cache
def _built(variant: Variant, sizes: tuple[tuple[str, int], ...]) -> tuple[Model, dict[str, Tensor]]:
    model = variant.build_anew(**dict(sizes))
    return model, {name: tensor.detach().clone() for name, tensor in named_tensors(model)}


def named_tensors(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Weights and buffers, also those that are not saved."""
    yield from itertools.chain(model.named_parameters(), model.named_buffers())


@functools.cache
def facts_of(variant: Variant) -> tuple[int, frozenset[str]] | None:
    """(the number of groups, what is given); None for what is refused, which is not a model (see test_refusals)."""
    try:
        with keyed("weights", 0):
            model = variant.unstarted()
    except RequestError:
        return None
    return len(model.groups), model.gives


def constructor_of(model: str) -> Callable[..., Model]:
    """What the command line calls: `build` where there is one, else the class."""
    cls = lookup("model", model)
    return getattr(cls, "build", cls)


def rows_of(domain: Domain, num: int) -> Tensor:
    """Examples [N, *shape] that no dimension of is constant."""
    if domain.kind == "mixed":
        return mixedtables.rows(domain, num)
    if domain.kind == "joint":
        return torch.cat([rows_of(part, num).flatten(1) for _, part in domain.parts or ()], 1)
    if domain.alphabet is not None:
        lengths = torch.randint(domain.num_dims + 1, (num, 1))
        codes = torch.randint(1, len(domain.alphabet) + 1, (num, domain.num_dims))
        return torch.where(torch.arange(domain.num_dims) < lengths, codes, 0).float()
    if domain.kind == "real":
        return 3 + torch.randn(num, *domain.shape) * torch.linspace(0.5, 2, domain.num_dims).reshape(domain.shape)
    if domain.kind == "unit":
        return torch.rand(num, *domain.shape)
    if domain.kind == "count":
        return torch.poisson(torch.full((num, *domain.shape), 6.0))
    return torch.randint(domain.levels, (num, *domain.shape)).float()


def batch_of(domain: Domain, num: int = B) -> Batch:
    return Batch(rows_of(domain, num), torch.arange(num))


def split_of(domain: Domain, num: int) -> Split:
    x = rows_of(domain, num)
    stored = x.to(torch.uint8) if domain.kind in ("binary", "levels") else x
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


@functools.cache
def star(model: str) -> list[Variant]:
    """The model with its defaults on every domain, and with one choice changed, once each, where that can be built."""
    alone = [Variant(model, domain, ()) for domain in DOMAINS]
    one = [first_of(model, ((slot, value),)) for slot, value in choices_for(model)]
    return [v for v in dict.fromkeys([*alone, *one]) if v is not None and facts_of(v)]


@functools.cache
def pairs(model: str) -> list[Variant]:
    """The model with each pair of its choices, where that can be built."""
    slots = itertools.combinations(choices_for(model), 2)
    found = [first_of(model, (a, b)) for a, b in slots if a[0] != b[0]]
    return [v for v in found if v is not None]


def choices_for(model: str) -> list[tuple[str, Choice | str]]:
    """(slot, value): every registered part of each kind that the model takes, and each of its own named values."""
    constructor = constructor_of(model)
    taken = inspect.signature(constructor).parameters
    values: dict[str, list[Any]] = {kind: choices_of(kind) for kind in PARTS if kind in taken}
    values |= named_values(constructor)
    return [(slot, value) for slot, each in values.items() for value in each]


def first_of(model: str, choices: tuple[tuple[str, Choice | str], ...]) -> Variant | None:
    """The first domain that the choices can be built on; which is tried first changes with them, so that all occur."""
    start = seed_of(model, *(f"{slot}={value}" for slot, value in choices)) % len(DOMAINS)
    tried = (Variant(model, domain, choices) for domain in [*DOMAINS[start:], *DOMAINS[:start]])
    return next((variant for variant in tried if facts_of(variant)), None)


def models_with(*facts: str) -> list[Any]:
    """Those of `models` that give these facts."""
    return [param for param in models() if set(facts) <= param.values[0].gives]


def with_latents(*facts: str) -> list[Any]:
    """Those with these facts that have latents."""
    return [param for param in models_with(*facts) if param.values[0].num_groups]


def meets(variant: Variant, needs: frozenset[str]) -> bool:
    return all(variant.gives & set(need.split("|")) for need in needs)


def needs_of(choice: Choice) -> frozenset[str]:
    cls: type[Objective] = lookup(choice.kind, choice.name)
    return cls.needs


def cases() -> list[Any]:
    """Each objective, with each of its named values, on one model for each set of facts that meets its needs."""
    return [pytest.param(v, o, id=f"{v}-{o}") for v, o in all_cases()]


@functools.cache
def all_cases() -> list[tuple[Variant, Choice]]:
    """With UNVEIL_TEST_ALL, each objective on every model that meets its needs."""
    found = []
    for variants in map(_known, load_all("model")):
        chosen = variants if ALL else list({v.gives: v for v in reversed(variants)}.values())
        found += [(v, o) for v in chosen for o in choices_of("objective") if meets(v, needs_of(o))]
    return found


def models() -> list[Any]:
    """Every model of the battery; with UNVEIL_TEST_ALL also each pair of choices."""
    return [pytest.param(v, id=str(v)) for model in load_all("model") for v in _known(model)]


def _known(model: str) -> list[Variant]:
    return list(dict.fromkeys([*star(model), *(pairs(model) if ALL else ())]))
