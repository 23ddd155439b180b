"""Estimates of log p(x) against its exact value, and their stated errors against their real ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from canned import Canned, random_terms
from exact.toys import clustered, linear_gaussian, mixture, real_rows
from mixedtables import mixed, rows
from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError, WorkError
from unveil.estimators import base
from unveil.estimators.base import Estimator, evaluate
from unveil.estimators.bounds import ElboBound, Exact, IwaeBound
from unveil.estimators.psis import pareto_k
from unveil.models.autoregressive import AnyOrder
from unveil.models.linear_gaussian import LinearGaussian
from unveil.ops import keyed, log_mean_exp


def loose(x: Tensor) -> LinearGaussian:
    """A linear-Gaussian model at its optimum, whose q is near p(z|x) and not there."""
    model = linear_gaussian(x, inference="free")
    with torch.no_grad():
        model.b.add_(0.5 * model._q()[2].sum(-1))  # half a standard deviation off, and wider: weights of light tails
        model.log_L.add_(0.3 * torch.eye(2))
    return model


# Against the truth


@pytest.mark.parametrize("num_samples", [16, 400])
def test_the_elbo_of_a_loose_posterior_falls_short_by_its_divergence(num_samples: int) -> None:
    """ELBO = log p(x) − KL(q(z|x)‖p(z|x))."""
    batch = Batch(real_rows(60))
    model = loose(batch.x)
    found = ElboBound(num_samples=num_samples)(model, batch)
    gap = kl_divergence(model.posterior(batch).distribution, model._exact(batch))
    off = (found.log_px - (model.log_prob(batch) - gap)) / found.stderr_mc
    assert gap.min() > 0.05 and found.direction == "lower"
    assert off.abs().max() < 4.5 and off.abs().mean() < 1.2 and off.mean().abs() < 0.6


def test_the_importance_weighted_estimate_closes_the_gap() -> None:
    batch = Batch(real_rows(60))
    model = loose(batch.x)
    found, truth = IwaeBound(num_samples=3000)(model, batch), model.log_prob(batch)
    off = (found.log_px - truth) / found.stderr_mc
    assert off.abs().max() < 4.5 and off.abs().mean() < 1.2 and found.stderr_mc.max() < 0.05
    few = IwaeBound(num_samples=4)(model, batch)
    assert found.diagnostics["elbo"].mean() < few.log_px.mean() < truth.mean()


@pytest.mark.parametrize("kind", ["real", "binary", "levels"])
def test_a_mixture_is_estimated_without_error(kind: str) -> None:
    batch = clustered(kind, 30)
    model = mixture(batch, kind)
    truth = model.log_prob(batch)
    for estimator in (ElboBound(num_samples=3), IwaeBound(num_samples=3), Exact()):
        found = estimator(model, batch)
        torch.testing.assert_close(found.log_px, truth, rtol=0, atol=1e-9)
        assert found.stderr_mc.abs().max() < 1e-9
    assert Exact().direction == "exact"


# The stated errors


@pytest.mark.parametrize("make", [lambda: ElboBound(num_samples=20), lambda: IwaeBound(num_samples=50)])
def test_the_stated_error_is_the_spread_over_seeds(make: Callable[[], Estimator]) -> None:
    batch = Batch(real_rows(40))
    model, estimator = loose(batch.x), make()
    runs = []
    for seed in range(200):
        with keyed("seed", seed), torch.no_grad():
            runs.append(estimator(model, batch))
    spread = torch.stack([run.log_px for run in runs]).std(0)
    stated = torch.stack([run.stderr_mc for run in runs]).pow(2).mean(0).sqrt()
    ratio = (stated / spread).log().mean().exp()
    assert 0.92 < ratio < 1.08


@pytest.mark.parametrize("training", [False, True])
def test_a_model_without_latents_is_asked_once_for_its_exact_log_p(
    monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    model, batch = AnyOrder.build(mixed(3), width=8).train(training), Batch(rows(mixed(3), 20))
    model.initialise(batch)
    asked, own = [], AnyOrder.log_prob

    def counted(self: AnyOrder, batch: Batch) -> Tensor:
        asked.append(self.training)
        return own(self, batch)

    monkeypatch.setattr(AnyOrder, "log_prob", counted)
    found = Exact()(model, batch)
    assert len(asked) == 1
    torch.testing.assert_close(found.log_px, own(model, batch).double())


def test_one_draw_cannot_tell_its_error() -> None:
    for estimator in (ElboBound(num_samples=1), IwaeBound(num_samples=1)):
        found = estimator(Canned(random_terms(1, 5)), Batch(torch.zeros(5, 1)))
        assert torch.isfinite(found.log_px).all() and found.stderr_mc.isnan().all()


def test_both_errors_by_hand() -> None:
    terms = random_terms(6, 5)
    batch, log_w = Batch(torch.zeros(5, 1)), terms.log_w.numpy()
    elbo, iwae = (cls(num_samples=6)(Canned(terms), batch) for cls in (ElboBound, IwaeBound))
    np.testing.assert_allclose(elbo.log_px, log_w.mean(0))
    np.testing.assert_allclose(elbo.stderr_mc, log_w.std(0, ddof=1) / 6**0.5)
    w = np.exp(log_w - log_w.max(0))
    np.testing.assert_allclose(iwae.log_px, np.log(w.mean(0)) + log_w.max(0))
    np.testing.assert_allclose(iwae.stderr_mc, w.std(0, ddof=1) / w.mean(0) / 6**0.5)
    np.testing.assert_allclose(iwae.diagnostics["ess"], w.sum(0) ** 2 / (w**2).sum(0))


def test_the_two_halves_are_means_over_the_draws() -> None:
    kl = torch.rand(6, 5, 2).double()
    terms = random_terms(6, 5, kl=kl)
    for cls in (ElboBound, IwaeBound):
        found = cls(num_samples=6)(Canned(terms), Batch(torch.zeros(5, 1))).diagnostics
        torch.testing.assert_close(found["kl"], kl.mean(0))
        torch.testing.assert_close(found["rate"], kl.sum(-1).mean(0))
        torch.testing.assert_close(found["distortion"], -terms.log_px_z.mean(0))
        torch.testing.assert_close(found["elbo"], -found["rate"] - found["distortion"])


# Effective samples and k̂


def test_equal_weights_count_in_full_and_one_great_weight_counts_as_one() -> None:
    terms = random_terms(50, 2)
    log_px_z = terms.log_px_z - terms.log_w  # log w = 0
    log_px_z[7, 1] += 200
    model = Canned(replace(terms, log_px_z=log_px_z))
    found = IwaeBound(num_samples=50)(model, Batch(torch.zeros(2, 1))).diagnostics
    torch.testing.assert_close(found["ess"], torch.tensor([50.0, 1.0]).double())
    assert found["khat"][0] < 0.7


WEIGHTS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "wide normal": lambda rng, n: 4 * rng.normal(size=n) - 300,
    "bounded": lambda rng, n: np.log(rng.uniform(0.5, 1, size=n)),
    "pareto 0.3": lambda rng, n: 0.3 * rng.exponential(size=n),
    "pareto 0.9": lambda rng, n: 0.9 * rng.exponential(size=n),
    "pareto 2": lambda rng, n: 2 * rng.exponential(size=n) + 1000,
    "half cauchy": lambda rng, n: np.log(np.abs(rng.standard_cauchy(size=n))),
}


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("num", [25, 100, 225, 900, 4900])  # 3√K is whole: arviz rounds it down, the paper up
def test_khat_is_that_of_another_library(name: str, num: int) -> None:
    from arviz_stats.base import array_stats

    rng = np.random.default_rng(3)
    log_w = np.stack([WEIGHTS[name](rng, num) for _ in range(4)], -1)  # [K, B]
    expected = [float(array_stats.psislw(-column)[1]) for column in log_w.T.copy()]
    np.testing.assert_allclose(pareto_k(torch.from_numpy(log_w)), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [0.2, 0.7, 1.2])
def test_khat_finds_the_shape_of_a_pareto_tail(shape: float) -> None:
    found = pareto_k(shape * torch.empty(20_000, 8).double().exponential_())
    assert (found.mean() - shape).abs() < 0.12


def test_khat_is_unknown_below_25_samples_and_minus_infinity_of_equal_weights() -> None:
    assert pareto_k(torch.randn(20, 3)).isnan().all()
    assert (pareto_k(torch.zeros(100, 3)) == -torch.inf).all()


# Adding up


def test_streamed_draws_are_those_of_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    terms, batch = random_terms(70, 5), Batch(torch.zeros(5, 1))
    whole = IwaeBound(num_samples=70)(Canned(terms), batch)
    monkeypatch.setattr(base, "DECODED", 5 * 9)  # nine draws at a time
    for cls in (ElboBound, IwaeBound):
        model = Canned(terms)
        parts = cls(num_samples=70)(model, batch)
        assert model.asked == [9] * 7 + [7]
        expected = terms.log_w.mean(0) if cls is ElboBound else whole.log_px
        torch.testing.assert_close(parts.log_px, expected)
        torch.testing.assert_close(parts.diagnostics["elbo"], whole.diagnostics["elbo"])
    torch.testing.assert_close(whole.log_px, log_mean_exp(terms.log_w))


def test_a_great_many_small_weights_lose_nothing() -> None:
    log_w = torch.cat([torch.zeros(1), torch.full((100_000,), -9.0)]).unsqueeze(-1)  # float32 would drop the tail
    exact = math.log(1 + 100_000 * math.exp(-9)) - math.log(100_001)
    assert abs(float(log_mean_exp(log_w)) - exact) < 1e-9
    assert log_mean_exp(torch.full((3, 2), -1e5)).tolist() == [-1e5, -1e5]


def test_log_mean_exp_counts_the_weights_it_holds() -> None:
    log_w = torch.randn(7, 5).double()
    torch.testing.assert_close(log_mean_exp(log_w), log_w.exp().mean(0).log())
    log_m = torch.randn(7, 5).double().log_softmax(0)
    torch.testing.assert_close(log_mean_exp(log_w, 0, log_m), (log_m + log_w).exp().sum(0).log())
    torch.testing.assert_close(log_mean_exp(log_w, 1), log_w.exp().mean(1).log())


# The driver


def test_a_value_that_is_not_finite_is_an_error_with_its_row() -> None:
    x = real_rows(20).float()
    model = linear_gaussian(x)
    x[13, 2] = torch.inf
    split = Split(x, None, Domain("real", (6,)), "none", torch.arange(20))
    with pytest.raises(WorkError, match="row 13 came out as"):
        evaluate(model, split, Exact())


def noisy_rows(count: int) -> tuple[LinearGaussian, Split]:
    x = real_rows(count).float()
    return loose(x.double()).float(), Split(x, None, Domain("real", (6,)), "none", torch.arange(count))


def test_the_numbers_of_a_row_do_not_hang_on_how_many_come_after_it() -> None:
    model, split = noisy_rows(140)
    whole, _ = evaluate(model, split, IwaeBound(num_samples=4))
    for limit in (1, 17, 128, 133):
        part, _ = evaluate(model, split, IwaeBound(num_samples=4), limit=limit)
        torch.testing.assert_close(part.log_px, whole.log_px[:limit], rtol=0, atol=1e-4)


def test_all_draws_are_judged_in_evaluation_mode() -> None:
    model, split = noisy_rows(20)
    modes: list[bool] = []
    infer = model.train().draw_terms

    def spied(*given: object, **options: object) -> object:
        modes.append(model.training or torch.is_grad_enabled())
        return infer(*given, **options)  # type: ignore[arg-type]

    model.draw_terms = spied  # type: ignore[method-assign,assignment]
    evaluate(model, split, IwaeBound(num_samples=300))
    assert len(modes) > 1 and not any(modes) and model.training


@pytest.mark.parametrize("cls", [ElboBound, IwaeBound])
def test_no_samples_make_no_estimate(cls: type[Estimator]) -> None:
    with pytest.raises(RequestError, match="num_samples is 0"):
        cls(num_samples=0)  # type: ignore[call-arg]
