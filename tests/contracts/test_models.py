"""What every model promises, on each pair of its choices: the same life for a new one, without a line here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from contracts.variants import B, K, Variant, batch_of, models, models_with, with_latents
from smalldomains import of_kind
from unveil.batch import Batch
from unveil.domain import Domain, kinds
from unveil.errors import RequestError
from unveil.model import REMEDIES, Model
from unveil.ops import keyed
from unveil.panels import Panel
from unveil.registry import describe, load_all, rebuild
from unveil.terms import Terms
from unveil.train.checkpoint import load_weights, save_weights

EACH = pytest.mark.parametrize("variant", models())
WEIGHED = pytest.mark.parametrize("variant", models_with("log_w"))
JOINT = pytest.mark.parametrize("variant", with_latents("joint"))


def same(a: Tensor | None, b: Tensor | None, atol: float = 1e-5) -> None:
    assert (a is None) == (b is None)
    if a is not None and b is not None:
        torch.testing.assert_close(a, b, rtol=1e-5, atol=atol)


def infer(model: Model, batch: Batch, **options: object) -> Terms:
    with keyed("contract"):
        return model.infer(batch, K, **options)  # type: ignore[arg-type]


def with_gaps(batch: Batch, filler: float = torch.nan, domain: Domain | None = None) -> Batch:
    """The batch with values missing at random, and something else in their place."""
    with keyed("gaps"):
        observed = torch.rand(batch.x.shape) > 0.4
    for name, place in domain.places.items() if domain is not None else ():
        if domain.part(name).alphabet is not None:  # a text is there as a whole, or not at all
            observed[:, place] = observed[:, place.start : place.start + 1]
    return replace(batch, x=torch.where(observed, batch.x, filler), observed=observed)


def is_countable(domain: Domain) -> bool:
    """Whether all x can be written down."""
    return domain.kind in ("binary", "levels") and domain.levels**domain.num_dims <= 20_000


def test_each_registered_model_is_among_those_tested() -> None:
    assert {param.values[0].model for param in models()} == set(load_all("model"))


FAMILIES = pytest.mark.parametrize("family", load_all("model").values(), ids=load_all("model").keys())


@FAMILIES
def test_each_family_states_its_facts(family: type[Model]) -> None:
    assert family.summary and family.solves in ("nothing", "some", "all")
    assert 0 <= family.prior_share < 1 and 0 <= family.warmup < 1 and set(family.remedies) <= set(REMEDIES)
    assert set(family.domains) <= set(kinds()) and isinstance(family.fits_few_data, bool)


@FAMILIES
def test_a_family_takes_the_domains_that_it_states(family: type[Model]) -> None:
    build = getattr(family, "build", family)
    for kind in kinds():
        domain = of_kind(kind)
        is_chain = kind == "text" and family.registered[1] == "autoregressive"
        if kind in family.domains or (not family.domains and domain.parts is None and not is_chain):
            assert build(domain).domain == domain
        else:
            with pytest.raises(RequestError, match=r"x is|the data is|a model of one modality"):
                build(domain)


# Shapes


@pytest.mark.parametrize("variant", [p for p in models() if p.values[0].model != "vae"])
def test_a_model_that_is_started_twice_is_started_once(variant: Variant) -> None:
    """Not of vae: its linear start makes a network quieter than it is, whatever it is."""
    model, batch = variant.build(), batch_of(variant.domain, 60)
    found = []
    for _ in range(2):
        with keyed("initialise"):
            model.initialise(batch)
        found.append({name: value.clone() for name, value in model.state_dict().items()})
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, equal_nan=True, msg=name)


@EACH
def test_shapes_of_terms(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    terms, L = infer(model, batch), len(model.groups)
    assert terms.log_px_z.shape == (K, B) and terms.log_qz_x is not None
    assert terms.log_pz.shape == terms.log_qz_x.shape == terms.rate.shape == (K, B, L)
    assert terms.kl is None or terms.kl.shape == (K, B, L)
    assert terms.elbo.shape == (B,) and torch.isfinite(terms.elbo).all()
    assert len(terms.z) == L and all(z.shape[:2] == (K, B) for z in terms.z)


@WEIGHED
def test_log_weights_are_finite_numbers_of_each_draw(variant: Variant) -> None:
    terms = infer(variant.build(), batch_of(variant.domain))
    assert terms.log_w.shape == (K, B) and terms.bound.shape == (B,)
    assert torch.isfinite(terms.log_w).all()


@EACH
def test_shapes_of_what_is_drawn_and_shown(variant: Variant) -> None:
    model, shape = variant.build(), variant.domain.shape
    x, z = model.sample(6)
    assert x.shape == (6, *shape) and len(z) == len(model.groups) and all(len(group) == 6 for group in z)
    shown = model.shown(x, z)
    assert shown.shape == x.shape and torch.isfinite(shown).all()


@pytest.mark.parametrize("variant", with_latents())
def test_shapes_of_what_is_decoded(variant: Variant) -> None:
    model, shape = variant.build(), variant.domain.shape
    x, z = model.sample(6)
    assert model.decode(z).mean.shape == (6, *shape)
    several = infer(model, batch_of(variant.domain)).z
    p = model.decode(several)
    assert p.mean.shape == p.sample().shape == (K, B, *shape)
    assert p.log_prob(x[:B]).shape == (K, B)


@EACH
def test_samples_are_in_the_domain(variant: Variant) -> None:
    x, _ = variant.build().sample(50)
    assert x.dtype == torch.float32 and torch.isfinite(x).all()
    if variant.domain.is_discrete:
        assert torch.equal(x, x.round()) and x.min() >= 0
    if variant.domain.kind in ("binary", "levels"):
        assert x.max() <= variant.domain.levels - 1
    if variant.domain.kind == "unit":
        assert x.min() >= 0 and x.max() <= 1


@EACH
def test_no_temperature_is_no_spread_of_z(variant: Variant) -> None:
    model = variant.build()
    in_steps = "layers" in model.gives or model.codebook_size or not model.groups
    num = 60 if in_steps else 2000  # what is drawn in many steps takes long
    try:
        _, cold = model.sample(num, temperature=1e-6)
    except RequestError as error:  # components without a mean have no cold point, and the model says so
        assert "Use a temperature of 1" in str(error)
        return
    _, warm = model.sample(num)
    for c, w in zip((g.double() for g in cold), (g.double() for g in warm), strict=True):
        one_each = len(c.round(decimals=3).unique(dim=0)) <= num // 5  # one or, of a mixture, one for each component
        still = c.std(0).max() < 0.02 * w.std(0).max()  # many steps in a row magnify what little spread is left
        assert one_each or still
        assert w.std(0).min() > 0.02


def has_moments(variant: Variant) -> bool:
    return variant.build().posterior(batch_of(variant.domain)).mean is not None


@pytest.mark.parametrize("variant", [p for p in models_with("rsample") if has_moments(p.values[0])])
def test_moments_of_the_posterior_are_those_of_its_draws(variant: Variant) -> None:
    posterior = variant.build().posterior(batch_of(variant.domain))
    (z,), _ = posterior.draw(4000)
    assert posterior.mean is not None and posterior.stddev is not None
    mean, stddev = posterior.mean[0], posterior.stddev[0]
    assert mean.shape == stddev.shape == z.shape[1:]
    assert ((z.mean(0) - mean).abs() < 6 * stddev / 4000**0.5).all()
    torch.testing.assert_close(z.std(0), stddev, rtol=0.1, atol=0)


# infer = posterior ∘ joint


@FAMILIES
def test_infer_is_written_once(family: type[Model]) -> None:
    assert family.infer is Model.infer and getattr(Model.infer, "__final__", False)  # type: ignore[attr-defined]


@JOINT
def test_infer_is_joint_after_posterior(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    terms = infer(model, batch)
    with keyed("contract"):
        z, log_q = model.posterior(batch).draw(K)
    joint = model.joint(batch, z)
    same(terms.log_px_z, joint.log_px_z)
    same(terms.log_pz, joint.log_pz)
    same(terms.log_qz_x, log_q)
    assert joint.log_qz_x is None and joint.kl is None  # says nothing of q
    same(model.log_pz(batch, z), joint.log_pz)


@JOINT
def test_joint_and_log_prob_at_the_drawn_z_give_the_terms_of_infer(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    terms = infer(model, batch)
    joint = model.joint(batch, terms.z)
    same(terms.log_px_z, joint.log_px_z)
    same(terms.log_pz, joint.log_pz)
    for hold in (False, True):
        same(terms.log_qz_x, model.posterior(batch).log_prob(terms.z, hold=hold))


@JOINT
def test_the_likelihood_of_joint_is_that_of_decode(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    terms = infer(model, batch)
    same(terms.log_px_z, model.decode(terms.z).log_prob(batch.x).to(terms.log_px_z.dtype), atol=1e-4)


@EACH
def test_a_given_posterior_is_used(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    other = model.posterior(batch_of(variant.domain))
    same(
        infer(model, batch, posterior=other).log_qz_x, infer(model, batch_of(variant.domain), posterior=other).log_qz_x
    )
    same(infer(model, batch, posterior=model.posterior(batch)).elbo, infer(model, batch).elbo)


@JOINT
def test_the_numbers_of_an_example_do_not_depend_on_its_neighbours(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    z = infer(model, batch).z
    alone, z_alone = Batch(batch.x[2:3]), tuple(group[:, 2:3] for group in z)
    same(model.joint(alone, z_alone).log_px_z, model.joint(batch, z).log_px_z[:, 2:3], atol=1e-4)
    whole, one = model.posterior(batch).log_prob(z), model.posterior(alone).log_prob(z_alone)
    same(one, whole[:, 2:3], atol=1e-4)


# What is not observed


@EACH
def test_what_is_not_observed_changes_nothing(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    other = 1e6 if variant.domain.kind == "real" else 0.0
    first, second = (
        infer(model, with_gaps(batch, domain=variant.domain)),
        infer(model, with_gaps(batch, other, variant.domain)),
    )
    weighed = ["log_w"] if "log_w" in variant.gives else []
    for name in ("log_px_z", "log_qz_x", "elbo", *weighed):
        assert torch.isfinite(getattr(first, name)).all(), name
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert not torch.equal(first.log_px_z, infer(model, batch).log_px_z)


@JOINT
def test_the_observed_and_the_unobserved_add_up(variant: Variant) -> None:
    """log p(x|z) factorises over dimensions, in each of these models."""
    model, batch = variant.build(), batch_of(variant.domain)
    gaps, z = with_gaps(batch, domain=variant.domain), infer(model, batch).z
    assert gaps.observed is not None
    seen, unseen = (model.joint(replace(batch, observed=o), z).log_px_z for o in (gaps.observed, ~gaps.observed))
    same(seen + unseen, model.joint(batch, z).log_px_z, atol=1e-3)
    nothing = replace(batch, observed=torch.zeros_like(gaps.observed))
    assert torch.equal(model.joint(nothing, z).log_px_z, torch.zeros_like(seen))


@EACH
def test_gaps_of_nan_give_finite_gradients(variant: Variant) -> None:
    model = variant.build().train()
    (-infer(model, with_gaps(batch_of(variant.domain), domain=variant.domain)).elbo.mean()).backward()
    bad = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    assert not bad, f"NaN in a gap reached the gradient of {bad}"


# Facts that `gives` states


@pytest.mark.parametrize("variant", models_with("rsample"))
def test_rsample_lets_the_gradient_through_z(variant: Variant) -> None:
    model = variant.build()
    assert all(group.requires_grad for group in infer(model, batch_of(variant.domain)).z)


@pytest.mark.parametrize("variant", models_with("kl", "log_w"))
def test_the_closed_form_kl_is_the_mean_of_its_samples(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    with torch.no_grad(), keyed("kl"):
        terms = model.infer(batch, 4000)
    assert terms.kl is not None and terms.log_qz_x is not None
    off = (terms.log_qz_x - terms.log_pz - terms.kl).double()  # where groups are above, kl changes with their draws
    error = off.std(0) / 4000**0.5
    assert (off.mean(0).abs() < 5 * error + 1e-4).all()


@EACH
def test_models_without_the_fact_state_no_kl(variant: Variant) -> None:
    assert (infer(variant.build(), batch_of(variant.domain)).kl is not None) == ("kl" in variant.gives)


@pytest.mark.parametrize("variant", models_with("exact"))
def test_exact_is_never_below_the_bound(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    with torch.no_grad(), keyed("exact"):
        log_px, terms = model.log_prob(batch), model.infer(batch, 1000)
    assert log_px.shape == (B,)
    each = (terms.log_px_z - terms.rate.sum(-1)).double()
    assert (each.mean(0) < log_px + 4 * each.std(0) / 1000**0.5 + 1e-6).all()


@pytest.mark.parametrize("variant", [p for p in models_with("exact") if is_countable(p.values[0].domain)])
def test_exact_probabilities_sum_to_one(variant: Variant) -> None:
    levels = torch.arange(variant.domain.levels).float()
    every = torch.cartesian_prod(*[levels] * variant.domain.num_dims).reshape(-1, *variant.domain.shape)
    same(variant.build().log_prob(Batch(every)).double().exp().sum(), torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("variant", models_with("enumerate"))
def test_enumerated_weights_sum_to_one(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    terms = model.infer(batch, None)
    assert terms.log_m is not None and terms.log_m.shape == terms.log_px_z.shape
    same(terms.log_m.exp().sum(0), torch.ones(B).to(terms.log_m.dtype))
    every = torch.ones(B, variant.num_groups).to(terms.log_pz.dtype)
    same(terms.log_pz.exp().sum(0), every)  # every value of z, once
    same(terms.elbo, model.infer(batch, 6000).elbo.to(terms.elbo.dtype), atol=0.2)


@pytest.mark.parametrize("variant", models_with("split_q"))
def test_split_q_shares_no_weight(variant: Variant) -> None:
    model = variant.build()
    p, q = ({id(w) for w in model.parameters_of(part)} for part in "pq")
    assert p and q and not p & q


@EACH
def test_the_parts_are_all_of_the_model(variant: Variant) -> None:
    model = variant.build()
    p, q, prior = ({id(w) for w in model.parameters_of(part)} for part in ("p", "q", "prior"))
    named = {id(w): name for name, w in model.named_parameters()}
    assert not [name for i, name in named.items() if i not in p | q], "in neither p nor q"
    beside = {i for i, name in named.items() if name.startswith("posterior_head.to_base.")}  # q(z|t), of the same z
    assert prior <= p | beside


# Held weights


@pytest.mark.parametrize("variant", models_with("split_q"))
def test_held_weights_of_p_get_no_gradient(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    model.train(model.registered[1] == "joint")  # its q(z|t) learns from a penalty, of training alone
    terms = infer(model, batch, hold=frozenset({"p"}))
    added = [p.sum() for p in terms.penalties.values()]
    (terms.log_w.sum() + terms.elbo.sum() + sum(added)).backward()
    assert [n for n, w in named(model, "p") if w.grad is not None] == []
    assert [n for n, w in named(model, "q") if w.grad is None] == []
    assert all(w.requires_grad for w in model.parameters())


@pytest.mark.parametrize("variant", models_with("split_q", "rsample"))
def test_held_weights_of_q_leave_z_its_gradient(variant: Variant) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    free, terms = infer(model, batch), infer(model, batch, hold=frozenset({"q"}))
    same(terms.log_w, free.log_w)
    z = tuple(group.detach().requires_grad_() for group in terms.z)
    log_q = model.posterior(batch).log_prob(z, hold=True)
    log_q.sum().backward()
    assert [n for n, w in named(model, "q") if w.grad is not None] == []
    assert all(group.grad is not None and group.grad.abs().max() > 0 for group in z)
    assert all(w.requires_grad for w in model.parameters())
    # through z, log w still teaches q: the score term alone is gone
    held, whole = (gradient_of_q(model, t) for t in (terms, free))
    assert held.abs().max() > 0 and not torch.allclose(held, whole)


def named(model: Model, part: str) -> list[tuple[str, Tensor]]:
    chosen = {id(w) for w in model.parameters_of(part)}
    return [(name, w) for name, w in model.named_parameters() if id(w) in chosen]


def gradient_of_q(model: Model, terms: Terms) -> Tensor:
    found = torch.autograd.grad(terms.log_w.sum(), model.parameters_of("q"), allow_unused=True, retain_graph=True)
    return torch.cat([g.flatten() for g in found if g is not None])


# Saving and loading


@EACH
def test_a_model_comes_back_from_json_and_safetensors(variant: Variant, tmp_path: Path) -> None:
    model, batch = variant.build(), batch_of(variant.domain)
    save_weights(tmp_path / "weights.safetensors", model)
    again: Model = rebuild(json.loads(json.dumps(describe(model))))
    load_weights(tmp_path / "weights.safetensors", again)
    assert type(again) is type(model) and again.domain == model.domain and again.gives == model.gives
    assert describe(again) == describe(model)
    first, second = infer(model, batch), infer(again.eval(), batch)
    assert torch.equal(first.elbo, second.elbo)
    assert "log_w" not in model.gives or torch.equal(first.log_w, second.log_w)
    with keyed("sample"):
        x = model.sample(4)[0]
    with keyed("sample"):
        assert torch.equal(x, again.sample(4)[0])


@EACH
def test_initialise_depends_on_nothing_but_data_and_noise(variant: Variant) -> None:
    first, second = variant.build_anew().state_dict(), variant.build_anew().state_dict()
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@EACH
def test_panels_and_story_can_be_told(variant: Variant) -> None:
    model = variant.build()
    assert isinstance(model.story, str) and all(
        isinstance(panel, Panel) for panel in model.panels(batch_of(variant.domain))
    )
    assert type(model).summary, "one line for `unveil list`"
