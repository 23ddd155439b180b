"""q(z) beside p(z): the rate cut in two against closed forms, islands on toys, and both findings on fitted models."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from contracts.variants import DOMAINS, batch_of, split_of
from exact import toys
from exact.simulated import StoredHierarchy, simulated
from unveil.data import Split, load
from unveil.diagnostics.aggregate import AUC, DRAWS, MARGINAL, Aggregate, _encode, aggregate
from unveil.diagnostics.collapse import collapse
from unveil.diagnostics.islands import BINS, area, hole_share, marginal_kl, separation
from unveil.errors import RequestError
from unveil.model import Model
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.vae import VAE
from unveil.registry import describe, lookup, seeded
from unveil.settings.choices import choose
from unveil.train.loop import fit
from unveil.train.stage import Stage

# -- the rate cut in two ----------------------------------------------------------------------------------------------


def linear(gain: float, num: int) -> tuple[LinearGaussian, Split]:
    """A model of two latents, and x from the model itself: the aggregate of p(z|x) over x ∼ p(x) *is* p(z)."""
    model = toys.linear_gaussian(toys.real_rows(100), fitted=False)
    with torch.no_grad():
        model.W.mul_(gain)
    return model, simulated(model, num)


def information(model: LinearGaussian) -> float:
    """I(x; z) = ½ log det(I + Wᵀψ⁻¹W)."""
    W, _, psi = model._theta(hold=True)
    return 0.5 * float(torch.logdet(torch.eye(2).double() + W.T @ (W / psi.unsqueeze(-1))))


def test_the_exact_posterior_over_simulated_x_has_the_closed_forms() -> None:
    model, split = linear(0.5, 2000)
    found, truth = aggregate(model, split), information(model)
    assert truth > 0.3
    assert found.information == pytest.approx(truth, abs=4 * found.information_stderr)
    assert abs(found.kl) < 4 * math.hypot(found.kl_stderr, found.rate_stderr)
    assert found.rate == pytest.approx(found.information + found.kl, abs=1e-9)
    assert not found.capped and found.rising < 0.02 and "at least" not in found.words
    assert max(found.kl_per_dim) < 0.05 and found.auc == pytest.approx(0.5, abs=4 * found.auc_stderr)
    assert found.holes == pytest.approx(0.01, abs=0.015)
    assert found.findings() == []


@pytest.mark.parametrize(("gain", "num"), [(2.0, 60), (5.0, 60), (0.5, 100)])
def test_the_errors_are_the_spread_over_other_data(gain: float, num: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where posteriors overlap in pairs, both tell less: examples are not independent, and the spread is larger."""
    apart = SimpleNamespace(auc=0.5, auc_stderr=0.1, holes=0.0, holes_stderr=0.0)
    monkeypatch.setattr("unveil.diagnostics.aggregate.separation", lambda *given: apart)
    torch.manual_seed(0)
    model, _ = linear(gain, num)
    found = [aggregate(model, simulated(model, num), seed=seed) for seed in range(80)]
    for name in ("information", "kl"):
        spread = np.std([getattr(one, name) for one in found], ddof=1)
        said = np.mean([getattr(one, f"{name}_stderr") for one in found])
        assert 0.85 < said / spread < 1.5  # the jackknife errs upwards, the more the nearer the cap


