"""Baselines of counts: exact where they say so, EM that climbs, and the truth where the data come from it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import nbinom, norm, poisson

from unveil.batch import Batch
from unveil.data import load
from unveil.domain import Domain
from unveil.evaluation.baselines.columns import Columns
from unveil.evaluation.baselines.counts import Counts
from unveil.evaluation.baselines.fit import Baseline, fit_baselines
from unveil.evaluation.baselines.mixtures import log_bin, log_cube
from unveil.models.mixture import Mixture

Array = np.ndarray


def overdispersed(num: int, rng: np.random.Generator) -> Array:
    """Three columns of two groups: rates and spreads differ, and a column goes up to thousands."""
    group = rng.integers(0, 2, num)
    rate = np.array([[2.0, 30.0, 900.0], [9.0, 3.0, 900.0]])[group]
    size = np.array([[1.0, 50.0, 3.0], [4.0, 0.5, 3.0]])[group]
    return rng.poisson(rng.gamma(size, rate / size))


def fitted(x: Array, size: int, dispersed: bool, rounds: int = 8) -> tuple[Counts, list[float]]:
    torch.manual_seed(0)
    given = torch.from_numpy(x).float()
    model, columns = Counts.start(given, size, 0.3, dispersed), Columns.of(given)
    return model, [model.solve(columns) for _ in range(rounds)]


def closed_form(model: Counts, x: Array) -> Array:
    """log Σ_c π_c Π_d p(x_d|c), [N], by scipy."""
    mean, v = model.mean.squeeze(1).T.numpy(), x[:, None]  # [C, D], [N, 1, D]
    if model.size is None:
        each = poisson(mean).logpmf(v)
    else:
        r = model.size.squeeze(1).T.numpy()
        each = nbinom(r, r / (r + mean)).logpmf(v)
    return logsumexp(model.log_pi.numpy() + each.sum(-1), axis=1)


@pytest.mark.parametrize("dispersed", [False, True])
def test_log_p_is_the_closed_form_and_sums_to_one(dispersed: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(2.0, [1.0, 2.0], (300, 2)))
    model, _ = fitted(x, 3, dispersed)
    every = np.array(list(itertools.product(range(150), repeat=2)))
    found = model.log_prob(torch.from_numpy(every)).numpy()
    np.testing.assert_allclose(found, closed_form(model, every), rtol=0, atol=1e-8)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dispersed", [False, True])
@pytest.mark.parametrize("size", [1, 4])
def test_a_round_of_em_never_lowers_what_it_climbs(dispersed: bool, size: int) -> None:
    x = overdispersed(400, np.random.default_rng(1))
    x[:, 1] *= np.arange(400) < 3  # nearly always 0
    model, path = fitted(x, size, dispersed, rounds=30)
    assert all(after >= before - 1e-7 * abs(before) for before, after in itertools.pairwise(path))
    assert path[-1] > path[0] + 1
    given = torch.from_numpy(x)
    climbed = model.log_prob(given).sum() + 0.3 * model._joint(Columns.of(given)).mean(0).sum()
    assert float(climbed) >= path[-1]


def test_one_negative_binomial_has_the_size_of_greatest_likelihood() -> None:
    x = np.random.default_rng(2).negative_binomial(1.7, 0.2, (500, 1))
    model, _ = fitted(x, 1, dispersed=True, rounds=30)
    assert model.size is not None
    mean, r = x.mean(), float(model.size)
    grid = np.geomspace(r / 2, r * 2, 2001)
    best = grid[nbinom(grid, grid / (grid + mean)).logpmf(x).sum(0).argmax()]
    assert float(model.mean) == pytest.approx(mean, rel=1e-9)
    assert r == pytest.approx(best, rel=1e-3)


def by_name(x: Array, seconds: float) -> tuple[dict[str, Baseline], Array]:
    data = load(x, domain="count")
    return {b.name: b for b in fit_baselines(data, seconds=seconds)[0]}, data.test.x.numpy()


def test_a_mixture_of_poissons_reaches_the_truth_on_200_columns() -> None:
    rng = np.random.default_rng(3)
    rate = rng.gamma(2, 4, 200)
    found, test = by_name(rng.poisson(rate, (2000, 200)), 0.5)
    truth = poisson(rate).logpmf(test).sum(-1)
    gain = found["poisson_mixture"].compared_with(truth)
    cost = 200 / (2 * 1600)  # nats, of so many rates found from so many rows
    assert found["poisson_mixture"].size == 1 and found["poisson_mixture"].direction == "exact"
    assert gain["difference"] == pytest.approx(cost, abs=4 * gain["difference_stderr"])
    spread = found["negative_binomial_mixture"].compared_with(truth)
    assert spread["difference"] == pytest.approx(2 * cost, abs=4 * spread["difference_stderr"])


def test_a_mixture_of_negative_binomials_reaches_the_truth() -> None:
    rng = np.random.default_rng(4)
    mean = np.array([[2.0, 30.0, 5.0, 1.0] * 3, [9.0, 3.0, 5.0, 20.0] * 3])
    size = np.array([[1.0, 9.0, 3.0, 0.5] * 3, [4.0, 0.5, 30.0, 2.0] * 3])
    g = rng.integers(0, 2, 3000)
    found, test = by_name(rng.poisson(rng.gamma(size[g], (mean / size)[g])), 2.0)
    p = size / (size + mean)
    truth = logsumexp(nbinom(size, p).logpmf(test[:, None]).sum(-1), axis=1) - np.log(2)
    best = found["negative_binomial_mixture"]
    gain = best.compared_with(truth)
    assert best.size == 2 and best.direction == "exact"
    assert -0.02 < gain["difference"] < 49 / (2 * 2400) + 4 * gain["difference_stderr"] + 0.02
    assert best.log_px.mean() > max(b.log_px.mean() for name, b in found.items() if name != best.name) + 0.5


def test_the_integral_over_a_cube_is_that_of_the_normal_distribution_function() -> None:
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.poisson([2.0, 40.0, 3000.0], (200, 3))).float()
    torch.manual_seed(0)
    model = Mixture(Domain("real", (3,)), num_components=4)
    with torch.no_grad():
        model.initialise(Batch(x + torch.rand_like(x)))
        model.solve(lambda: [Batch(x + torch.rand_like(x))])
        each = model.components.each(torch.arange(4))
        loc, scale, v = each.mean.double().numpy(), each.stddev.double().numpy(), x.double().numpy()[:, None]
        mass = norm.cdf(v + 1, loc, scale) - norm.cdf(v, loc, scale)
        truth = np.log((model.log_pi.exp().numpy() * mass.prod(-1)).sum(-1))
    np.testing.assert_allclose(log_cube(model, x).numpy(), truth, rtol=0, atol=1e-8)


def test_a_bin_far_from_its_gaussian_keeps_its_logarithm() -> None:
    loc, scale = torch.tensor([0.0, 5.3, -1e5, 1e7]).double(), torch.tensor([0.01, 1e6, 3.0, 2.0]).double()
    v = torch.tensor([[-50.0], [0.0], [5.0], [1e6]]).double()
    found = log_bin(v, loc, scale)
    assert torch.isfinite(found).all()
    assert float(found[0, 1]) == pytest.approx(float(norm.logpdf(0.5, 5.3, 1e6)), abs=1e-7)
    mirrored = log_bin(-1 - v, -loc, scale)
    torch.testing.assert_close(found, mirrored)
