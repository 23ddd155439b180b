"""Densities are complete: they sum or integrate to one, in the units of x as given."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Distribution, Normal

from unveil.batch import Batch
from unveil.distributions import DiscretizedLogistic, EventSum, Levels
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood, Logistic, default_likelihood
from unveil.models.vae import VAE
from unveil.ops import keyed
from unveil.registry import load_all

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
LEVELS = pytest.mark.parametrize("n", [2, 3, 17, 256])
DOMAINS = {
    "binary": Domain("binary", (3, 2)),
    "levels": Domain("levels", (3, 2), 17),
    "count": Domain("count", (3, 2)),
    "unit": Domain("unit", (3, 2)),
    "real": Domain("real", (3, 2)),
}
ALL = [  # that of mixed tables, whose x has columns of its own, is in test_columns.py
    (name, kind)
    for name, cls in load_all("likelihood").items()
    for kind in cls.domains  # type: ignore[attr-defined]
    if kind in DOMAINS
]
EACH = pytest.mark.parametrize(("name", "kind"), ALL)


def close(a: Tensor, b: Tensor | float, atol: float) -> None:
    torch.testing.assert_close(a, torch.as_tensor(b).to(a.dtype).expand_as(a), rtol=0, atol=atol)


def extremes(n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """loc from far below to far above the levels, log s as far as the likelihood lets it go."""
    middle = math.log(n / 16)
    loc, log_scale = torch.tensor([-50.0 * n, -n, -0.5, 0.0, n / 3, n - 1.0, 2.0 * n, 50.0 * n]), [-5.0, -1, 0, 2, 5]
    grid = torch.cartesian_prod(loc, middle + torch.tensor(log_scale)).to(dtype)
    return grid[:, 0], grid[:, 1]


def table(p: Distribution, n: int) -> Tensor:
    """log p at each level, [n, …]."""
    return torch.stack([p.log_prob(torch.full(p.batch_shape, float(i))) for i in range(n)])


# Sums and integrals


@DTYPES
@LEVELS
def test_the_discretised_logistic_sums_to_one(n: int, dtype: torch.dtype) -> None:
    p = DiscretizedLogistic(*extremes(n, dtype), n)
    log_p = table(p, n)
    assert log_p.dtype == dtype and torch.isfinite(log_p).all() and (log_p <= 0).all()
    close(log_p.double().logsumexp(0), 0.0, 1e-9 if dtype == torch.float64 else 2e-4)


@LEVELS
def test_the_discretised_logistic_is_a_logistic_over_bins(n: int) -> None:
    loc, log_scale = torch.tensor(n / 3).double(), torch.tensor(math.log(n / 8)).double()
    edges = torch.cat([torch.tensor([-torch.inf]), torch.arange(n - 1) + 0.5, torch.tensor([torch.inf])]).double()
    mass = torch.sigmoid((edges - loc) / log_scale.exp()).diff()
    close(table(DiscretizedLogistic(loc, log_scale, n), n).exp(), mass, 1e-12)


@DTYPES
@LEVELS
def test_the_levels_sum_to_one(n: int, dtype: torch.dtype) -> None:
    logits = torch.cat([torch.randn(4, n), 50 * torch.randn(4, n), torch.full((1, n), -1e4)]).to(dtype)
    close(table(Levels(logits), n).double().logsumexp(0), 0.0, 1e-9 if dtype == torch.float64 else 1e-4)


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, k in ALL if k in ("binary", "levels")])
@DTYPES
def test_a_discrete_likelihood_sums_to_one_in_each_dimension(name: str, kind: str, dtype: torch.dtype) -> None:
    for size in (0.1, 3.0, 30.0):
        likelihood = part(name, kind).to(dtype)
        p = likelihood((size * torch.randn(20, likelihood.num_outputs)).to(dtype))
        levels = [torch.full((20, 3, 2), float(i), dtype=dtype) for i in range(DOMAINS[kind].levels)]
        each = torch.stack([p.log_prob_each(x) for x in levels])  # [n, B, *shape]
        close(each.double().logsumexp(0), 0.0, 1e-9 if dtype == torch.float64 else 2e-4)
        torch.testing.assert_close(p.log_prob(levels[1]), each[1].sum((-2, -1)))


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, k in ALL if k == "real"])
def test_a_density_integrates_to_one(name: str, kind: str) -> None:
    """In the units of x: the data's spread of 7 is part of the density. x = 5 + 7 sinh t reaches far into the tails."""
    likelihood = part(name, kind, 5 + 7 * torch.randn(400, 3, 2)).double()
    p = likelihood(torch.randn(4, likelihood.num_outputs).double())
    t = torch.linspace(-25, 25, 60_001, dtype=torch.float64)
    each = p.log_prob_each((5 + 7 * t.sinh()).reshape(-1, 1, 1, 1).expand(-1, 4, 3, 2))
    jacobian = (7 * t.cosh()).log().reshape(-1, 1, 1, 1)
    close((each + jacobian).logsumexp(0) + (t[1] - t[0]).log(), 0.0, 1e-6)


