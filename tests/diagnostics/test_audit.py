"""log p(x) = ELBO + KL(q‖p(z|x)): the audit closes where it should, and only there."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from exact.toys import clustered, linear_gaussian, mixture, real_rows
from unveil.batch import Batch
from unveil.data import Split, rowblocks
from unveil.diagnostics import audit as audits
from unveil.diagnostics import routes
from unveil.diagnostics.audit import Audit, audit
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.model import Model, OneGroup
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.vae import VAE
from unveil.ops import keyed
from unveil.priors.discrete import BernoulliPrior
from unveil.registry import lookup
from unveil.terms import Terms

BINARY = Domain("binary", (12,))


@pytest.fixture(autouse=True)
def _blocks_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of few examples is not filled up to 128."""
    monkeypatch.setattr(rowblocks, "ROWS", 20)


def split_of(x: Tensor, domain: Domain) -> Split:
    stored = x.to(torch.uint8) if domain.is_discrete else x.float()
    return Split(stored, None, domain, "none", torch.arange(len(x)))


def real_split(num: int = 40) -> Split:
    return split_of(real_rows(num), Domain("real", (6,)))


def free(split: Split) -> LinearGaussian:
    """Half a standard deviation off p(z|x), and wider."""
    model = linear_gaussian(split.x.double(), inference="free")
    with torch.no_grad():
        model.b.add_(0.5 * model._q()[2].sum(-1))
        model.log_L.add_(0.3 * torch.eye(2))
    return model


def binary_split(num: int = 20) -> Split:
    return split_of(torch.randint(2, (num, 12)).float(), BINARY)


def vae(latent: int, **parts: Any) -> VAE:
    with keyed("small vae", latent):
        model = VAE.build(BINARY, latent=latent, network="mlp", width=16, depth=1, **parts)
        model.initialise(Batch(torch.randint(2, (50, 12)).float()))
        with torch.no_grad():
            for p in model.decoder.parameters():
                p.add_(0.4 * torch.randn_like(p))
    return model


def words_of(found: Audit) -> str:
    return "\n".join(found.lines())


# Closed forms


def test_a_loose_gaussian_closes_with_a_divergence_above_zero() -> None:
    split = real_split(120)
    model = free(split)
    found = audit(model, split, limit=None, num_samples=200)
    batch = split.batch(torch.arange(len(split)))
    divergence = kl_divergence(model.posterior(batch).distribution, model._exact(batch))
    torch.testing.assert_close(found.kl.value, divergence)
    torch.testing.assert_close(found.log_px.value, model.log_prob(batch))
    assert found.route == "closed" and found.checked is True and found.kl.value.min() > 0.05
    off = (found.elbo.value - (model.log_prob(batch) - divergence)) / found.elbo.error
    assert off.abs().max() < 4.5 and 0.8 < off.square().mean().sqrt() < 1.2
    assert "✓ closes" in words_of(found) and found.findings() == []


def test_the_exact_posterior_has_no_divergence() -> None:
    split = real_split()
    found = audit(linear_gaussian(split.x.double()), split, num_samples=500)
    assert found.checked is True and found.kl.value.abs().max() < 1e-9
    assert found.constant is not None and found.constant.max() < 1e-9


def test_the_ratio_of_the_joint_to_the_posterior_is_the_same_for_every_z() -> None:
    split = real_split()
    found = audit(free(split), split, num_samples=50)
    assert found.constant is not None and found.constant.shape == (40,) and found.constant.max() < 1e-9
    assert "is p(x) whatever z" in words_of(found)


@pytest.mark.parametrize("kind", ["real", "binary"])
def test_a_mixture_closes_without_error(kind: str) -> None:
    batch = clustered(kind, 30)
    model = mixture(batch, kind)
    found = audit(model, split_of(batch.x, model.domain))
    assert found.route == "sum" and found.checked is True
    for value in (found.kl.value, found.residual.value, found.constant):
        assert value is not None and value.abs().max() < 1e-6
    assert (found.residual.error == 0).all()


