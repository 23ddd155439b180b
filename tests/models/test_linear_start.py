"""A VAE starts as the best linear-Gaussian model of x: its bound is that model's log p(x), and training adds to it."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.fitting.prepare import prepare
from unveil.likelihoods.real import Gaussian, Laplace, PredictedGaussian, StudentLikelihood
from unveil.model.shared.linear_start import linear_model
from unveil.models.vae import VAE
from unveil.nn import mixed_factors
from unveil.nn.factors import Factors, best_factors
from unveil.nn.linear_posterior import LinearPosterior, bounded
from unveil.nn.mixed_factors import MixedFactors, mixed
from unveil.ops import keyed
from unveil.priors.mixture import GaussianMixture

LOADINGS = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -1.5], [0.5, 0.5], [1.0, 0.0]])
NOISE = torch.tensor([0.3, 0.5, 0.2, 0.4, 0.6])
COV = LOADINGS @ LOADINGS.T + (NOISE**2).diag()


def table(num_rows: int = 4000, seed: int = 0) -> Tensor:
    """Rows of a factor model, in units that differ by columns."""
    with keyed("table", seed):
        u = torch.randn(num_rows, 2) @ LOADINGS.T + NOISE * torch.randn(num_rows, 5)
    return 10 * u + torch.arange(5.0)


def truth(x: Tensor) -> Tensor:
    return MultivariateNormal(torch.arange(5.0), 100 * COV).log_prob(x)


def started(x: Tensor, observed: Tensor | None = None, y: Tensor | None = None, **options: object) -> VAE:
    domain = Domain("real", tuple(x.shape[1:]))
    with keyed("start"):
        model = VAE.build(domain, num_classes=0 if y is None else 2, has_missing=observed is not None, **options)  # type: ignore[arg-type]
        model.initialise(Batch(x, y=y, observed=observed))
    return model.eval()


def bound(model: VAE, batch: Batch, num_samples: int = 200) -> Tensor:
    """log of the mean weight, with draws from q."""
    with torch.no_grad(), keyed("bound"):
        log_w = model.infer(batch, num_samples).log_w
    return log_w.logsumexp(0) - math.log(num_samples)


def test_the_bound_of_the_start_is_the_likelihood_of_factor_analysis() -> None:
    x, new = table(), table(500, seed=1)
    model = started(x)
    assert model.starts_fitted and model.warmup == 0.0
    gap = truth(new) - bound(model, Batch(new))
    assert gap.mean().abs() < 0.03 and gap.abs().max() < 2
    with torch.no_grad(), keyed("spread"):
        spread = model.infer(Batch(new), 50).log_w.std(0)
    assert spread.mean() < 0.3, "q is the posterior, so every draw weighs the same"


@pytest.mark.parametrize("likelihood", [Gaussian, PredictedGaussian, StudentLikelihood, Laplace])
def test_every_density_of_real_x_starts_near_it(likelihood: type) -> None:
    model, new = started(table(), likelihood=likelihood), table(500, seed=1)
    loss = {Gaussian: 0.03, PredictedGaussian: 0.05, StudentLikelihood: 0.2, Laplace: 0.6}[likelihood]
    assert 0 <= (truth(new) - bound(model, Batch(new))).mean() + 0.02 < loss + 0.02


def test_it_starts_from_the_observed_part_of_a_table_with_gaps() -> None:
    x, new = table(), table(500, seed=1)
    with keyed("gaps"):
        observed = torch.rand(x.shape) > 0.2
    model = started(torch.where(observed, x, 0.0), observed)
    whole = bound(model, Batch(new, observed=torch.ones_like(new, dtype=torch.bool)))
    assert (truth(new) - whole).mean() < 0.6
    with keyed("start"):
        noise = VAE.build(Domain("real", (5,)), has_missing=True)
    independent = -0.5 * (torch.log(2 * torch.pi * 100 * COV.diagonal()) + 1).sum()
    assert whole.mean() > independent + 1 and noise.starts_fitted


def test_with_labels_it_starts_as_the_model_within_classes() -> None:
    """A rare class far from the others is drawn where it is, before any step."""
    x = table(600)
    y = (torch.arange(600) % 40 == 0).long()
    x = x + 200 * y.unsqueeze(-1)
    model = started(x, y=y, condition="label")
    with keyed("draws"):
        drawn, _ = model.sample(2000, torch.ones(2000, dtype=torch.int64))
    own = x[y == 1].mean(0)
    assert ((drawn.mean(0) - own).abs() < 2.0).all()
    assert (drawn.std(0) / (10 * COV.diagonal().sqrt())).sub(1).abs().max() < 0.2
    new, label = table(200, seed=1) + 200, torch.ones(200, dtype=torch.int64)
    assert (truth(new - 200) - bound(model, Batch(new, y=label))).mean().abs() < 1.5  # 15 rows say where it is


def test_images_have_a_linear_path_where_their_likelihood_takes_one() -> None:
    with keyed("pictures"):
        side = torch.linspace(-1, 1, 8)
        x = (128 + 40 * torch.randn(500, 1, 1) * side + 30 * torch.randn(500, 1, 1) * side.unsqueeze(-1)).round()
        x = (x + 3 * torch.randn(x.shape)).round().clamp(0, 255)
        model = VAE.build(Domain("levels", (8, 8), 256))
        model.initialise(Batch(x))
    mean = model.decode(model.eval().posterior(Batch(x)).mean)
    assert model.starts_fitted
    assert (mean.mean - x).pow(2).mean().sqrt() < 3.5
    binary = VAE.build(Domain("binary", (8, 8)))
    assert not binary.starts_fitted and binary.warmup == 0.1


def test_latents_beyond_the_factors_stay_at_the_prior() -> None:
    model, new = started(table(), latent=20), table(500, seed=1)
    rate = model.rate_per_dimension(Batch(new))
    assert rate is not None
    assert 2 <= int((rate.mean(0) > 0.1).sum()) <= 3


# The linear model


def test_factor_analysis_finds_the_covariance() -> None:
    with keyed("factors"):
        u = torch.randn(20_000, 2) @ LOADINGS.T + NOISE * torch.randn(20_000, 5)
    found = best_factors(u - u.mean(0), 4, 1e-6)
    assert found.W.shape[1] in (2, 3)
    torch.testing.assert_close((found.W @ found.W.T + found.psi.diag()).float(), COV, atol=0.1, rtol=0.03)


def test_its_posterior_and_likelihood_are_those_of_the_joint_normal() -> None:
    with keyed("factors"):
        found = best_factors(torch.randn(300, 3) @ torch.randn(3, 6) + 0.3 * torch.randn(300, 6), 3, 1e-6)
        u = torch.randn(7, 6, dtype=torch.float64)
    cov = found.W @ found.W.T + found.psi.diag()
    torch.testing.assert_close(found.log_prob(u), MultivariateNormal(torch.zeros(6).double(), cov).log_prob(u))
    torch.testing.assert_close(u @ found.gain.T, u @ torch.linalg.solve(cov, found.W))
    left = torch.eye(found.W.shape[1]) - found.W.T @ torch.linalg.solve(cov, found.W)
    torch.testing.assert_close(left, (1 / found.precision).diag(), atol=1e-9, rtol=0)


def test_independent_columns_have_no_factors() -> None:
    with keyed("none"):
        found = best_factors(torch.randn(2000, 6), 5, 1e-6)
    assert found.W.shape[1] == 0
    assert isinstance(found, Factors) and found.gain.shape == (0, 6)


def test_more_columns_than_rows() -> None:
    with keyed("wide"):
        u = torch.randn(60, 3) @ torch.randn(3, 300) + 0.3 * torch.randn(60, 300)
    assert 2 <= best_factors(u - u.mean(0), 50, 1e-6).W.shape[1] <= 5


def test_the_posterior_under_a_mask_is_that_of_the_observed_part() -> None:
    with keyed("masked"):
        found = best_factors(torch.randn(400, 2) @ torch.randn(2, 6) + 0.4 * torch.randn(400, 6), 3, 1e-6)
        u, observed = torch.randn(8, 6), torch.rand(8, 6) > 0.4
    posterior = LinearPosterior(6, 4)
    posterior.set(MixedFactors.normal(found), torch.zeros(0, 6))
    mean, log_s = posterior(torch.where(observed, u, 0.0), observed, None).split(4, -1)
    W, q = found.W, found.W.shape[1]
    for row, seen, m, s in zip(u, observed, mean, bounded(log_s).exp(), strict=True):
        cov = (W[seen] @ W[seen].T + found.psi[seen].diag()).inverse()
        torch.testing.assert_close(m[:q], (W[seen].T @ cov @ row[seen].double()).float(), atol=1e-4, rtol=1e-4)
        left = torch.eye(q) - W[seen].T @ cov @ W[seen]
        torch.testing.assert_close(s[:q], left.diagonal().sqrt().float(), atol=1e-3, rtol=1e-3)
    assert mean[:, q:].abs().max() == 0 and torch.allclose(log_s[:, q:], torch.zeros(8, 4 - q))
    whole = posterior(u, torch.ones_like(observed), None)
    torch.testing.assert_close(posterior(u, None, None), whole, atol=1e-4, rtol=1e-4)


def test_rows_with_holes_are_judged_right_by_a_run_of_whole_rows() -> None:
    model, new = started(table()), table(100, seed=1)
    with keyed("holes"):
        observed = torch.rand(new.shape) > 0.5
    found = bound(model, Batch(torch.where(observed, new, 0.0), observed=observed), 400)
    exact = [
        MultivariateNormal(torch.arange(5.0)[o], 100 * COV[o][:, o]).log_prob(x[o]) if o.any() else torch.zeros(())
        for x, o in zip(new, observed, strict=True)
    ]
    assert (torch.stack(exact) - found).abs().mean() < 0.1


def test_it_holds_where_a_column_follows_from_others() -> None:
    """There the posterior is a thousandth wide, and so little must be added to its mean."""
    with keyed("total"):
        g, other = torch.randn(600, 3), torch.randn(600, 2)
    x = torch.cat([g, g.sum(1, keepdim=True), other], 1)
    model = started(x)
    assert model.linear is not None
    u, linear = (x - model.centre) / model.spread, Factors(model.linear.W.double(), model.linear.psi.double())
    exact = linear.log_prob(u.double()) - model.spread.double().log().sum()
    with torch.no_grad(), keyed("one draw"):
        elbo = model.infer(Batch(x), 20).elbo
    assert (exact - elbo).mean() < 0.15


# A mixture of the factors


def clusters(num_rows: int, seed: int = 0) -> Tensor:
    """Rows of three clusters in two factors of six columns, in units of their own."""
    with keyed("clusters", seed):
        z = torch.tensor([[-4.0, 0.0], [0.0, 3.0], [4.0, -1.0]])[torch.randint(3, (num_rows,))]
        z = z + torch.tensor([0.3, 1.0]) * torch.randn(num_rows, 2)
        loadings = torch.tensor([[1.0, 0.0, 1.0, 2.0, 0.0, 1.0], [0.0, 1.0, -1.0, 0.0, 1.0, 1.0]])
        return 5 * (z @ loadings + 0.3 * torch.randn(num_rows, 6)) + 7


def of_clusters(num_rows: int = 300, num_components: int = 3) -> tuple[MixedFactors, Tensor]:
    u = clusters(num_rows).double()
    u = (u - u.mean(0)) / u.std(0)
    return mixed(best_factors(u, 3, 1e-6), u, num_components), u


def normals(model: MixedFactors, seen: Tensor) -> MixtureSameFamily:
    """p(u_seen) with its covariances written out."""
    W, psi = model.factors.W[seen], model.factors.psi[seen]
    cov = (W * model.scale.unsqueeze(-2) ** 2) @ W.T + psi.diag()
    return MixtureSameFamily(Categorical(logits=model.log_pi), MultivariateNormal(model.loc @ W.T, cov))


def test_a_mixture_of_factors_states_its_whole_likelihood() -> None:
    model, u = of_clusters()
    whole = normals(model, torch.ones(6, dtype=torch.bool)).log_prob(u)
    torch.testing.assert_close(model.log_prob(u), whole, atol=1e-6, rtol=1e-6)
    square = model.factors.W.T @ model.factors.weighted
    torch.testing.assert_close(square, square.diagonal().diag(), atol=1e-8, rtol=1e-8)
    assert model.log_prob(u).mean() > model.factors.log_prob(u).mean() + 0.5


def test_held_out_rows_ask_for_a_mixture_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed_factors, "ROUNDS", 20)
    assert len(linear_model(clusters(80), None, False, True).log_pi) >= 3
    assert len(linear_model(clusters(80), None, False, False).log_pi) == 1
    assert len(linear_model(table(80), None, False, True).log_pi) == 1


def test_the_posterior_of_a_mixture_has_the_moments_that_bayes_gives() -> None:
    model, u = of_clusters()
    ends = model.loc[[0, 1, 2, 0, 1, 2]] + model.loc[[1, 2, 0, 0, 1, 2]]
    u, q = 0.5 * ends @ model.factors.W.T + 0.1 * u[:6], model.factors.W.shape[1]  # between components, and on them
    posterior = LinearPosterior(6, 4, num_components=3).double()
    posterior.set(model, torch.zeros(0, 6))
    with keyed("masks"):
        observed = torch.rand(6, 6) > 0.4
    mean, log_s = posterior(torch.where(observed, u, 0.0), observed, None).split(4, -1)
    for row, seen, m, s in zip(u, observed, mean, bounded(log_s).exp(), strict=True):
        W, psi = model.factors.W[seen], model.factors.psi[seen]
        p = normals(model, seen)
        r = (model.log_pi + p.component_distribution.log_prob(row[seen])).softmax(-1)
        cov = torch.stack([(scale**-2).diag() + (W.T / psi) @ W for scale in model.scale]).inverse()
        each = (cov @ ((W.T / psi) @ row[seen] + model.loc / model.scale**2).unsqueeze(-1)).squeeze(-1)
        middle = r @ each
        spread = r @ (cov.diagonal(dim1=-2, dim2=-1) + (each - middle) ** 2)
        torch.testing.assert_close(m[:q], middle, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(s[:q], spread.sqrt(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(posterior(u, None, None), posterior(u, torch.ones_like(observed), None))


def test_a_fit_of_a_short_table_says_that_it_takes_a_mixture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mixed_factors, "ROUNDS", 20)
    words = {"train.steps": 1, "evaluation.baselines": "none"}
    found = prepare(clusters(100).numpy(), out=tmp_path / "run", options=words)
    said = " ".join(found.config.notes)
    assert "The prior is a mixture of" in said and "factors" not in said
    assert found.config.model["prior"]["name"] == "mixture"
    assert VAE.sizes_for(Domain("real", (6,)), clusters(100), None, 100, {"prior": "standard_normal"})[1] == 0
    assert VAE.sizes_for(Domain("real", (6,)), clusters(500), None, 500, {}) == (0, 0)
    assert VAE.sizes_for(Domain("real", (200,)), torch.randn(100, 200), None, 100, {}) == (0, 0)


def test_a_mixture_prior_starts_at_the_clusters() -> None:
    x, new = clusters(300), clusters(300, seed=1)
    prior = functools.partial(GaussianMixture, num_components=3)
    model, plain = started(x, latent=4, prior=prior), started(x, latent=4)
    assert model.starts_fitted and model.linear is not None
    found = linear_model(x, None, False, False).factors
    exact = mixed(found, ((x - model.centre) / model.spread).double(), 3)
    truth = exact.log_prob(((new - model.centre) / model.spread).double()) - model.spread.double().log().sum()
    assert (truth - bound(model, Batch(new))).mean().abs() < 0.1
    assert (bound(model, Batch(new)) - bound(plain, Batch(new))).mean() > 0.5
