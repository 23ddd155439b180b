"""Every refusal of the parts as JSON; `python refusals.py zuko` imports that first, to see that it changes nothing."""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from typing import Any

import torch

from smalldomains import of_kind
from unveil.data import Split
from unveil.domain import ColumnDomain, Domain, kinds
from unveil.errors import RequestError
from unveil.estimators.base import Estimator, evaluate
from unveil.model import Model
from unveil.objectives import Objective
from unveil.registry import load_all, lookup
from unveil.settings.choices import Choices, choose

COLUMNS = (ColumnDomain("category", 3), ColumnDomain("cells"), ColumnDomain("real"))
SMALL = {"latent": 2, "width": 8, "depth": 1, "num_components": 3, "subsets": "drawn"}  # covered needs zuko
DOMAINS = [
    Domain(name, (3,), columns=COLUMNS) if kind.has_columns else of_kind(name, 4 if kind.has_parts else 3)
    for name, kind in kinds().items()
]


def refusals() -> dict[str, str]:
    """What was tried → what was said; nothing is entered for what was accepted."""
    said = {}
    for what, attempt in [*_needs(), *_domains(), *_parts()]:
        with contextlib.suppress(Accepted):
            said[what] = _told(attempt)
    return said


class Accepted(Exception):
    """The request was met."""


def _told(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except RequestError as error:
        return str(error)
    raise Accepted


def _models() -> Iterator[tuple[str, Model, Domain]]:
    for name, domain in itertools.product(load_all("model"), DOMAINS):
        with contextlib.suppress(RequestError):
            yield name, _choices(name).model(domain), domain


@cache
def _choices(name: str) -> Choices:
    """A small model of a family."""
    taken = inspect.signature(getattr(lookup("model", name), "build", lookup("model", name))).parameters
    return choose({"model": name} | {f"model.{key}": size for key, size in SMALL.items() if key in taken})


def _split(domain: Domain) -> Split:
    x = torch.randint(2, (20, 3)) + (0.1 * torch.randn(20, 3) if domain.kind == "real" else 0)
    return Split(x.to(torch.uint8 if domain.is_finite else torch.float32), None, domain, "none", torch.arange(20))


def _needs() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each model with each objective and each estimator; also a model that gives nothing at all."""
    for name, model, domain in _models():
        for facts, judged in (("own", model), ("no", _without_facts(model))):
            for goal, cls in load_all("objective").items():
                yield f"{name} {domain}, {facts} facts, objective {goal}", partial(_train, judged, domain, cls)
            for judge, cls in load_all("estimator").items():
                yield f"{name} {domain}, {facts} facts, estimator {judge}", partial(_judge, judged, domain, cls)


def _train(model: Model, domain: Domain, objective: type[Objective]) -> None:
    """Up to what a fit asks before its first step; that what is accepted can be trained is tested elsewhere."""
    objective().check(model, _split(domain).batch(torch.arange(1)))


def _judge(model: Model, domain: Domain, estimator: type[Estimator]) -> None:
    if all(model.gives & set(need.split("|")) for need in estimator.needs):
        raise Accepted  # judging takes long, and is tested elsewhere
    evaluate(model, _split(domain), estimator())


def _without_facts(model: Model) -> Model:
    """The same model, which says that it can do nothing."""
    model, cls = copy.copy(model), type(model)
    model.__class__ = type(cls.__name__, (cls,), {"gives": property(lambda _: frozenset())})
    return model


def _domains() -> Iterator[tuple[str, Callable[[], Any]]]:
    for (name, cls), domain in itertools.product(load_all("likelihood").items(), DOMAINS):
        yield f"likelihood {name} {domain}", partial(cls, domain)
    for name, domain in itertools.product(load_all("model"), DOMAINS):
        yield f"model {name} {domain}", partial(_choices(name).model, domain)


def _parts() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, kind in itertools.product(load_all("model"), ("prior", "posterior", "likelihood")):
        for part in load_all(kind):
            yield f"part {name} {kind} {part}", partial(choose, {"model": name, kind: part})


if __name__ == "__main__":
    for module in sys.argv[1:]:
        import_module(module)
    print(json.dumps({"refusals": refusals(), "zuko": "zuko" in sys.modules}))
