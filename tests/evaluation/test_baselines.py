"""The simple baselines: right on data whose log p is known, honest about bounds, blind to the test split."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm, poisson
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Data, load
from unveil.domain import Domain
from unveil.evaluation.baselines import afford
from unveil.evaluation.baselines import examples as examples_module
from unveil.evaluation.baselines import fit as baselines
from unveil.evaluation.baselines.examples import Examples, log_px
from unveil.evaluation.baselines.fit import Baseline, fit_baselines
from unveil.evaluation.baselines.ppca import Principal
from unveil.evaluation.findings import _against_baselines
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture


def by_name(found: list[Baseline]) -> dict[str, Baseline]:
    return {b.name: b for b in found}


def comparable(found: list[Baseline]) -> list[tuple[object, ...]]:
    """Everything but the measured seconds."""
    return [(b.name, b.description, b.size, b.tried, b.num_samples, b.log_px.tolist()) for b in found]


def grey(num: int = 400, levels: int = 6) -> np.ndarray:
    """Little pictures of two kinds, [N, 3, 4] on 0 … levels − 1."""
    rng = np.random.default_rng(0)
    bright = rng.integers(0, 2, size=(num, 1, 1))
    ramp = np.arange(4) / 3
    share = np.where(bright == 1, ramp, 1 - ramp) * np.ones((num, 3, 4))
    return rng.binomial(levels - 1, share).astype(np.uint8)


@pytest.fixture(scope="module")
def small() -> Data:
    return load(grey(), domain="levels", levels=6)


@pytest.fixture(scope="module")
def digits() -> list[Baseline]:
    return fit_baselines(load("digits"), seed=0, seconds=2.0)[0]


# right


def test_ppca_of_gaussian_data_comes_to_the_true_density() -> None:
    rng = np.random.default_rng(1)
    W, mu = rng.normal(size=(7, 2)), 3 * rng.normal(size=7)
    x = rng.normal(size=(6000, 2)) @ W.T + mu + 0.5 * rng.normal(size=(6000, 7))
    data = load(x.astype(np.float32), domain="real")
    found = by_name(fit_baselines(data, seconds=0.2)[0])["ppca"]
    truth = multivariate_normal(mu, W @ W.T + 0.25 * np.eye(7)).logpdf(data.test.x.numpy())
    gain = found.compared_with(truth)
    assert found.direction == "exact" and found.num_samples is None
    assert found.size == 2
    assert abs(gain["difference"]) < 0.02  # the parameters cost about 20/(2·4800) nats
    assert gain["difference_stderr"] < 0.01


@torch.no_grad()
@pytest.mark.parametrize("size", [1, 3, 5])
def test_one_decomposition_gives_ppca_of_every_size(size: int) -> None:
    x = torch.randn(300, 6) @ torch.randn(6, 6) + 5
    model = LinearGaussian(Domain("real", (6,)), latent=size).double()
    model.solve(lambda: [Batch(x)])
    density = Principal.of(x, 0.0, 6, seed=0).density(size)
    torch.testing.assert_close(density(x), model.log_prob(Batch(x)), rtol=1e-6, atol=1e-6)


def test_categorical_mixture_finds_what_made_the_data(small: Data) -> None:
    found = by_name(fit_baselines(small, seconds=0.3)[0])["categorical_mixture"]
    x = small.test.x.reshape(len(small.test), -1).numpy()
    ramp = np.tile(np.arange(4) / 3, 3)
    with np.errstate(divide="ignore"):
        each = [_log_binomial(x, 5, share).sum(1) for share in (ramp, 1 - ramp)]
    truth = np.logaddexp(*each) - math.log(2)
    assert found.size == 2
    assert found.direction == "exact"
    assert -0.5 < found.compared_with(truth)["difference"] < 2.5
    assert dict(found.tried)[2] > dict(found.tried)[1] + 3


def _log_binomial(x: np.ndarray, n: int, p: np.ndarray) -> np.ndarray:
    choose = np.array([math.log(math.comb(n, k)) for k in range(n + 1)])[x]
    power = np.where(x > 0, x * np.log(np.maximum(p, 1e-300)), 0) + np.where(
        x < n, (n - x) * np.log(np.maximum(1 - p, 1e-300)), 0
    )
    return choose + power


def test_units_are_part_of_the_density() -> None:
    x = (np.random.default_rng(2).normal(size=(400, 4)) @ np.diag([1, 1, 5, 5])).astype(np.float32)
    one, ten = (fit_baselines(load(x * scale, domain="real"), seconds=0.2)[0] for scale in (1, 10))
    for a, b in zip(one, ten, strict=True):
        assert a.name == b.name and a.size == b.size
        np.testing.assert_allclose(a.log_px - b.log_px, 4 * math.log(10), atol=2e-3)


def test_digits_are_fought_for(digits: list[Baseline]) -> None:
    found = by_name(digits)
    assert found["categorical_mixture"].log_px.mean() > -98
    assert found["gaussian_mixture"].log_px.mean() > -117
    assert found["ppca"].log_px.mean() > -130


# honest


@torch.no_grad()
def test_dequantised_bound_lies_below_the_probability_it_bounds() -> None:
    domain = Domain("real", (2,))
    seen = torch.randint(0, 4, (200, 2)).float().clamp(max=2)
    model = Mixture(domain, num_components=3)
    model.initialise(Batch(seen + torch.rand(200, 2)))
    for _ in range(5):
        model.solve(lambda: [Batch(seen + torch.rand(200, 2))])
    every = torch.tensor(list(itertools.product(range(4), repeat=2))).float()  # all 16 x
    exact = _log_probability(model, every)
    assert exact.exp().sum() <= 1

    def bound(num_samples: int, repeats: int) -> Tensor:
        each = [log_px(lambda x: model.log_prob(Batch(x)), every, num_samples, seed) for seed in range(repeats)]
        return torch.stack(each).mean(0)

    one, four, sixteen = bound(1, 100), bound(4, 100), bound(16, 100)
    assert one.mean() < four.mean() - 0.02 and four.mean() < sixteen.mean() - 0.02
    assert (one < exact).all() and (sixteen < exact + 0.03).all() and sixteen.mean() < exact.mean()
    torch.testing.assert_close(bound(20_000, 1), exact, atol=0.05, rtol=0)


def _log_probability(model: Mixture, x: Tensor) -> Tensor:
    """log ∫ p(x + u) du of a mixture of Gaussians, [N], by the normal distribution function."""
    p = model.components.each(torch.arange(3))
    loc, scale, v = p.mean.double().numpy(), p.stddev.double().numpy(), x.double().numpy()[:, None]
    mass = norm.cdf(v + 1, loc, scale) - norm.cdf(v, loc, scale)  # [N, C, D]
    return torch.from_numpy(np.log((model.log_pi.exp().numpy() * mass.prod(-1)).sum(-1)))


def test_every_kind_says_what_it_is_and_tries_five_sizes(digits: list[Baseline]) -> None:
    assert [b.name for b in digits] == ["ppca", "gaussian_mixture", "categorical_mixture"]
    for b in digits:
        sizes = [size for size, _ in b.tried]
        assert len(set(sizes)) == len(sizes) >= 5 and b.size in sizes
        assert all(math.isfinite(value) for _, value in b.tried)
        assert (b.direction == "lower") == (b.num_samples is not None)
    ppca, gaussians, categoricals = digits
    assert ppca.description.startswith(f"pPCA with {ppca.size} components (dequantised, K = {ppca.num_samples}")
    assert gaussians.description.startswith(f"a mixture of {gaussians.size} Gaussians")
    assert [b.direction for b in digits] == ["lower", "exact", "exact"]
    assert categoricals.description.startswith(f"a mixture of {categoricals.size} categoricals")


def test_the_test_split_chooses_nothing(small: Data) -> None:
    noise = torch.from_numpy(np.random.default_rng(3).integers(0, 6, small.test.x.shape).astype(np.uint8))
    noisy = replace(small, test=replace(small.test, x=noise))
    one, other = fit_baselines(small, seconds=0.2)[0], fit_baselines(noisy, seconds=0.2)[0]
    for a, b in zip(one, other, strict=True):
        assert (a.name, a.description, a.size, a.tried) == (b.name, b.description, b.size, b.tried)
        assert a.log_px.mean() > b.log_px.mean() + 1


def test_repeats_exactly_whatever_the_clock_says(small: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    one = fit_baselines(small, seed=4, seconds=0.2)[0]
    ticks = itertools.count(0, 1000)
    monkeypatch.setattr(baselines.time, "perf_counter", lambda: float(next(ticks)))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    other = fit_baselines(small, seed=4, seconds=0.2)[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert comparable(one) == comparable(other)
    assert all(b.seconds == 1000 for b in other)
    assert comparable(fit_baselines(small, seed=5, seconds=0.2)[0]) != comparable(one)


def test_seconds_become_counts_that_they_pay_for() -> None:
    x = torch.zeros(1, 784)
    examples = Examples(
        x.expand(42_000, 784), x.expand(1000, 784), x.expand(10_000, 784), Domain("binary", (784,)), 55_000
    )
    D = 784
    cost = afford.Cost(lambda C: D * (50 + 2.2 * C), lambda C: D * (20 + 2.0 * C), lambda C: 300.0 * D * C)
    plans = [afford.plan_mixture(cost, examples, s * 1e10, num_knobs=4) for s in (2, 10, 50)]
    for operations, plan in zip((2e10, 10e10, 50e10), plans, strict=True):
        C = plan.sizes[-1]
        work = plan.tries * plan.tried_rows * (sum(map(cost.round, plan.sizes)) + plan.num_knobs * cost.round(C))
        work += plan.starts * cost.round(C) * (plan.tries * plan.tried_rows + plan.rounds * plan.rows)
        work += len(examples.test) * cost.score(C)
        assert work < 1.2 * operations
        assert len(plan.sizes) >= 5
    assert plans[0].sizes[-1] < plans[1].sizes[-1] < plans[2].sizes[-1]
    assert plans[0].tried_rows < plans[2].tried_rows and plans[0].rounds < plans[2].rounds


def test_few_examples_are_said(small: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples_module, "KEPT", 100 * 12)
    for b in fit_baselines(small, seconds=0.2)[0]:
        assert "fitted on 100 of 320 examples" in b.description


# what cannot be


def test_a_constant_column_of_real_x_leaves_the_gaussian_mixture_out() -> None:
    x = np.random.default_rng(5).normal(size=(200, 4)).astype(np.float32)
    assert [b.name for b in fit_baselines(load(x, domain="real"), seconds=0.2)[0]] == ["ppca", "gaussian_mixture"]
    x[:, 2] = 1.5
    assert [b.name for b in fit_baselines(load(x, domain="real"), seconds=0.2)[0]] == ["ppca"]


def test_one_dimension_and_binary_x_have_baselines_too() -> None:
    x = np.random.default_rng(6).integers(0, 2, size=(60, 1)).astype(np.uint8)
    found = by_name(fit_baselines(load(x, domain="binary"), seconds=0.2)[0])
    share = x.mean()
    assert found["categorical_mixture"].description.endswith(("Bernoulli", "Bernoullis"))
    assert found["categorical_mixture"].log_px.mean() == pytest.approx(
        share * math.log(share) + (1 - share) * math.log(1 - share), abs=0.15
    )
    assert found["ppca"].direction == "lower"


# compared


def test_comparison_is_paired() -> None:
    own = np.array([-1.0, -2.0, -6.0])
    b = Baseline("ppca", "pPCA with 1 component", own, "lower", 16, 1, ((1, -3.0),), 0.5)
    found = b.compared_with(np.array([-0.5, -1.0, -4.5], dtype=np.float32))
    assert found == {
        "name": "ppca", "description": "pPCA with 1 component", "log_px": -3.0,
        "stderr": pytest.approx(own.std(ddof=1) / math.sqrt(3)), "direction": "lower", "num_samples": 16, "size": 1,
        "tried": [{"size": 1, "valid_log_px": -3.0}], "difference": pytest.approx(1.0),
        "difference_stderr": pytest.approx(0.5 / math.sqrt(3)), "seconds": 0.5,
    }  # fmt: skip
    with pytest.raises(ValueError, match="judged 3 examples"):
        b.compared_with(np.zeros(2))


def test_one_test_example_has_no_spread() -> None:
    b = Baseline("ppca", "pPCA with 1 component", np.array([-1.0]), "exact", None, 1, ((1, -3.0),), 0.5)
    found = b.compared_with(np.array([0.0]))
    assert found["difference"] == 1 and found["stderr"] is None and found["difference_stderr"] is None


def test_counts_have_exact_baselines_and_unit_data_is_a_density() -> None:
    rng = np.random.default_rng(0)
    rate = np.array([2.0, 30.0, 900.0])
    counts = load(rng.poisson(rate, (3000, 3)))
    found = by_name(fit_baselines(counts, seconds=0.3)[0])
    truth = poisson(rate).logpmf(counts.test.x.numpy()).sum(-1)
    assert str(counts.domain) == "count" and list(found) == [
        "ppca", "gaussian_mixture", "poisson_mixture", "negative_binomial_mixture",
    ]  # fmt: skip
    ppca = found.pop("ppca")
    assert ppca.direction == "lower" and ppca.num_samples and "dequantised" in ppca.description
    for name, baseline in found.items():
        assert baseline.direction == "exact" and baseline.num_samples is None and "dequantised" not in str(baseline)
        loss = truth.mean() - baseline.log_px.mean()  # no Gaussian is a Poisson with rate 2
        assert -0.03 < loss < (1.0 if name == "gaussian_mixture" else 0.05)
    unit = load(rng.random((300, 3)), domain="unit")
    assert {b.direction for b in fit_baselines(unit, seconds=0.1)[0]} == {"exact"}


@pytest.mark.parametrize("direction", ["lower", "exact"])
def test_a_difference_to_a_bound_is_called_one(direction: str) -> None:
    one = {"log_px": -50.0, "difference": 3.0, "difference_stderr": 0.1, "description": "a mixture"}
    said = _against_baselines({"baselines": [{**one, "direction": direction}], "num_examples": 100})
    assert said.startswith("That is 3.00 ± 0.10 nats better than the best simple baseline, a mixture.")
    assert ("bound from below: the true value may be higher." in said) == (direction == "lower")


def test_what_takes_far_longer_than_its_share_is_left_out_and_said() -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 48, 48, 3)).astype(np.uint8)
    started = time.perf_counter()
    found, left_out = fit_baselines(load(x), seconds=0.1)
    assert time.perf_counter() - started < 60
    assert "categorical_mixture" not in [b.name for b in found]
    assert any("categorical_mixture is left out: it would take about" in said for said in left_out)
    assert fit_baselines(load("digits"), seconds=0.0) == ([], ())