def test_the_error_is_the_jackknifes() -> None:
    model, split = linear(3.0, 21)
    found = aggregate(model, split)
    halves = [_encode(model, split, half, DRAWS // 21, 0) for half in (0, 1)]
    z, log_q = (torch.cat([getattr(h, name) for h in halves], 1) for name in ("u", "log_q"))  # [K, 21, D], [K, 21]
    under = torch.cat([h.under((z.flatten(0, 1).float(),)) for h in halves], 1).unflatten(0, log_q.shape)  # [K, 21, 21]

    def without(row: int | None) -> float:
        kept = [n for n in range(21) if n != row]
        log_qz = under[:, kept][:, :, kept].logsumexp(-1) - math.log(len(kept))
        return float((log_q[:, kept] - log_qz).detach().mean())

    left = np.array([without(row) for row in range(21)])
    assert found.information == pytest.approx(without(None), abs=1e-5)
    assert found.information_stderr == pytest.approx(math.sqrt(20 / 21 * ((left - left.mean()) ** 2).sum()), rel=1e-3)


def test_few_examples_cannot_show_more_than_their_logarithm() -> None:
    model, split = linear(50.0, 40)
    found = aggregate(model, split)
    assert found.rate > 2 * math.log(40) and found.cap == math.log(40)
    assert found.information <= found.cap + 1e-6 and found.capped
    assert found.rising == pytest.approx(math.log(2), abs=0.2)
    assert "at least 3.6" in found.words and "at most" in found.words and "log N = 3.69" in found.words


def test_below_the_cap_the_words_still_say_when_examples_are_too_few() -> None:
    model, split = linear(2.0, 60)
    found = aggregate(model, split)
    assert not found.capped and "still rises by" in found.words and "at least" in found.words


def test_several_groups_are_joined() -> None:
    model = StoredHierarchy(off=0.0, wider=1.0)  # q is p(z|x)
    with torch.no_grad():
        model.W.mul_(0.2)
    found = aggregate(model, simulated(model, 1500))
    assert len(found.kl_per_dim) == sum(model.latents) and found.auc == pytest.approx(0.5, abs=4 * found.auc_stderr)
    assert abs(found.kl) < 4 * math.hypot(found.kl_stderr, found.rate_stderr)


def test_a_mixtures_parts_are_those_of_its_responsibilities() -> None:
    model = toys.mixture(toys.clustered("real", 300), "real")
    split = Split(toys.clustered("real", 300).x.float(), None, model.domain, "none", torch.arange(300))
    r = model.posterior(split.batch(torch.arange(300))).log_r.detach().exp()
    truth = float((r * (r.log() - r.mean(0).log())).nan_to_num().sum(1).mean())
    found = aggregate(model, split)
    assert found.information == pytest.approx(truth, abs=5 * found.information_stderr + 1e-3)
    assert found.kl == pytest.approx(float((r.mean(0) * (r.mean(0).log() - model.log_pi.detach())).sum()), abs=0.1)
    assert len(found.kl_per_dim) == 1


def small(prior: str = "standard_normal", posterior: str | None = None, **options: Any) -> VAE:
    parts = {"posterior": lookup("posterior", posterior)} if posterior else {}
    model = VAE.build(
        DOMAINS[0], options.pop("num_classes", 0), latent=3, width=8, depth=1, prior=lookup("prior", prior),
        **parts, **options,
    )  # fmt: skip
    batch = batch_of(DOMAINS[0], 40)
    model.initialise(replace(batch, y=torch.arange(40) % 3))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


@pytest.mark.parametrize("prior", ["mixture", "realnvp", "bernoulli", "categorical", "vamp"])
def test_every_kind_of_z_has_its_numbers(prior: str) -> None:
    model = small(prior)
    found = aggregate(model, split_of(DOMAINS[0], 100))
    assert len(found.kl_per_dim) == model.prior.num_values
    assert found.rate == pytest.approx(found.information + found.kl)
    assert -0.2 < found.information <= found.cap and 0.3 < found.auc <= 1
    json.dumps(found.to_json(), allow_nan=False)


def test_a_flow_prior_is_compared_where_it_is_normal() -> None:
    """This prior's z is not N(0, I); its u is."""
    model = small("realnvp")
    z = model.draw_prior(4000)[0]
    with torch.no_grad():
        u = _encode(model, split_of(DOMAINS[0], 2000), 0, 4, 0).base
    assert abs(z.std(0) - 1).max() > 0.1
    assert u.mean() == pytest.approx(0, abs=0.05) and u.std() == pytest.approx(1, abs=0.05)


def test_a_flow_posterior_is_looked_at_on_fewer_examples_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.diagnostics.aggregate.INVERTED", 30)
    found = aggregate(small(posterior="flow"), split_of(DOMAINS[0], 40))
    assert found.num_examples == 30 and "instead of 40" in found.fewer
    assert aggregate(small(), split_of(DOMAINS[0], 40)).fewer == ""


def test_labels_that_are_missing_are_no_hindrance() -> None:
    model, split = small(num_classes=3, condition="label"), split_of(DOMAINS[0], 40)
    y = torch.arange(40) % 4 - 1
    assert aggregate(model, replace(split, y=y)).information <= math.log(40)


def test_the_same_seed_gives_the_same_numbers_and_the_model_is_left_as_it_was() -> None:
    model, split = small().train(), split_of(DOMAINS[0], 60)
    one, again, other = aggregate(model, split), aggregate(model, split), aggregate(model, split, seed=1)
    assert one == again and one != other and model.training


def test_the_limit_is_spread_over_the_split() -> None:
    assert aggregate(small(), split_of(DOMAINS[0], 60), limit=20).num_examples == 20


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(RequestError, match="takes at least 4"):
        aggregate(small(), split_of(DOMAINS[0], 3))


# -- islands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "scale"), [(1.0, 1.0), (0.0, 0.4), (-0.5, 1.3)])
def test_marginals_of_draws_come_near_the_closed_form_from_below(mean: float, scale: float) -> None:
    q, p = Normal(mean, scale), Normal(0.0, 1.0)
    truth = float(kl_divergence(q, p))
    found = float(marginal_kl(q.sample((20_000, 1)), p.sample((20_000, 1))))
    assert 0.75 * truth - 0.01 < found < truth + 0.01


def test_equal_marginals_have_the_bias_that_is_stated_and_islands_outside_the_most_there_is() -> None:
    found = marginal_kl(torch.randn(1000, 200), torch.randn(2000, 200))
    assert float(found.mean()) == pytest.approx((BINS - 1) * (1 / 1000 + 1 / 2000) / 2, rel=0.2)
    assert float(marginal_kl(torch.randn(5000, 1) + 100, torch.randn(5000, 1))) == pytest.approx(
        math.log(BINS), abs=0.1
    )


def test_few_values_have_a_bin_each() -> None:
    q, p = Bernoulli(torch.tensor([0.9, 0.5])), Bernoulli(torch.tensor([0.5, 0.02]))
    found = marginal_kl(q.sample((20_000,)), p.sample((20_000,)))
    assert torch.allclose(found.float(), kl_divergence(q, p), atol=0.05)


def halves(draw: Callable[[int], Tensor], num: int = 300, num_draws: int = 2) -> tuple[Tensor, Tensor]:
    return draw(num * num_draws).unflatten(0, (num_draws, num)), draw(num * num_draws).unflatten(0, (num_draws, num))


def normal(num: int) -> Tensor:
    return torch.randn(num, 4)


def ring(num: int) -> Tensor:
    """Means and variances of N(0, I), and nothing in the middle."""
    angle = 2 * math.pi * torch.rand(num)
    return torch.cat([2**0.5 * torch.stack([angle.cos(), angle.sin()], -1), torch.randn(num, 2)], -1)


def two_islands(num: int) -> Tensor:
    z = torch.randn(num, 4)
    z[:, 0] = 0.3 * z[:, 0] + torch.where(torch.rand(num) < 0.5, 0.95, -0.95)
    return z


def correlated(num: int) -> Tensor:
    z = torch.randn(num, 4)
    z[:, 1] = 0.95 * z[:, 0] + math.sqrt(1 - 0.95**2) * z[:, 1]
    return z


@pytest.mark.parametrize(("draw", "least"), [(ring, 0.7), (two_islands, 0.65), (correlated, 0.65)])
def test_the_classifier_sees_what_means_and_variances_do_not(draw: Callable[[int], Tensor], least: float) -> None:
    found = separation(halves(draw), halves(normal))
    assert found.auc > least and found.auc - 5 * found.auc_stderr > 0.5


def test_equal_draws_are_not_told_apart() -> None:
    found = [separation(halves(normal), halves(normal), seed) for seed in range(3)]
    assert all(abs(one.auc - 0.5) < 4 * one.auc_stderr and one.holes < 0.03 for one in found)


def test_a_shift_has_nearly_the_area_of_the_best_classifier() -> None:
    found = separation(halves(lambda num: normal(num) + torch.tensor([1.0, 0, 0, 0])), halves(normal))
    best = float(Normal(0.0, 1.0).cdf(torch.tensor(1 / 2**0.5)))
    assert best - 0.08 < found.auc < best + 3 * found.auc_stderr


def test_the_area_is_scikit_learns_and_its_error_that_of_repetition() -> None:
    rng = np.random.default_rng(0)
    q, p = rng.normal(0.5, 1, (200, 1, 80)).round(1), rng.normal(0, 1, (200, 60)).round(1)
    found = np.array([area(a, b) for a, b in zip(q, p, strict=True)])
    labels = np.arange(140) < 80
    assert found[0, 0] == pytest.approx(roc_auc_score(labels, np.concatenate([q[0, 0], p[0]])))
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.2)


def test_draws_of_one_example_do_not_count_as_examples() -> None:
    scores, prior = np.random.default_rng(0).normal(size=(1, 50)), np.random.default_rng(1).normal(size=10_000)
    once, repeated = area(scores, prior), area(np.repeat(scores, 20, 0), prior)
    assert repeated == pytest.approx(once, rel=0.05)


def test_holes_are_where_the_prior_draws_and_no_code_is() -> None:
    scores, rng = Normal(0.0, 1.0), np.random.default_rng(0)
    q, p = rng.normal(0, 1, (1, 20_000)), rng.normal(-3, 1, 20_000)
    truth = float(scores.cdf(scores.icdf(torch.tensor(0.01)) + 3))
    assert hole_share(q, p) == pytest.approx(truth, abs=0.02)
    far = separation(halves(lambda num: 0.1 * normal(num) + 9), halves(normal))
    assert far.holes > 0.99 and far.auc > 0.999


def measured(worst: float, auc: float, stderr: float = 0.001) -> Aggregate:
    numbers = [9.0, 0.1, 5.0, 0.1, 4.0, 0.1, 7.6]
    return Aggregate(2000, *numbers, False, 0.0, (0.01, worst), (1.0, 2.0), auc, stderr, 0.3, 0.01)


def test_islands_take_both_a_marginal_and_the_classifier() -> None:
    (found,) = measured(MARGINAL + 0.1, AUC + 0.01).findings()
    assert found.code == "islands" and found.number == AUC + 0.01 and "1 of 2 dimensions" in found.sentence
    for harmless in (measured(MARGINAL - 0.1, 0.99), measured(3.0, AUC - 0.01), measured(3.0, AUC + 0.01, 0.02)):
        assert harmless.findings() == []


# -- fitted models ----------------------------------------------------------------------------------------------------


def factors() -> np.ndarray:
    rng = np.random.default_rng(0)
    z, W = rng.normal(size=(1000, 3)), 1.5 * rng.normal(size=(3, 8))
    return (z @ W + rng.normal(size=(1000, 8))).astype(np.float32)


def unrelated() -> np.ndarray:
    """Columns that have nothing to do with each other: p(x|z) explains them without z."""
    return np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)