def test_a_discrete_vae_closes_with_a_divergence_above_zero() -> None:
    model, split = vae(4, prior=BernoulliPrior), binary_split()
    found = audit(model, split)
    batch = split.batch(torch.arange(len(split)))
    with torch.no_grad():
        elbo = model.enumerate(batch).elbo.double()
        torch.testing.assert_close(found.kl.value, model.log_prob(batch) - elbo, rtol=1e-3, atol=1e-4)
    assert found.route == "sum" and found.checked is True and found.kl.mean > 0.05
    assert found.constant is None and "constant over z by construction" in words_of(found)


# The grid


@pytest.mark.parametrize("latent", [1, 2])
def test_a_small_vae_closes_on_the_grid(latent: int) -> None:
    model, split = vae(latent), binary_split()
    found = audit(model, split, num_samples=2000)
    assert found.route == "grid" and found.checked is True
    assert found.kl.mean > 0.05 and found.residual.stderr < 0.03 and found.bias.max() < 2e-3
    off = found.residual.value / (found.residual.error + found.bias + found.slack)
    assert off.abs().max() < 4.5
    assert found.constant is None and "by construction" in words_of(found)


def test_the_divergence_on_the_grid_is_that_of_the_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its posterior kept from the audit, a linear-Gaussian model goes by the grid."""
    split = real_split(20)
    model = free(split)
    known = audit(model, split, num_samples=20)
    monkeypatch.setattr(model, "true_posterior", lambda batch: None)
    found = audit(model, split, num_samples=20)
    assert (known.route, found.route) == ("closed", "grid")
    torch.testing.assert_close(found.kl.value, known.kl.value, rtol=0, atol=2e-3)
    torch.testing.assert_close(found.log_px.value, known.log_px.value, rtol=0, atol=1e-4)


# Where it must not close


class WrongPosterior(LinearGaussian):
    """It takes another p(z|x) for its own: the KL is that to the wrong distribution."""

    def true_posterior(self, batch: Batch) -> OneGroup:
        p = self._exact(batch)
        wrong = MultivariateNormal(p.mean + 0.3 * p.stddev, scale_tril=p.scale_tril, validate_args=False)
        return OneGroup(lambda hold: wrong)


class WrongPrior(VAE):
    """The density of its prior is short of log 2 in `joint`, and whole in the closed-form KL."""

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        terms = super().joint(batch, z)
        return replace(terms, log_pz=terms.log_pz - 0.7)


def test_a_wrong_divergence_does_not_close() -> None:
    split = real_split()
    model = linear_gaussian(split.x.double())
    model.__class__ = WrongPosterior
    found = audit(model, split, num_samples=4000)
    assert found.checked is False and abs(found.residual.mean) > 0.05
    assert found.constant is not None and found.constant.min() > 0.1  # not p(x) alone, then
    (finding,) = found.findings()
    assert finding.code == "audit_open" and finding.number == pytest.approx(found.residual.mean)
    assert "✓" not in words_of(found) and "does not close" in words_of(found)
    assert found.to_json()["checked"] is False


@pytest.mark.parametrize("added", [0.7])
def test_an_elbo_that_is_too_high_does_not_close_on_a_grid_of_three_latents(
    added: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of log p(x) on the grid, which is in the KL, too, excuses nothing."""
    model = vae(3, prior=partial(lookup("prior", "realnvp"), num_transforms=2, width=8))
    split = binary_split(2)
    monkeypatch.setattr(rowblocks, "ROWS", 2)
    monkeypatch.setattr(routes, "posterior_grid", partial(routes.posterior_grid, max_evaluations=10_000))
    true = audit(model, split, num_samples=2000)
    assert true.checked is True and true.slack.mean() < audits.COARSE
    with monkeypatch.context() as patch:
        elbo = routes._elbo
        patch.setattr(routes, "_elbo", lambda *given: replace(elbo(*given), value=elbo(*given).value + added))
        found = audit(model, split, num_samples=2000)
    assert found.checked is False and found.residual.mean == pytest.approx(-added, abs=0.08)