@pytest.mark.parametrize("name", [n for n, k in ALL if k == "unit"])
@DTYPES
def test_a_density_on_the_unit_interval_integrates_to_one_there(name: str, dtype: torch.dtype) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = torch.from_numpy((nodes + 1) / 2).to(dtype).reshape(-1, 1, 1, 1).expand(-1, 20, 3, 2)
    for size in (1e-3, 0.3, 3.0, 60.0):
        likelihood = part(name, "unit").to(dtype)
        each = likelihood((size * torch.randn(20, likelihood.num_outputs)).to(dtype)).log_prob_each(x)
        total = (each.double().exp() * torch.from_numpy(weights / 2).reshape(-1, 1, 1, 1)).sum(0)
        close(total, 1.0, 1e-9 if dtype == torch.float64 else 2e-5)


@pytest.mark.parametrize("name", [n for n, k in ALL if k == "count"])
@DTYPES
def test_a_distribution_over_counts_sums_to_one(name: str, dtype: torch.dtype) -> None:
    likelihood = part(name, "count").to(dtype)
    p = likelihood(torch.randn(9, likelihood.num_outputs).to(dtype))
    x = torch.arange(40_000, dtype=dtype).reshape(-1, 1, 1, 1).expand(-1, 9, 3, 2)
    close(p.log_prob_each(x).double().logsumexp(0), 0.0, 1e-9 if dtype == torch.float64 else 2e-5)


def part(name: str, kind: str, x: Tensor | None = None, **arguments: object) -> Likelihood:
    """The likelihood, started from x [N, 3, 2]."""
    likelihood: Likelihood = load_all("likelihood")[name](DOMAINS[kind], **arguments)
    with torch.no_grad():
        likelihood.initialise(rows(kind) if x is None else x)
    return likelihood


def rows(kind: str, num: int = 200) -> Tensor:
    """Rows whose dimensions differ in mean and spread."""
    domain = DOMAINS[kind]
    tilt = torch.linspace(0.2, 0.8, domain.num_dims).reshape(domain.shape)
    if kind == "real":
        return 3 * tilt + tilt * torch.randn(num, *domain.shape)
    if kind == "unit":
        return torch.distributions.Beta(6 * tilt, 6 * (1 - tilt)).sample((num,))
    if kind == "count":
        return torch.poisson(40 * tilt * torch.distributions.Gamma(4.0, 4.0).sample((num, *domain.shape)))
    return torch.binomial(torch.full((num, *domain.shape), domain.levels - 1.0), tilt.expand(num, *domain.shape))


def solve(likelihood: Likelihood, x: Tensor, h: Tensor, observed: Tensor | None = None) -> None:
    total, count = likelihood.statistic(x, likelihood(h), observed)
    likelihood.finish_solving(total / count)


# Moments and samples


@LEVELS
def test_moments_of_levels_and_of_the_logistic_are_those_of_their_tables(n: int) -> None:
    loc, log_scale = extremes(n, torch.float64)
    levels = torch.arange(n).double().unsqueeze(-1)
    for p in (DiscretizedLogistic(loc, log_scale, n), Levels(3 * torch.randn(9, n).double())):
        mass = table(p, n).exp()
        mean = (mass * levels).sum(0)
        close(p.mean, mean, 1e-8 * n)
        close(p.variance, (mass * (levels - mean) ** 2).sum(0), 1e-7 * n**2)


@EACH
def test_samples_have_the_mean_and_spread_of_their_distribution(name: str, kind: str) -> None:
    likelihood, count = part(name, kind), 4000
    with torch.no_grad():
        p = likelihood(torch.randn(5, likelihood.num_outputs))
    x = p.sample((count,))
    assert p.sample().shape == p.mean.shape == (5, 3, 2) and p.sample((7,)).shape == (7, 5, 3, 2)
    error = p.stddev / count**0.5
    assert ((x.mean(0) - p.mean).abs() < 5 * error + 1e-6).all()
    torch.testing.assert_close(x.std(0), p.stddev, rtol=0.15, atol=0.05 * float(p.stddev.max()))


# The start


