"""Every registered estimator against models whose log p(x) has a closed form."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor

from exact.toys import clustered, linear_gaussian, mixture, once, real_rows
from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.estimators.base import Estimate, evaluate
from unveil.model import Model
from unveil.ops import keyed
from unveil.registry import load_all, lookup

ROWS = 128
CONSISTENT = {  # what they come to as K or T grows is log p(x): here far enough to be within their own errors
    "prior": {"num_samples": 4000},
    "iwae": {"num_samples": 2000},
    "renyi": {"num_samples": 2000, "alpha": 0.0},
    "ais": {"num_samples": 16, "num_distributions": 60, "start": "posterior"},
    "sandwich": {"num_samples": 16, "num_distributions": 60, "start": "posterior"},
    "quadrature": {},
    "exact": {},
}


def gaussian() -> Model:
    """p(x) of correlated rows, with a free q that is off in its mean and its width."""
    with keyed("toy", 0):
        model = linear_gaussian(real_rows(200), inference="free")
        with torch.no_grad():
            model.b.add_(0.5 * model._q()[2].sum(-1))
            model.log_L.add_(0.3 * torch.eye(len(model.log_L)))
    return model.eval()


def clusters() -> Model:
    """A mixture after a few rounds of EM."""
    with keyed("toy", 1):
        batch = clustered("real", 200)
        model = mixture(batch, "real")
        for _ in range(5):
            model.solve(once(batch))
    return model.eval()


MODELS = {"linear_gaussian": gaussian, "mixture": clusters}


def rows_of(model: Model) -> Split:
    with keyed("rows", 0):
        x, _ = model.sample(ROWS)
    return Split(x.float(), None, Domain("real", tuple(x.shape[1:])), "none", torch.arange(ROWS))


def cases(names: list[str]) -> list[tuple[str, str]]:
    """(model, estimator), where the one gives what the other needs."""
    made = {name: make() for name, make in MODELS.items()}
    return [
        (model, name)
        for model in made
        for name in names
        if all(made[model].gives & set(need.split("|")) for need in lookup("estimator", name).needs)
    ]


@functools.cache
def judged(of: str, name: str) -> tuple[Estimate, Tensor, Tensor]:
    """The estimate, its mean error against the truth, and the standard error of that mean."""
    model, judge = MODELS[of](), lookup("estimator", name)(**CONSISTENT.get(name, {}))
    split = rows_of(model)
    found, _ = evaluate(model, split, judge, seed=3)
    truth = model.log_prob(Batch(split.x.double())).detach()
    error = found.stderr_mc.nan_to_num(0).square().sum().sqrt() / ROWS
    return found, (found.log_px - truth).mean(), error


@pytest.mark.parametrize(("model", "name"), cases(list(load_all("estimator"))))
def test_each_estimator_respects_its_side(model: str, name: str) -> None:
    found, off, error = judged(model, name)
    allowed = float(3 * error) + 1e-6
    assert found.direction in ("lower", "upper", "exact")
    assert off <= allowed or found.direction == "upper"
    assert off >= -allowed or found.direction == "lower"


@pytest.mark.parametrize(("model", "name"), cases(list(CONSISTENT)))
def test_estimators_that_find_the_truth_do(model: str, name: str) -> None:
    found, off, error = judged(model, name)
    assert abs(off) <= 3 * error + 1e-3
    assert float(found.stderr_mc.max()) < 1  # an error as large as the value would allow anything


def test_both_sides_of_a_sandwich_close_on_the_truth() -> None:
    model = gaussian()
    with keyed("rows", 0):
        x, z = model.sample(ROWS)
    split = Split(x, None, Domain("real", tuple(x.shape[1:])), "none", torch.arange(ROWS), z=z)
    found, _ = evaluate(model, split, lookup("estimator", "sandwich")(**CONSISTENT["sandwich"]), seed=3)
    truth = model.log_prob(Batch(x.double())).detach()
    for side, sign in ((found.log_px, 1.0), (found.diagnostics["upper"], -1.0)):
        off = sign * (side - truth)
        assert off.mean() <= 3 * off.std() / math.sqrt(ROWS) and off.mean() > -0.05