FITS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "digits": ("digits", {"model.width": 64}, 200),
    "moons": ("moons", {"model.width": 64, "model.latent": 2}, 200),
    "table": (factors, {"model": "linear_gaussian", "model.latent": 3}, 1),
    "beta 50": ("digits", {"model.width": 32, "objective": "beta_elbo", "objective.beta": 50.0}, 200),
    "unrelated columns": (unrelated, {"model.width": 16, "model.latent": 2}, 200),
    "beta 0.001": ("digits", {"model.width": 64, "objective": "beta_elbo", "objective.beta": 0.001}, 250),
}


@functools.cache
def fitted(name: str) -> tuple[Model, Split]:
    source, options, steps = FITS[name]
    data, choices = load(source() if callable(source) else source), choose(options)
    model: Model = seeded(describe(choices.model(data.domain)), 0)
    stage = Stage(choices.objective(), steps, batch_size=64, lr=4e-3, ema_half_life=1000)
    for step in fit(model, data.train, stage):
        trained = step.model
    return trained.eval(), data.test


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("digits", []),
        ("moons", []),
        ("table", []),
        ("beta 50", ["collapse"]),
        ("unrelated columns", ["collapse"]),
        ("beta 0.001", ["islands"]),
    ],
)
def test_healthy_models_have_no_finding_and_sick_ones_have_theirs(name: str, codes: list[str]) -> None:
    model, split = fitted(name)
    found = [*aggregate(model, split).findings(), *collapse(model, split).findings()]
    assert [finding.code for finding in found] == codes
    assert all(finding.sentence and finding.remedy for finding in found)
