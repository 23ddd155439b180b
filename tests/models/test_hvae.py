"""The hierarchical VAE: its groups, its two ways of inference, labels, temperatures, figures, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import unveil
from quick import fitted
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.model.shared.labels import sum_labels
from unveil.models.hvae import HVAE
from unveil.nn.blocks import Level
from unveil.nn.hierarchy import TopDown
from unveil.nn.rungs import grid_levels
from unveil.objectives import Dreg, Elbo, FreeBits, Iwae
from unveil.ops import keyed
from unveil.panels import Bars, Strip
from unveil.registry import lookup

IMAGE, VECTOR = Domain("binary", (9, 10)), Domain("real", (6,))
SMALL: dict[str, Any] = {"latent": 3, "width": 8}
EACH = pytest.mark.parametrize("inference", ["top_down", "bottom_up"])


def moved(model: HVAE, batch: Batch, by: float) -> HVAE:
    """Started from data, and no weight at a special value."""
    model.initialise(batch)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(by * torch.randn_like(p))
    return model.eval()


def rows(domain: Domain, num: int, classes: int = 0) -> Batch:
    x = torch.randn(num, *domain.shape) if domain.kind == "real" else torch.randint(2, (num, *domain.shape)).float()
    return Batch(x, y=torch.arange(num) % classes if classes else None)


def made(domain: Domain = IMAGE, classes: int = 0, by: float = 0.1, **options: Any) -> HVAE:
    condition: Literal["label", "none"] = "label" if classes else "none"
    model = HVAE.build(domain, classes, condition=condition, **SMALL | options)
    return moved(model, rows(domain, 40, classes), by)


# Where groups live


def test_groups_lie_on_a_grid_with_a_vector_on_top() -> None:
    levels = grid_levels((7, 7), 5, 32, 4, 64)
    assert [level.cells for level in levels] == [(7, 7), (7, 7), (7, 7), (7, 7), (1, 1)]
    assert [level.size for level in levels] == [196, 196, 196, 196, 32]
    model = made(num_groups=4, network="grid")
    assert model.groups == ("z1", "z2", "z3", "z4")
    _, z = model.sample(2)
    assert tuple(group.shape[1] for group in z) == model.ladder.sizes


@pytest.mark.parametrize("domain", [IMAGE, VECTOR])
def test_at_the_start_no_group_says_much_and_no_block_hides_what_is_below(domain: Domain) -> None:
    """Residual blocks start small, each at 1/√depth: signals keep their size however many there are."""
    batch = rows(domain, 200)
    for num_groups, depth in ((2, 1), (6, 4)):
        model = HVAE.build(domain, num_groups=num_groups, depth=depth, latent=3, width=16)
        model.initialise(batch)
        with torch.no_grad():
            terms = model.infer(batch, 2)
        assert terms.kl is not None and (terms.kl.mean((0, 1)) < 3 * math.prod(domain.shape) / num_groups).all()
        assert 0.05 < float(model.features(batch)[0].detach().std()) < 5


# One pass is two


@EACH
@pytest.mark.parametrize("domain", [IMAGE, VECTOR])
def test_the_fused_pass_gives_what_posterior_and_joint_give(inference: str, domain: Domain) -> None:
    model, batch = made(domain, inference=inference, num_groups=4), rows(domain, 7)
    with keyed("same"):
        fused = model.infer(batch, 3)
    with keyed("same"):
        z, log_q = model.posterior(batch).draw(3)
    joint = model.joint(batch, z)
    assert fused.log_qz_x is not None
    for found, wanted in ((fused.log_qz_x, log_q), (fused.log_pz, joint.log_pz), (fused.log_px_z, joint.log_px_z)):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert ("split_q" in model.gives) == (inference == "bottom_up")


@EACH
def test_reduced_precision_stays_inside_the_networks(inference: str) -> None:
    model, batch = made(inference=inference), rows(IMAGE, 6)
    seen: list[torch.dtype] = []
    with keyed("same"):
        full = model.infer(batch, 4)
    model.network_dtype = torch.bfloat16
    forward = model.ladder.forward

    def spied(choose: Any, *rest: Any) -> Any:
        def noted(i: int, p: Any, q: Any) -> Tensor:
            z: Tensor = choose(i, p, q)
            seen.extend(t.dtype for t in (z, *(p or ()), *(q or ())))
            return z

        return forward(noted, *rest)

    model.ladder.forward = spied  # type: ignore[method-assign,assignment]
    with keyed("same"):
        half = model.infer(batch, 4)
    assert set(seen) == {torch.float32} and half.log_w.dtype == torch.float32
    torch.testing.assert_close(half.log_w, full.log_w, rtol=0.1, atol=2.0)
    assert not torch.equal(half.log_w, full.log_w)


@EACH
def test_training_raises_the_bound_of_either(inference: str) -> None:
    def cluster(num: int) -> Tensor:
        return (torch.randint(2, (num, 1)) * 4 - 2) * torch.ones(6) + 0.3 * torch.randn(num, 6)

    model = HVAE.build(VECTOR, latent=2, width=16, num_groups=3, inference=inference)  # type: ignore[arg-type]
    model.initialise(Batch(cluster(500)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    bounds = []
    for step in range(80):
        loss = Iwae(num_samples=4)(model, Batch(cluster(64)), step / 80)
        optimizer.zero_grad()
        loss.surrogate.mean().backward()
        optimizer.step()
        bounds.append(float(loss.bound.mean().detach()))
    assert np.mean(bounds[-20:]) > np.mean(bounds[:5]) + 3


# Labels


@EACH
def test_missing_labels_are_summed_out(inference: str) -> None:
    """log Σ_y p(y) p(x, z|y), by hand."""
    model, batch = made(VECTOR, 3, inference=inference), rows(VECTOR, 5, 3)
    z, _ = model.posterior(batch).draw(4)
    each = []
    for label in range(3):
        terms = model.joint(replace(batch, y=torch.full((5,), label)), z)
        each.append(terms.log_px_z + terms.log_pz.sum(-1) + model.log_frequency[label])
    summed = model.joint(replace(batch, y=None), z)
    torch.testing.assert_close(summed.log_px_z + summed.log_pz.sum(-1), torch.stack(each).logsumexp(0))
    mixed = model.joint(replace(batch, y=torch.tensor([0, -1, 2, -1, 1])), z)
    whole = mixed.log_px_z + mixed.log_pz.sum(-1)
    torch.testing.assert_close(whole[:, 1], torch.stack(each).logsumexp(0)[:, 1])
    torch.testing.assert_close(whole[:, 2], each[2][:, 2] - model.log_frequency[2])


@EACH
@torch.no_grad()
def test_bounds_with_labels_missing_reach_the_sum_over_all_z_and_labels(inference: str) -> None:
    """Samples of (z, y) that are weighed, and draws from q(z) with the label summed out, against a grid over z."""
    model = made(VECTOR, 3, by=0.03, inference=inference, latent=1, num_groups=2)
    batch = replace(rows(VECTOR, 4), y=None)
    if inference == "top_down":  # two latents in all; the chain has three
        line = torch.linspace(-9, 9, 200)
        z1, z2 = torch.cartesian_prod(line, line).unbind(-1)
        terms = model.joint(batch, tuple(z.reshape(-1, 1, 1).expand(-1, 4, 1) for z in (z1, z2)))
        log_px = (terms.log_px_z + terms.log_pz.sum(-1)).logsumexp(0) + 2 * (line[1] - line[0]).log()
    else:
        log_px = model.infer(batch, 40_000).bound.float()
    with keyed("one"):
        weighed = model.infer(batch, 4000).bound.float()
    with keyed("two"):
        summed = model.infer(batch, 4000, posterior=model.posterior(batch)).bound.float()
    torch.testing.assert_close(weighed.double(), log_px.double(), rtol=0, atol=0.1)
    torch.testing.assert_close(summed.double(), log_px.double(), rtol=0, atol=0.1)


def test_summing_out_a_label_factorises_from_the_top() -> None:
    log_p, log_py = torch.randn(2, 3, 5, 4).double(), torch.randn(3, 5).double().log_softmax(0)
    each = sum_labels(log_p, log_py)  # [K, B, L]
    torch.testing.assert_close(each.sum(-1), (log_p.sum(-1) + log_py).logsumexp(1))
    torch.testing.assert_close(each[..., -1], (log_p[..., -1] + log_py).logsumexp(1))
    top_two = (log_p[..., -2:].sum(-1) + log_py).logsumexp(1)
    torch.testing.assert_close(each[..., -2:].sum(-1), top_two)


@EACH
def test_a_label_reaches_what_is_generated(inference: str) -> None:
    model = made(IMAGE, 3, inference=inference)
    with keyed("z"):
        z = model.draw_prior(4, torch.zeros(4, dtype=torch.int64))
    first, other = (model.decode(z, torch.full((4,), label)).mean for label in (0, 1))
    assert not torch.allclose(first, other)
    with pytest.raises(RequestError, match="takes the labels y"):
        model.decode(z)


# What is not observed


@EACH
def test_a_model_that_sees_the_mask_trains_on_gaps(inference: str) -> None:
    model = HVAE.build(IMAGE, has_missing=True, inference=inference, **SMALL)  # type: ignore[arg-type]
    x = rows(IMAGE, 30).x
    observed = torch.rand(x.shape) > 0.3
    batch = Batch(torch.where(observed, x, torch.nan), observed=observed)
    model.initialise(batch)
    loss = Elbo()(model, batch)
    loss.surrogate.mean().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


# Generating


@EACH
def test_temperature_of_a_group_is_that_groups(inference: str) -> None:
    model = made(inference=inference)
    for cold in range(3):
        chosen = tuple(0.0 if i == cold else 1.0 for i in range(3))
        with keyed("noise"):
            one = model.draw(50, None, chosen)
        with keyed("noise"):
            warm = model.draw(50, None, (1.0, 1.0, 1.0))
        for i in range(cold + 1, 3):  # the groups above do not feel it
            torch.testing.assert_close(one.z[i], warm.z[i])
        if cold < 2:
            torch.testing.assert_close(one.z[cold], one.p[cold][0])
        else:
            assert one.z[cold].std(0).max() < 1e-6
    with pytest.raises(RequestError, match="2 temperatures came for 3 latent groups"):
        model.sample(2, temperature=(1.0, 0.5))


@EACH
def test_panels_show_the_groups(inference: str) -> None:
    model, batch = made(inference=inference), rows(IMAGE, 20)
    rate, *strips = model.panels(batch)
    assert isinstance(rate, Bars) and rate.labels == ("z3", "z2", "z1")
    with keyed("rates"):
        terms = model.infer(batch, 4)
    assert sum(rate.values) == pytest.approx(float(terms.mean(terms.rate).sum(-1).mean().detach()), rel=1e-4)
    shown = [strip for strip in strips if isinstance(strip, Strip)]
    assert [len(strip.rows) for strip in shown] == [3, 4, 3]  # samples, reconstructions, temperatures
    for strip in shown:
        assert len(strip.row_labels) == len(strip.rows) and strip.rows[0].shape[1:] == IMAGE.shape
    middle = [row[4] for row in shown[2].rows]  # temperature 1: the same sample in each row
    torch.testing.assert_close(middle[0], middle[1])
    assert len(made(VECTOR).panels(rows(VECTOR, 20))) == 1


@torch.no_grad()
def test_the_last_row_of_the_reconstructions_is_the_whole_one() -> None:
    model, batch = made(), rows(IMAGE, 4)
    z = tuple(group[0] for group in model.posterior(batch).draw(1)[0])
    torch.testing.assert_close(model.completed(z, 0), model.decode(z).mean)
    assert not torch.allclose(model.completed(z, 2), model.decode(z).mean)


# Objectives


@pytest.mark.parametrize(("progress", "floor"), [(0.0, 4.0), (0.25, 2.5), (0.5, 1.0), (0.9, 1.0)])
def test_free_bits_per_group_follow_their_schedule(progress: float, floor: float) -> None:
    goal = FreeBits(floor=4.0, floor_end=1.0, floor_until=0.5, warmup=0.0)
    assert float(goal.floor_at(progress)) == pytest.approx(floor)
    model, batch = made(), rows(IMAGE, 8)
    with keyed("free"):
        loss = goal(model, batch, progress)
    with keyed("free"):
        kl = model.infer(batch, 1).kl
    assert kl is not None
    torch.testing.assert_close(loss.shared, kl.mean((0, 1)).clamp(min=floor).sum())


@pytest.mark.parametrize("option", [{"floor_end": -1.0}, {"floor_until": 1.5}])
def test_a_schedule_that_cannot_be_is_refused(option: dict[str, float]) -> None:
    with pytest.raises(RequestError, match=f"objective.{next(iter(option))} is"):
        FreeBits(**option)  # type: ignore[arg-type]


def test_dreg_is_refused_where_q_is_made_of_p() -> None:
    with pytest.raises(RequestError, match=r"'dreg' does not work with this .*share weights; use the objective 'iwae'"):
        Dreg().check(made())
    Dreg().check(made(inference="bottom_up"))


def test_doubly_reparametrised_gradients_are_those_of_iwae_in_the_mean() -> None:
    """On the chain, whose p and q share nothing."""
    model, batch = made(VECTOR, inference="bottom_up", latent=1, num_groups=2), rows(VECTOR, 1)
    batch, found = Batch(batch.x.expand(20, -1)), {}
    for goal in (Iwae(num_samples=3), Dreg(num_samples=3)):
        draws = []
        for seed in range(60):
            with keyed("draw", seed):
                loss = goal(model, batch)
            grads = torch.autograd.grad(loss.surrogate.mean(), [model.ladder.up[1].terms[0].bias])  # type: ignore[union-attr,index]
            draws.append(torch.cat([g.flatten() for g in grads]))
        found[type(goal)] = torch.stack(draws)
    iwae, dreg = found[Iwae], found[Dreg]
    error = (iwae.var(0) / len(iwae) + dreg.var(0) / len(dreg)).sqrt()
    assert ((iwae.mean(0) - dreg.mean(0)).abs() < 4.5 * error).all()


# Priors and refusals


def test_the_top_may_have_a_learned_prior() -> None:
    for name in ("realnvp", "mixture", "vamp"):
        model = made(prior=lookup("prior", name))
        batch = rows(IMAGE, 5)
        z, _ = model.posterior(batch).draw(2)
        u = model.coordinates(batch).to_u(z)
        back, _ = model.coordinates(batch).to_z(u)
        for a, b in zip(back, z, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
        shared = {id(p) for p in model.parameters_of("p")} & {id(p) for p in model.ladder.stem.parameters()}  # type: ignore[union-attr]
        assert bool(shared) == (name == "vamp")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_groups": 1}, "model.num_groups is 1; it takes a whole number from 2"),
        ({"latent": -1}, "model.latent is -1"),
        ({"domain": VECTOR, "network": "grid"}, "model.network 'grid' needs images"),
        ({"prior": "bernoulli"}, "is over binary z, and the groups of a hvae are real"),
        ({"prior": "vamp", "inference": "bottom_up"}, "a chain from below does not have"),
        ({"prior": "vamp", "condition": "label", "num_classes": 3}, "here takes a label"),
        ({"condition": "label"}, "needs data with labels"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options: dict[str, Any], said: str) -> None:
    domain = options.pop("domain", IMAGE)
    if "prior" in options:
        options["prior"] = lookup("prior", options["prior"])
    with pytest.raises(RequestError, match=said):
        HVAE.build(domain, **SMALL | options)


def test_a_group_needs_a_cell() -> None:
    assert Level((1, 1), 8, 3).inner == 8 and Level((7, 7), 8, 3).inner == 4
    assert TopDown.downward


# Through a run


def test_a_run_from_fit_to_report(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    which = rng.integers(0, 3, 300)
    x = (rng.random((300, 9, 9)) < np.array([0.1, 0.4, 0.9])[which][:, None, None]).astype(np.uint8)
    run = fitted(
        x, tmp_path / "run", report=True, y=which, model="hvae", steps=10,
        model__latent=2, model__width=8, model__network="grid", model__condition="label", model__cell=1,
    )  # fmt: skip
    assert len(run.result["kl_per_group"]) == 3 and run.result["direction"] == "lower"
    assert (run.path / "report.html").exists()
    again = unveil.Run.load(run.path)
    assert again.model.groups == ("z1", "z2", "z3")
    from unveil.runs.command import keys_of

    keys = keys_of(again.store)
    assert keys is not None
    assert {k: v for k, v in keys.items() if k.startswith("model")} == {
        "model": "hvae", "model.latent": 2, "model.width": 8, "model.network": "grid", "model.condition": "label",
        "model.cell": 1,
    }  # fmt: skip
