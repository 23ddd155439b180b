"""Annealing against closed forms: both sides of log p(x), what the pilot may see, and samplers that are broken."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from exact.hierarchy import Hierarchy, expected_kl_floor
from exact.toys import linear_gaussian, real_rows, with_gaps
from unveil.batch import Batch
from unveil.data import Split, rowblocks
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators import annealing, hmc
from unveil.estimators.ais import Ais, Annealing, Sandwich, broken
from unveil.estimators.base import Estimate, evaluate
from unveil.estimators.bounds import IwaeBound
from unveil.estimators.hmc import Kernel, Point, transition
from unveil.model import Model
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.vae import VAE
from unveil.ops import keyed, mean_and_error
from unveil.registry import lookup

FEW: dict[str, Any] = {"num_samples": 24, "num_distributions": 20, "leapfrog": 3}


def loose(x: Tensor) -> LinearGaussian:
    """At its optimum, with a q that is off and wider than p(z|x)."""
    model = linear_gaussian(x, inference="free")
    with torch.no_grad():
        model.b.add_(0.5 * model._q()[2].sum(-1))
        model.log_L.add_(0.3 * torch.eye(2))
    return model


def simulated(model: Model, rows: int) -> Batch:
    x, z = model.sample(rows)
    return Batch(x.double(), z=z)


def small_vae(latent: int = 2, dims: int = 7, **choices: Any) -> VAE:
    """With weights that are not trained, in whose decoder z matters."""
    model = VAE.build(Domain("binary", (dims,)), latent=latent, width=12, depth=1, **choices)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
        model.decoder.out.weight.mul_(8)
    return model.eval()


def off(found: Tensor, truth: Tensor, error: Tensor) -> Tensor:
    return (found - truth) / error


# Against closed forms


@pytest.mark.parametrize("start", ["posterior", "prior", "adapted"])
def test_both_sides_hit_the_closed_form(start: str) -> None:
    model = loose(real_rows(60))
    batch = simulated(model, 20 if start == "adapted" else 60)
    many = {**FEW, "num_distributions": {"prior": 120, "posterior": 20, "adapted": 20}[start]}
    found, truth = Sandwich(**many, start=start)(model, batch), model.log_prob(batch).detach()
    upper, error = found.diagnostics["upper"], found.diagnostics["upper_stderr_mc"]
    for side, stderr in ((found.log_px, found.stderr_mc), (upper, error)):
        sigmas, most = off(side, truth, stderr).abs(), {"prior": 0.1, "posterior": 0.1, "adapted": 0.03}[start]
        assert sigmas.quantile(0.9) < 3 and sigmas.mean() < (1.6 if start == "adapted" else 1.3), sigmas
        assert (side - truth).mean().abs() < most
    assert found.direction == "lower" and (found.diagnostics["strict"] == 1).all()
    assert found.stderr_mc.mean() < 0.3 and broken(found) == []


def test_with_few_temperatures_each_side_is_on_its_own_side_and_its_mean_weight_is_right() -> None:
    """E[w] = p(x) forward, E[1/w] = 1/p(x) backward; one chain is then below, or above, in expectation."""
    model = loose(real_rows(200))
    batch = simulated(model, 400)
    truth = model.log_prob(batch).detach()
    one = Sandwich(num_samples=1, num_distributions=2, leapfrog=2, start="posterior")(model, batch)
    lower, upper = one.log_px - truth, one.diagnostics["upper"] - truth
    for gap in (-lower, upper):
        assert gap.mean() > 4 * gap.std() / math.sqrt(400)
    assert one.stderr_mc.isnan().all() and one.diagnostics["upper_stderr_mc"].isnan().all()
    batch = Batch(batch.x[:150], z=(batch.z[0][:150],))
    many = Sandwich(num_samples=200, num_distributions=3, leapfrog=2, start="posterior")(model, batch)
    for side in (many.log_px, many.diagnostics["upper"]):
        assert (side - truth[:150]).mean().abs() < 0.02, (side - truth[:150]).mean()


def test_an_exact_posterior_leaves_nothing_to_anneal() -> None:
    model = linear_gaussian(real_rows(40))
    batch = simulated(model, 40)
    found = Sandwich(num_samples=3, num_distributions=4, leapfrog=2, start="posterior")(model, batch)
    truth = model.log_prob(batch).detach()
    for side in (found.log_px, found.diagnostics["upper"]):
        torch.testing.assert_close(side, truth, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.diagnostics["ess"], torch.full_like(truth, 3))


@pytest.mark.parametrize("start", ["posterior", "prior", "adapted"])
def test_a_hierarchy_of_two_groups_hits_its_closed_form(start: str) -> None:
    model = Hierarchy()
    batch = simulated(model, 12 if start == "adapted" else 40)
    truth = model.log_prob(batch).detach()
    many = {**FEW, "num_distributions": 100 if start == "prior" else 20}
    found = Sandwich(**many, start=start)(model, batch)
    for side in (found.log_px, found.diagnostics["upper"]):
        gap, error = mean_and_error(side - truth)
        assert abs(gap) < 3 * error + 0.03 and error < 0.08, (gap, error)
    assert off(found.log_px, truth, found.stderr_mc).abs().quantile(0.95) < 3
    assert found.diagnostics["kl"].shape == (len(batch), 2) and broken(found) == []


def test_importance_weights_of_a_hierarchy_hit_its_closed_form() -> None:
    model = Hierarchy()
    batch = simulated(model, 40)
    with torch.no_grad():
        found, truth = IwaeBound(num_samples=4000)(model, batch), model.log_prob(batch)
    assert off(found.log_px, truth, found.stderr_mc).abs().max() < 4
    assert (truth - found.diagnostics["elbo"]).mean() > expected_kl_floor(model)


@pytest.mark.parametrize("start", ["posterior", "prior", "adapted"])
def test_a_vae_agrees_with_a_grid(start: str) -> None:
    model = small_vae(latent=1)
    x = model.sample(20)[0]
    z = torch.linspace(-8, 8, 2001)
    with torch.no_grad():
        terms = model.joint(Batch(x), (z[:, None, None].expand(-1, 20, 1),))
    truth = (terms.log_px_z + terms.log_pz.sum(-1)).double().logsumexp(0) + math.log(16 / 2000)
    found = Ais(**{**FEW, "num_distributions": 30}, start=start)(model, Batch(x))
    sigmas = off(found.log_px, truth, found.stderr_mc)
    assert sigmas.abs().quantile(0.9) < 3 and sigmas.abs().mean() < 1.3 and found.stderr_mc.mean() < 0.1
    assert (found.log_px - truth).mean().abs() < 0.05


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "realnvp": {"prior": functools.partial(lookup("prior", "realnvp"), num_transforms=2, width=8)},
    "mixture": {"prior": functools.partial(lookup("prior", "mixture"), num_components=3)},
    "vamp": {"prior": functools.partial(lookup("prior", "vamp"), num_components=3)},
    "iaf": {"posterior": functools.partial(lookup("posterior", "iaf"), num_transforms=1, width=8)},
    "labels": {"condition": "label", "num_classes": 3},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_other_priors_posteriors_and_conditions_agree_with_importance_weights(name: str) -> None:
    model = small_vae(**VARIANTS[name])
    y = torch.arange(12) % 3 if name == "labels" else None
    x, z = model.sample(12, y)
    if y is not None:
        y[::2] = -1  # marginalised
    batch = Batch(x, y=y, z=z)
    with torch.no_grad():
        truth = IwaeBound(num_samples=4000)(model, batch)
    found = Sandwich(num_samples=16, num_distributions=15, leapfrog=3)(model, batch)
    for side in (found.log_px, found.diagnostics["upper"]):
        gap = side - truth.log_px
        assert gap.mean().abs() < 4 * gap.std() / math.sqrt(12) + 0.01 and gap.std() < 0.3, (gap.mean(), gap.std())
    assert all(p.requires_grad for p in model.parameters())


def test_what_is_not_observed_is_not_read() -> None:
    model = linear_gaussian(real_rows(60))
    batch = with_gaps(Batch(real_rows(30)), 0.3)
    found = Ais(num_samples=3, num_distributions=4, leapfrog=2, start="prior")(model, batch)
    assert torch.isfinite(found.log_px).all()
    exact = Ais(num_samples=3, num_distributions=4, leapfrog=2, start="posterior")(model, batch)
    torch.testing.assert_close(exact.log_px, model.log_prob(batch).detach(), rtol=0, atol=1e-9)


# What the numbers may depend on


def test_the_plan_never_depends_on_a_known_z() -> None:
    model = loose(real_rows(30))
    batch = simulated(model, 5)
    assert batch.z is not None
    plans = []
    for z in (batch.z, (batch.z[0] + 3,), None):
        with keyed("plan"), torch.no_grad():
            plans.append(Annealing(model, replace(batch, z=z), Sandwich(**FEW)).schedule)
    for name in ("betas", "steps", "scale0", "scale1"):
        first, *others = (getattr(plan, name) for plan in plans)
        assert all(torch.equal(first, other) for other in others), name


def test_temperatures_rise_from_nothing_to_one_and_are_dense_where_the_path_is_fast() -> None:
    model = loose(real_rows(30))
    with torch.no_grad():
        plan = Annealing(model, simulated(model, 30), Ais(num_distributions=100, start="prior")).schedule
    assert plan.betas.shape == plan.steps.shape == (101, 30)
    assert (plan.betas[0] == 0).all() and (plan.betas[-1] == 1).all() and (plan.betas.diff(dim=0) > 0).all()
    assert plan.betas[50].max() < 0.4  # most of the way from the prior is at small β


def test_the_share_of_accepted_proposals_is_near_the_one_aimed_at() -> None:
    model = loose(real_rows(60))
    found = Ais(num_samples=16, num_distributions=60)(model, simulated(model, 12)).diagnostics
    assert (found["accepted"].mean() - 0.65).abs() < 0.06 and (found["target_acceptance"] == 0.65).all()
    assert (found["accepted"] - found["acceptance"]).abs().max() < 6 * found["acceptance_stderr"].max()


def test_a_pilot_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = loose(real_rows(4)), []
    at = annealing.Path.at

    def counted(self: annealing.Path, u: Tensor) -> Point:
        rows.append(u.shape[0])
        return at(self, u)

    monkeypatch.setattr(annealing.Path, "at", counted)
    batch = simulated(model, 4)
    with torch.no_grad():
        run = Annealing(model, batch, Ais(num_samples=16, num_distributions=150, leapfrog=3, start="posterior"))
        cost = sum(rows)
        run.forward("forward")
    assert sum(rows) - cost == 16 * (149 * 3 + 1)  # L gradients a transition, and not one more
    assert cost < 0.15 * (sum(rows) - cost)


def test_estimates_do_not_depend_on_what_else_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowblocks, "ROWS", 8)
    model = small_vae()
    x, z = model.sample(10)
    split = Split(x, None, model.domain, "none", torch.arange(10), z=z)
    judge = Sandwich(num_samples=3, num_distributions=6, leapfrog=2)
    whole, part = evaluate(model, split, judge)[0], evaluate(model, split, judge, limit=5)[0]
    torch.testing.assert_close(part.log_px, whole.log_px[:5], rtol=0, atol=1e-4)
    torch.testing.assert_close(part.diagnostics["upper"], whole.diagnostics["upper"][:5], rtol=0, atol=1e-4)


def test_chains_go_in_passes_of_a_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from unveil.estimators import base

    model = loose(real_rows(20))
    batch, sizes = simulated(model, 20), set()
    at = annealing.Path.at

    def seen(self: annealing.Path, u: Tensor) -> Point:
        sizes.add(u.shape[0])
        return at(self, u)

    monkeypatch.setattr(annealing.Path, "at", seen)
    monkeypatch.setattr(base, "DECODED", 60)
    found = Sandwich(num_samples=10, num_distributions=5, leapfrog=2, start="posterior")(model, batch)
    assert sizes == {8, 3, 1} and found.diagnostics["ess"].max() <= 10  # 8 of the pilot


# Real and simulated x


def test_a_z_that_is_not_known_makes_the_upper_side_heuristic() -> None:
    model = loose(real_rows(60))
    batch = simulated(model, 40)
    assert batch.z is not None
    z = batch.z[0].clone()
    z[::2] = math.nan
    judge = Sandwich(**FEW, start="posterior")
    found = judge(model, replace(batch, z=(z,))).diagnostics
    assert found["strict"].tolist() == [0.0, 1.0] * 20
    assert torch.equal(found["drift"].isnan(), found["strict"] == 0)
    none = judge(model, replace(batch, z=None))
    assert (none.diagnostics["strict"] == 0).all() and broken(none) == []
    assert (none.diagnostics["upper"] - model.log_prob(batch).detach()).mean().abs() < 0.05


def test_a_known_z_of_another_size_is_refused() -> None:
    model = loose(real_rows(20))
    batch = replace(simulated(model, 2), z=(torch.zeros(2, 5),))
    with pytest.raises(RequestError, match="5 values and the model's 2"):
        Sandwich(**FEW, start="posterior")(model, batch)


# The sampler itself


def gaussian(u: Tensor) -> Point:
    """f0 = N(0, I), f1 = N(1, 4 I)."""
    return Point(u, -0.5 * (u**2).sum(-1), -0.125 * ((u - 1) ** 2).sum(-1), -u, -0.25 * (u - 1))


def test_a_transition_leaves_its_density_as_it_is() -> None:
    beta, size = torch.full((1,), 0.5).double(), 20_000
    precision, mean = 0.5 + 0.5 * 0.25, 0.125 / (0.5 + 0.125)
    u = mean + torch.randn(size, 1, 3).double() / math.sqrt(precision)
    kernel = Kernel(beta, torch.full((1,), 1.6).double(), torch.ones(1, 3).double())
    here, expected = gaussian(u), []
    for _ in range(10):
        moved = transition(gaussian, here, kernel, 3)
        here = moved.point
        expected.append(moved.expected.mean())
    assert 0.3 < torch.stack(expected).mean() < 0.95  # rejections matter
    assert (here.u.mean((0, 1)) - mean).abs().max() < 5 / math.sqrt(size * precision)
    assert (here.u.var(0) * precision - 1).abs().max() < 5 * math.sqrt(2 / size)
    for name in ("log_f0", "log_f1", "slope0", "slope1"):
        torch.testing.assert_close(getattr(here, name), getattr(gaussian(here.u), name))


def test_a_density_that_is_not_a_number_is_never_moved_to() -> None:
    def cliff(u: Tensor) -> Point:
        found = gaussian(u)
        return replace(found, log_f0=torch.where(u[..., 0] > 0, math.nan, found.log_f0))

    u = -torch.rand(200, 1, 3)
    kernel = Kernel(torch.zeros(1), torch.full((1,), 1.0), torch.ones(1, 3))
    moved = transition(cliff, cliff(u), kernel, 3)
    assert (moved.point.u[..., 0] <= 0).all() and torch.isfinite(moved.point.log_f0).all()
    assert moved.accepted.any() and (moved.expected == 0).any() and torch.isfinite(moved.expected).all()


BROKEN: dict[str, Callable[[Tensor], Tensor]] = {
    "always": lambda gain: torch.ones_like(gain, dtype=torch.bool),
    "uphill": lambda gain: gain > 0,
}


def sandwiched() -> Estimate:
    model = Hierarchy()
    return Sandwich(num_samples=4, num_distributions=10, leapfrog=2)(model, simulated(model, 250))


@pytest.mark.parametrize("name", BROKEN)
def test_a_sampler_that_ignores_its_acceptance_is_flagged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmc, "accepts", BROKEN[name])
    sentences = broken(sandwiched())
    assert any("accept step is wrong" in sentence for sentence in sentences)
    assert any("changed log p(x, z)" in sentence for sentence in sentences)


def test_a_sound_sampler_is_not_flagged() -> None:
    found = sandwiched()
    assert broken(found) == []
    crossed = replace(found, log_px=found.diagnostics["upper"] + 0.5)
    assert len(broken(crossed)) == 1 and "above the upper side by 0.500" in broken(crossed)[0]


@pytest.mark.parametrize("cls", [Ais, Sandwich])
def test_wrong_settings_are_refused(cls: type[Ais] | type[Sandwich]) -> None:
    for wrong in ({"num_samples": 0}, {"num_distributions": 0}, {"leapfrog": 0}):
        with pytest.raises(RequestError, match="is 0; it takes a whole number from 1 upwards"):
            cls(**wrong)


def test_a_vamp_prior_is_not_encoded_again_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_vae(**VARIANTS["vamp"])
    calls: list[int] = []
    encode = model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda x: calls.append(len(x)) or encode(x))
    Ais(num_samples=2, num_distributions=8, leapfrog=2)(model, Batch(model.sample(5)[0]))
    assert calls.count(3) <= 1 and calls.count(5) == 2  # the components once; x for the chains and for the bound