@EACH
def test_a_decoder_that_says_nothing_predicts_the_mean_of_the_data(name: str, kind: str) -> None:
    x = rows(kind, 2000)
    likelihood = part(name, kind, x)
    mean = likelihood(torch.zeros(likelihood.num_outputs)).mean
    scale = x.std(0)
    assert ((mean - x.mean(0)).abs() < (0.25 if name.startswith("discretized_logistic") else 0.01) * scale).all()
    assert (x.mean(0).max() - x.mean(0).min()) > 1.2 * scale.min()  # a common mean would not do


def test_a_level_never_seen_keeps_some_probability() -> None:
    x = torch.zeros(50, 3, 2)
    x[:25] = 16
    for name in ("categorical", "discretized_logistic"):
        p = part(name, "levels", x)(torch.zeros(17 * 6 if name == "categorical" else 12))
        assert torch.isfinite(p.log_prob(torch.full((3, 2), 5.0)))
    never = part("bernoulli", "binary", torch.zeros(50, 3, 2))
    assert torch.isfinite(never(torch.zeros(6)).log_prob(torch.ones(3, 2)))


# Gaussian: σ, units, floors


@pytest.mark.parametrize("sigma", ["learned", "solved"])
@pytest.mark.parametrize("shape", [(6,), (3, 2)], ids=["vector", "image"])
def test_ten_times_x_costs_d_log_10(sigma: str, shape: tuple[int, ...]) -> None:
    x, h = rows("real").reshape(-1, *shape), torch.randn(200, 6)
    small, large = (Gaussian(Domain("real", shape), sigma=sigma) for _ in range(2))  # type: ignore[arg-type]
    with torch.no_grad():
        small.initialise(x)
        large.initialise(10 * x)
        if sigma == "solved":
            for likelihood, value in ((small, x), (large, 10 * x)):
                solve(likelihood, value, h)
    fall = small(h).log_prob(x) - large(h).log_prob(10 * x)
    close(fall, 6 * math.log(10), 1e-3)


def test_ten_times_x_costs_a_whole_vae_d_log_10() -> None:
    """The encoder sees standardised x, so the same weights give the same z and the Jacobian is all that changes."""
    x = rows("real").reshape(-1, 6)
    values = []
    for scale in (1.0, 10.0):
        with keyed("vae"):
            model = VAE.build(Domain("real", (6,)), latent=2, width=8).eval()
            model.initialise(Batch(scale * x))
            values.append(model.infer(Batch(scale * x[:9]), 3).log_w)
    close(values[0] - values[1], 6 * math.log(10), 1e-3)


def test_a_fixed_sigma_is_in_the_units_of_x() -> None:
    x, h = rows("real"), torch.randn(200, 6)
    likelihood = part("gaussian", "real", x, sigma=2.5)
    p = likelihood(h)
    expected = -((x - p.mean) ** 2).sum((-2, -1)) / (2 * 2.5**2) - 3 * math.log(2 * math.pi * 2.5**2)
    torch.testing.assert_close(p.log_prob(x), expected)
    assert [n for n, _ in likelihood.named_parameters()] == ["offset"]


def test_a_learned_sigma_is_learned_and_has_its_floor() -> None:
    likelihood = part("gaussian", "real", floor=0.01)
    assert [n for n, _ in likelihood.named_parameters()] == ["offset", "log_sigma"]
    with torch.no_grad():
        likelihood.log_sigma.fill_(-60)  # type: ignore[union-attr,operator]
    scale = likelihood.scale
    assert isinstance(scale, Tensor)
    torch.testing.assert_close(likelihood(torch.zeros(6)).stddev, 0.01 * scale)


@pytest.mark.parametrize("per_dim", [True, False])
def test_a_solved_sigma_is_the_root_mean_squared_error(per_dim: bool) -> None:
    """σ² = ‖x − x̂‖²/N, the maximum of the likelihood; no other σ is better."""
    domain = Domain("real", (6,))
    x, h = rows("real").reshape(-1, 6), torch.randn(200, 6)
    likelihood = Gaussian(domain, sigma="solved", per_dim=per_dim)
    with torch.no_grad():
        likelihood.initialise(x)
        solve(likelihood, x, h)
    p = likelihood(h)
    error = ((x - p.mean) / likelihood.scale) ** 2
    expected = (error.mean(0) if per_dim else error.mean().expand(6)).sqrt() * likelihood.scale
    torch.testing.assert_close(p.stddev, expected.expand_as(p.stddev))
    best = p.log_prob(x).mean()
    for factor in (0.9, 1.1):
        assert Normal(p.mean, factor * p.stddev).log_prob(x).sum(-1).mean() < best


