"""What every objective promises, with each model that gives what it needs."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor

from contracts.variants import B, Choice, Variant, all_cases, batch_of, cases
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.estimators.quadrature import Quadrature
from unveil.model import Model
from unveil.objectives import Loss, Objective
from unveil.ops import keyed
from unveil.registry import describe, load_all, rebuild

EACH = pytest.mark.parametrize(("variant", "objective"), cases())
REPEATS, PASSES = 60, 4  # draws of a bound, and the passes that they are made in


FLOORS = {"free_bits": "floor", "min_rate": "rate"}  # below it a rate has no gradient, which is what they are for


def loss_of(
    variant: Variant, objective: Choice, seed: int = 0, progress: float = 0.5, floors: bool = True
) -> tuple[Model, Loss]:
    model, goal = variant.build().train(), objective.constructor()
    if not floors and objective.name in FLOORS:
        assert math.isfinite(getattr(goal, FLOORS[objective.name]))
        setattr(goal, FLOORS[objective.name], -math.inf)
    with keyed("loss", seed):
        return model, goal(model, batch_of(variant.domain), progress)


def test_each_registered_objective_meets_a_model() -> None:
    assert {objective.name for _, objective in all_cases()} == set(load_all("objective"))


@EACH
def test_a_loss_has_a_value_per_example(variant: Variant, objective: Choice) -> None:
    _, loss = loss_of(variant, objective)
    assert loss.surrogate.shape == loss.bound.shape == (B,) and loss.shared.shape == ()
    assert {"rate", "distortion"} <= loss.logs.keys()
    assert all(value.shape == () and not value.requires_grad for value in loss.logs.values())
    values = [loss.surrogate, loss.bound, loss.shared, *loss.logs.values()]
    assert all(torch.isfinite(value).all() for value in values)


@EACH
def test_every_parameter_gets_a_finite_gradient(variant: Variant, objective: Choice) -> None:
    model, loss = loss_of(variant, objective, floors=False)
    (loss.surrogate.mean() + loss.shared).backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert gradients
    assert [n for n, g in gradients.items() if g is None or not g.any()] == [], "without a gradient"
    assert [n for n, g in gradients.items() if not torch.isfinite(g).all()] == [], "not finite"


@EACH
def test_the_bound_does_not_depend_on_progress(variant: Variant, objective: Choice) -> None:
    bounds = [loss_of(variant, objective, progress=progress)[1].bound for progress in (0.0, 0.05, 1.0)]
    assert torch.equal(bounds[0], bounds[1]) and torch.equal(bounds[0], bounds[2])


@EACH
def test_progress_may_be_a_tensor(variant: Variant, objective: Choice) -> None:
    _, loss = loss_of(variant, objective, progress=0.05)
    model = variant.build().train()  # another: a codebook moves with each pass
    with keyed("loss", 0):
        again: Loss = objective.constructor()(model, batch_of(variant.domain), torch.tensor(0.05))
    torch.testing.assert_close(loss.surrogate, again.surrogate)


@EACH
def test_the_bound_is_from_below(variant: Variant, objective: Choice) -> None:
    """Against log p(x) in closed form or by quadrature over few latents; else Σ_x exp(bound) is at most 1."""
    model, goal = variant.build(latent=1), objective.constructor()
    known = "exact" in model.gives or "joint" in model.gives
    batch = the_batch(variant.domain) if known else every_x(variant.domain)
    together = Batch(batch.x.repeat(REPEATS // PASSES, *[1] * (batch.x.ndim - 1)))
    with torch.no_grad(), keyed("bound"):
        found = torch.cat([goal(model, together).bound.double() for _ in range(PASSES)])
    bounds = found.reshape(REPEATS, -1)
    error = bounds.std(0) / math.sqrt(REPEATS)
    if known:
        assert (bounds.mean(0) <= log_px(variant) + 4 * error + 1e-4).all()
    else:
        assert (bounds.mean(0) - 4 * error).exp().sum() <= 1


@functools.cache
def log_px(variant: Variant) -> Tensor:
    """log p(x) of `the_batch`, of a model with one latent in each group, [B]."""
    model, batch = variant.build(latent=1), the_batch(variant.domain)
    with torch.no_grad():
        if "exact" in model.gives:
            return model.log_prob(batch)
        return quadrature(model, batch) if variant.num_groups == 1 else on_a_grid(model, batch)


def quadrature(model: Model, batch: Batch) -> Tensor:
    """log ∫ p(x, z) dz, [B], by the trapezium rule over z ∈ [−12, 12]."""
    z = torch.linspace(-12, 12, 2001)
    terms = model.joint(batch, (z.reshape(-1, 1, 1).expand(-1, B, 1),))
    log_joint = terms.log_px_z.double() + terms.log_pz.double().sum(-1)
    return log_joint.logsumexp(0) + math.log(float(z[1] - z[0]))


def on_a_grid(model: Model, batch: Batch) -> Tensor:
    """The same over the latents of several groups, by a grid that follows p(x, z)."""
    return Quadrature(max_evaluations=20_000)(model, batch).log_px  # as close, in a fifth of the time


def the_batch(domain: Domain) -> Batch:
    """Always the same."""
    with keyed("examples"):
        return batch_of(domain)


def every_x(domain: Domain) -> Batch:
    """All there are."""
    return Batch(torch.cartesian_prod(*[torch.arange(domain.levels).float()] * domain.num_dims))


@pytest.mark.parametrize("name", load_all("objective"))
def test_an_objective_comes_back_from_its_description(name: str) -> None:
    goal: Objective = load_all("objective")[name]()
    again = rebuild(describe(goal))
    assert type(again) is type(goal) and vars(again) == vars(goal)