def test_a_grid_too_coarse_for_q_does_not_close_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    model, split = vae(2), binary_split(6)
    monkeypatch.setattr(routes, "posterior_grid", partial(routes.posterior_grid, max_evaluations=1, tolerance=100.0))
    monkeypatch.setattr(audits, "COARSE", 1e-9)
    found = audit(model, split, num_samples=2000)
    assert found.checked is None and "✓" not in words_of(found)
    assert "too coarse" in found.words and found.to_json()["grid_slack"] > 0


def test_a_density_that_is_not_complete_does_not_close() -> None:
    model, split = vae(2), binary_split()
    model.__class__ = WrongPrior
    found = audit(model, split, num_samples=1000)
    assert found.route == "grid" and found.checked is False
    assert found.residual.mean == pytest.approx(-0.7, abs=0.1)


# Without a route


def test_a_vae_of_many_latents_closes_by_construction_and_says_so() -> None:
    model, split = vae(8), binary_split()
    found = audit(model, split, num_samples=300)
    assert found.route == "construction" and found.checked is None and found.constant is None
    torch.testing.assert_close(found.kl.value, found.log_px.value - found.elbo.value)
    assert (found.residual.value.abs() < 1e-9).all() and found.kl.mean > 0 and found.findings() == []
    printed = words_of(found)
    assert "✓" not in printed and "closes by construction" in printed and "IWAE-300, a lower bound" in printed
    assert found.to_json()["checked"] is None


def test_a_vae_of_many_values_has_its_exact_number_all_the_same() -> None:
    model, split = vae(8, prior=BernoulliPrior), binary_split()
    found = audit(model, split, num_samples=100)
    batch = split.batch(torch.arange(len(split)))
    with torch.no_grad():
        torch.testing.assert_close(found.log_px.value, model.log_prob(batch).double())
    assert found.route == "construction" and "lower" not in found.words


# What is printed, and repeatable


def test_the_table_has_a_line_for_each_term_and_the_json_its_numbers() -> None:
    split = real_split()
    found = audit(free(split), split, num_samples=50)
    head, *rows = found.lines()
    assert "40 examples" in head and [row.split()[0] for row in rows[:4]] == [
        "log",
        "ELBO",
        "KL(q(z|x)‖p(z|x))",
        "residual",
    ]
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["num_examples"] == 40 and stored["kl"]["mean"] == pytest.approx(found.kl.mean)
    assert stored["residual"]["mean"] == pytest.approx(found.log_px.mean - found.elbo.mean - found.kl.mean)
    assert f"{found.kl.mean:.4f}" in rows[2]


def test_the_first_examples_have_the_same_numbers_whatever_the_limit() -> None:
    model, split = vae(1), binary_split(140)
    whole, part = audit(model, split, limit=None, num_samples=20), audit(model, split, limit=9, num_samples=20)
    assert len(whole.bias) == 140 and len(part.bias) == 9
    torch.testing.assert_close(part.residual.value, whole.residual.value[:9], rtol=0, atol=1e-4)
    other = audit(model, split, limit=9, num_samples=20, seed=1)
    assert not torch.allclose(other.elbo.value, part.elbo.value)


def test_the_model_is_put_back_and_the_noise_left_alone() -> None:
    model, split = vae(1).train(), binary_split(4)
    before = torch.random.get_rng_state()
    audit(model, split, num_samples=4)
    assert model.training and torch.equal(before, torch.random.get_rng_state())


def test_a_model_without_samples_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Model = vae(1)
    monkeypatch.setattr(VAE, "gives", frozenset({"kl", "rsample"}))
    with pytest.raises(RequestError, match="The audit needs"):
        audit(model, binary_split(4))


def test_no_samples_are_refused() -> None:
    with pytest.raises(RequestError, match="num_samples is 0"):
        audit(vae(1), binary_split(4), num_samples=0)