def test_a_solved_sigma_keeps_its_floor() -> None:
    likelihood = part("gaussian", "real", sigma="solved", floor=0.05)
    assert likelihood.solves
    with torch.no_grad():
        likelihood.finish_solving(torch.zeros(6))
    assert isinstance(likelihood.scale, Tensor)
    torch.testing.assert_close(likelihood(torch.zeros(6)).stddev, 0.05 * likelihood.scale, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", [n for n, k in ALL if n != "gaussian"])
def test_a_likelihood_without_a_closed_form_says_so(name: str) -> None:
    likelihood = part(name, dict(ALL)[name])
    assert not likelihood.solves
    p = likelihood(torch.zeros(2, likelihood.num_outputs))
    for attempt in (lambda: likelihood.statistic(p.mean, p), lambda: likelihood.finish_solving(torch.zeros(6))):
        with pytest.raises(NotImplementedError, match="no parameter in closed form"):
            attempt()


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e6 + 0.3, 1e-20])
@pytest.mark.parametrize("num", [10, 7001])
def test_constant_columns_are_named(value: float, num: int) -> None:
    x = torch.randn(num, 6)
    x[:, 4] = value
    with pytest.raises(RequestError, match=r"Column\(s\) 4 of x are constant"):
        Gaussian(Domain("real", (6,))).initialise(x)
    x[:, 4] = torch.randn(num) * 1e-3 + 1
    Gaussian(Domain("real", (6,))).initialise(x)


@pytest.mark.parametrize("arguments", [{"sigma": 0.0}, {"sigma": -1.0}, {"floor": 0.0}, {"floor": -1.0}])
def test_what_is_no_sigma_is_refused(arguments: dict[str, object]) -> None:
    key, value = next(iter(arguments.items()))
    with pytest.raises(RequestError) as refusal:
        part("gaussian", "real", **arguments)
    assert f"likelihood.{key} is {value!r}" in str(refusal.value)


# Masks


@EACH
def test_what_is_not_observed_leaves_the_sum_before_it_is_taken(name: str, kind: str) -> None:
    likelihood, x = part(name, kind), rows(kind, 5)
    h = torch.randn(3, 5, likelihood.num_outputs)
    observed = torch.rand(5, 3, 2) > 0.5
    p = likelihood(h, observed)
    each = likelihood(h).log_prob_each(x)
    expected = torch.where(observed, each, 0.0).sum((-2, -1))
    for filler in (torch.nan, torch.inf, -1e30):
        torch.testing.assert_close(p.log_prob(torch.where(observed, x, filler)), expected)
    assert p.log_prob(x).shape == (3, 5)


def test_the_default_fits_and_smooths_above_32_levels() -> None:
    for domain in DOMAINS.values():
        assert domain.kind in load_all("likelihood")[default_likelihood(domain)].domains  # type: ignore[attr-defined]
    assert default_likelihood(Domain("levels", (2,), 32)) == "categorical"
    assert default_likelihood(Domain("levels", (2,), 33)) == "discretized_logistic"


def test_the_four_are_what_they_say() -> None:
    """Against torch's own densities, through h and the offset."""
    h = torch.randn(5, 6)
    bernoulli, categorical = part("bernoulli", "binary"), part("categorical", "levels")
    assert isinstance(bernoulli, Bernoulli) and isinstance(categorical, Categorical)
    x = rows("binary", 5)
    logits = (h + bernoulli.offset).reshape(5, 3, 2)
    close(bernoulli(h).log_prob(x), TorchBernoulli(logits=logits).log_prob(x).sum((-2, -1)), 1e-5)
    h, x = torch.randn(5, 17 * 6), rows("levels", 5)
    log_p = (h + categorical.offset).reshape(5, 17, 3, 2).log_softmax(1).gather(1, x.long().unsqueeze(1)).squeeze(1)
    close(categorical(h).log_prob(x), log_p.sum((-2, -1)), 1e-4)
    h, logistic = torch.randn(5, 12), part("discretized_logistic", "levels")
    assert isinstance(logistic, Logistic)
    loc, raw = (h + logistic.offset).reshape(5, 2, 3, 2).unbind(1)
    scale = math.log(17 / 16) + 5 * torch.tanh(raw / 5)
    close(logistic(h).log_prob(x), DiscretizedLogistic(17 / 4 * loc, scale, 17).log_prob(x).sum((-2, -1)), 1e-4)


def test_an_event_sum_sums_and_never_averages() -> None:
    base = Normal(torch.zeros(4, 3, 2), torch.ones(4, 3, 2))
    x = torch.randn(4, 3, 2)
    p = EventSum(base, 2)
    assert p.batch_shape == (4,) and p.event_shape == (3, 2)
    torch.testing.assert_close(p.log_prob(x), base.log_prob(x).flatten(1).sum(1))
