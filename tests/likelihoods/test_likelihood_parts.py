"""What each likelihood is, against closed forms and others' implementations; how it starts and what it refuses."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli

from unveil.batch import Batch
from unveil.distributions import (
    ColourLogisticMixture,
    ContinuousBernoulli,
    DiscretizedLogistic,
    NegativeBinomial,
    Poisson,
    StudentT,
)
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.likelihoods import Gaussian, Likelihood, LogisticMixture, Ordinal, PredictedGaussian, StudentLikelihood
from unveil.likelihoods.base import moments
from unveil.models.vae import VAE
from unveil.registry import load_all, lookup

DOMAINS = {
    "binary": Domain("binary", (6,)),
    "levels": Domain("levels", (6,), 17),
    "count": Domain("count", (6,)),
    "unit": Domain("unit", (6,)),
    "real": Domain("real", (6,)),
}
ALL = [  # that of mixed tables, whose x has columns of its own, is in test_columns.py
    (name, kind)
    for name, cls in load_all("likelihood").items()
    for kind in cls.domains  # type: ignore[attr-defined]
    if kind in DOMAINS
]
EACH = pytest.mark.parametrize(("name", "kind"), ALL)
REAL = [name for name, kind in ALL if kind == "real"]
COLOUR = Domain("levels", (2, 3, 3), 4)


def rows(kind: str, num: int = 60) -> Tensor:
    if kind == "real":
        return torch.linspace(1, 9, 6) + torch.linspace(0.3, 4, 6) * torch.randn(num, 6)
    if kind == "unit":
        return torch.rand(num, 6)
    if kind == "count":
        return torch.poisson(torch.linspace(1, 90, 6).expand(num, 6))
    return torch.randint(DOMAINS[kind].levels, (num, 6)).float()


def started(name: str, domain: Domain, x: Tensor, observed: Tensor | None = None, **keys: object) -> Likelihood:
    likelihood: Likelihood = load_all("likelihood")[name](domain, **keys)
    with torch.no_grad():
        likelihood.initialise(x, observed)
    return likelihood


# What is true of each


@pytest.mark.parametrize("shape", [(6,), (3, 2)], ids=["vector", "image"])
@EACH
def test_it_starts_from_what_is_observed_and_from_nothing_else(name: str, kind: str, shape: tuple[int, ...]) -> None:
    """Rows that are hidden, others in each column, leave what the rest alone would have given."""
    domain = Domain(kind, shape, DOMAINS[kind].num_levels)
    x = rows(kind)
    order = torch.rand(100, 6).argsort(0)
    padded = torch.cat([x, torch.zeros(40, 6)]).gather(0, order)
    observed = order < 60
    found = started(name, domain, padded.reshape(-1, *shape), observed.reshape(-1, *shape)).state_dict()
    for key, value in started(name, domain, x.reshape(-1, *shape)).state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-4, msg=lambda m, key=key: f"{key}: {m}")


@EACH
def test_gradients_are_finite_at_the_ends(name: str, kind: str) -> None:
    likelihood = started(name, DOMAINS[kind], rows(kind))
    top = {"binary": 1.0, "levels": 16.0, "count": 2.0**24, "unit": 1.0, "real": 1e6}[kind]
    for size, value in itertools.product((0.0, 1.0, -30.0, 30.0, 1e3), (0.0, 1.0, top)):
        h = (
            torch.full((2, likelihood.num_outputs), size) * torch.randn(2, likelihood.num_outputs).sign()
        ).requires_grad_()
        log_p = likelihood(h).log_prob(torch.full((6,), value))
        likelihood.zero_grad()
        log_p.sum().backward()
        assert torch.isfinite(log_p).all(), (size, value)
        for key, parameter in {"h": h, **dict(likelihood.named_parameters())}.items():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), (key, size, value)


@pytest.mark.parametrize("name", REAL)
def test_ten_times_x_costs_d_log_10_in_every_density(name: str) -> None:
    x = rows("real")
    small, large = started(name, DOMAINS["real"], x), started(name, DOMAINS["real"], 10 * x)
    h = torch.randn(60, small.num_outputs)
    fall = small(h).log_prob(x) - large(h).log_prob(10 * x)
    torch.testing.assert_close(fall, torch.full((60,), 6 * math.log(10)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", [*REAL, "continuous_bernoulli"])
def test_columns_that_break_a_density_are_numbered(name: str) -> None:
    kind = "unit" if name == "continuous_bernoulli" else "real"
    x, observed = rows(kind), torch.ones(60, 6, dtype=torch.bool)
    observed[:, 2] = False
    with pytest.raises(RequestError, match=r"Column\(s\) 2 of x have no observed value"):
        started(name, DOMAINS[kind], torch.where(observed, x, 0.0), observed)
    observed[:20, 2], x[:20, 2], x[:, 4] = True, 1.0, 0.0
    with pytest.raises(RequestError, match=r"Column\(s\) 2, 4 of x are constant"):
        started(name, DOMAINS[kind], torch.where(observed, x, 0.0), observed)


def test_one_observed_value_has_no_spread() -> None:
    x, observed = (
        torch.tensor([[3.0, 0.1], [0.0, 0.1], [0.0, 0.1]]),
        torch.tensor([[True, True], [False, True], [False, True]]),
    )
    found = moments(x, observed)
    assert found.count.tolist() == [1, 3] and found.std.tolist() == [0, 0]
    torch.testing.assert_close(found.mean, torch.tensor([3.0, 0.1]))


@pytest.mark.parametrize(("shape", "per_dim"), [((6,), True), ((3, 2), False)], ids=["each", "one"])
def test_a_solved_sigma_is_that_of_what_is_observed(shape: tuple[int, ...], per_dim: bool) -> None:
    """σ² = Σ‖x − x̂‖²/count over the observed entries, added up over batches."""
    x, observed = rows("real").reshape(-1, *shape), torch.rand(60, *shape) < torch.linspace(0.2, 1, 6).reshape(shape)
    x = torch.where(observed, x, 0.0)
    likelihood = started("gaussian", Domain("real", shape), x, observed, sigma="solved", per_dim=per_dim)
    h = torch.randn(3, 60, 6)  # three samples each
    with torch.no_grad():
        parts = [likelihood.statistic(x[i], likelihood(h[:, i]), observed[i]) for i in torch.arange(60).split(25)]
        total, count = (torch.stack(v).sum(0) for v in zip(*parts, strict=True))
        likelihood.finish_solving(total / count)
    error = (((x - likelihood(h).mean) / likelihood.scale) ** 2).expand(3, 60, *shape)
    seen = observed.expand(3, 60, *shape)
    dims = (0, 1) if per_dim else (0, 1, 2, 3)
    variance = torch.where(seen, error, 0.0).sum(dims) / seen.sum(dims)
    stddev = likelihood(torch.zeros(6)).stddev / likelihood.scale
    torch.testing.assert_close(stddev, variance.sqrt().expand_as(stddev), rtol=1e-4, atol=1e-5)


# Real


def test_a_predicted_sigma_is_predicted_per_example_and_keeps_its_floor() -> None:
    likelihood = started("gaussian_predicted", DOMAINS["real"], rows("real"), floor=0.1)
    assert isinstance(likelihood, PredictedGaussian) and likelihood.params_per_dim == 2
    h = torch.zeros(3, 12)
    h[1, 6:], h[2, 6:] = 1.0, -1e3
    ratio = likelihood(h).stddev / likelihood.scale
    torch.testing.assert_close(ratio[0], torch.full((6,), 1.1))
    torch.testing.assert_close(ratio[1], torch.full((6,), 0.1 + math.exp(5 * math.tanh(0.2))))
    torch.testing.assert_close(ratio[2], torch.full((6,), 0.1 + math.exp(-5)))


@pytest.mark.parametrize("df", [1.5, 3.0, 19.9, 20.1, 400.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_student_t_is_scipys(df: float, dtype: torch.dtype) -> None:
    x = torch.tensor([-1e6, -300.0, -2, 0, 0.1, 5, 1e4], dtype=torch.float64)
    expected = stats.t(df, loc=1.5, scale=2.5).logpdf(x)
    found = StudentT(*(torch.tensor(v, dtype=dtype) for v in (df, 1.5, 2.5))).log_prob(x.to(dtype))
    tolerance = 1e-9 if dtype == torch.float64 else 5e-6
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=tolerance, atol=tolerance)


def test_student_t_is_nearly_a_gaussian_with_many_degrees_of_freedom_and_heavier_with_few() -> None:
    x, h = rows("real"), torch.randn(60, 6)
    gaussian = started("gaussian", DOMAINS["real"], x)
    many, few = (started("student_t", DOMAINS["real"], x, df=df) for df in (1e6, 3.0))
    torch.testing.assert_close(many(h).log_prob(x), gaussian(h).log_prob(x), rtol=0, atol=1e-3)
    far = x + 50 * gaussian.scale  # type: ignore[operator]
    assert (few(h).log_prob(far) > gaussian(h).log_prob(far) + 100).all()
    assert [n for n, _ in few.named_parameters()] == ["offset", "log_sigma"]


def test_student_t_learns_its_degrees_of_freedom() -> None:
    """Of 4,000 draws with ν = 3 and σ = 2, by gradient ascent; ν and σ come back."""
    x = 7 + 2 * torch.from_numpy(stats.t(3).rvs((4000, 1), random_state=0)).float()
    likelihood = started("student_t", Domain("real", (1,)), x)
    assert isinstance(likelihood, StudentLikelihood)
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.02)
    for _ in range(250):
        optimizer.zero_grad()
        (-likelihood(torch.zeros(1)).log_prob(x).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        p = likelihood(torch.zeros(1)).base
    assert isinstance(p, StudentT)
    assert abs(float(p.df) - 3) < 0.5 and abs(float(p.scale) - 2) < 0.15 and abs(float(p.loc) - 7) < 0.15


@pytest.mark.parametrize("df", [1.0, 0.0, -3.0, math.inf], ids=str)
def test_what_are_no_degrees_of_freedom_is_refused(df: object) -> None:
    with pytest.raises(RequestError) as refusal:
        StudentLikelihood(DOMAINS["real"], df=df)  # type: ignore[arg-type]
    assert str(refusal.value) == f"likelihood.df is {df!r}; it takes 'learned' or a number above 1."


# Unit


def test_the_continuous_bernoulli_is_torchs_where_that_is_normalised() -> None:
    logits = torch.cat([torch.linspace(-12, 12, 101), torch.tensor([0.0, 1e-7, -1e-4, 0.29, 0.31])]).double()
    x = torch.tensor([0.0, 0.1, 0.5, 1.0]).double().unsqueeze(-1)
    ours, theirs = ContinuousBernoulli(logits), TorchContinuousBernoulli(logits=logits, lims=(0.4999, 0.5001))
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=0, atol=1e-7)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=0, atol=1e-4)


def test_the_continuous_bernoulli_has_no_seam_near_a_half() -> None:
    """Float32 against float64, and mean and variance against the derivatives of A."""
    eta = torch.cat([torch.linspace(-1, 1, 2001), torch.tensor([-1e4, -100.0, 30.0, 1e4])])
    fine = eta.double().requires_grad_()
    at_zero = ContinuousBernoulli(fine).log_prob(torch.zeros(1).double())  # −A(η)
    (mean,) = torch.autograd.grad(-at_zero.sum(), fine, create_graph=True)
    (variance,) = torch.autograd.grad(mean.sum(), fine)
    coarse = ContinuousBernoulli(eta)
    torch.testing.assert_close(coarse.log_prob(torch.zeros(1)).double(), at_zero.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(coarse.mean.double(), mean.detach(), rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(coarse.variance.double(), variance, rtol=1e-3, atol=1e-5)


def test_draws_of_the_continuous_bernoulli_follow_its_distribution_function() -> None:
    logits = torch.tensor([-40.0, -2.0, 0.0, 1e-8, 0.5, 30.0])
    x = ContinuousBernoulli(logits).sample((4000,))
    assert x.min() >= 0 and x.max() <= 1
    for draws, eta in zip(x.T, logits.tolist(), strict=True):
        cdf = (lambda v: v) if abs(eta) < 1e-6 else (lambda v, eta=eta: np.expm1(eta * v) / np.expm1(eta))
        assert stats.kstest(draws.numpy(), cdf).pvalue > 1e-3


# Counts

COUNTS = torch.tensor([0, 1, 2, 7, 8, 15, 16, 17, 100, 1000, 10**5, 2**24]).double()
MEANS = torch.tensor([1e-6, 0.3, 1, 7.5, 100, 1001, 99_500, 2.0**24 + 3000]).double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_poisson_is_scipys(dtype: torch.dtype) -> None:
    """In float32 too, where the textbook formula is off by whole nats at large counts."""
    log_rate = MEANS.log().to(dtype).unsqueeze(-1)
    found = Poisson(log_rate).log_prob(COUNTS.to(dtype)).double()
    expected = torch.from_numpy(stats.poisson(log_rate.double().exp()).logpmf(COUNTS))
    near = expected > -1e4
    tolerance = 1e-7 if dtype == torch.float64 else 1e-2
    torch.testing.assert_close(found[near], expected[near], rtol=0, atol=tolerance)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=tolerance)
    textbook = COUNTS.to(dtype) * log_rate - log_rate.exp() - torch.lgamma(COUNTS.to(dtype) + 1)
    if dtype == torch.float32:
        assert (textbook.double() - expected)[near].abs().max() > 1


@pytest.mark.parametrize("size", [1e-3, 0.4, 1.0, 30.0, 2e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_negative_binomial_is_scipys(size: float, dtype: torch.dtype) -> None:
    log_mean, log_size = MEANS.log().to(dtype).unsqueeze(-1), torch.tensor(math.log(size)).to(dtype)
    found = NegativeBinomial(log_mean, log_size).log_prob(COUNTS.to(dtype)).double()
    r, mu = log_size.double().exp(), log_mean.double().exp()
    expected = torch.from_numpy(stats.nbinom(r, r / (r + mu)).logpmf(COUNTS))
    tolerance = 1e-6 if dtype == torch.float64 else 1e-2
    torch.testing.assert_close(found, expected, rtol=tolerance / 10, atol=tolerance)


def test_the_negative_binomial_starts_at_the_spread_of_the_data() -> None:
    """r = μ²/(s² − μ); Poisson data have nothing left to disperse."""
    rate = torch.distributions.Gamma(2.0, 2.0 / 30).sample((4000, 1)) * torch.tensor([1.0, 0.0]) + torch.tensor(
        [0.0, 30.0]
    )
    likelihood = started("negative_binomial", Domain("count", (2,)), torch.poisson(rate))
    p = likelihood(torch.zeros(2)).base
    assert isinstance(p, NegativeBinomial)
    assert 1.7 < float(p.log_size.detach().exp()[0]) < 2.3 and float(p.log_size.detach().exp()[1]) > 100
    torch.testing.assert_close(p.mean.detach(), torch.tensor([30.0, 30.0]), rtol=0.1, atol=0)


def test_a_vae_of_counts_leaves_the_spread_to_its_decoder() -> None:
    domain = Domain("count", (1,))
    x = torch.poisson(torch.distributions.Gamma(2.0, 2.0 / 30).sample((4000, 1)))
    model = VAE.build(domain, 0, latent=2, width=8, depth=1)
    model.initialise(Batch(x))
    alone = started("negative_binomial", domain, x)
    torch.testing.assert_close(model.likelihood.log_size, alone.log_size + math.log(10))


def test_a_count_never_seen_keeps_some_probability() -> None:
    for name in ("poisson", "negative_binomial"):
        likelihood = started(name, Domain("count", (1,)), torch.zeros(50, 1))
        assert -20 < likelihood(torch.zeros(1)).log_prob(torch.ones(1)).item() < -2


# Levels


def test_ordinal_cut_points_start_at_the_frequencies() -> None:
    x = rows("levels", 4000)
    x[:, 0] = torch.randint(3, (4000,)) * 2  # three levels of 17, with gaps
    likelihood = started("ordinal", DOMAINS["levels"], x)
    p = likelihood(torch.zeros(6))
    mass = torch.stack([p.log_prob_each(torch.full((6,), float(i))) for i in range(17)]).exp().detach()
    frequency = torch.stack([(x == i).float().mean(0) for i in range(17)])
    torch.testing.assert_close(mass, frequency, rtol=0, atol=2e-3)


def test_a_larger_h_moves_ordinal_mass_upwards_and_keeps_the_order_of_the_cut_points() -> None:
    likelihood = started("ordinal", DOMAINS["levels"], rows("levels"))
    assert isinstance(likelihood, Ordinal)
    with torch.no_grad():
        likelihood.gaps.copy_(4 * torch.randn(6, 15))
    levels = torch.arange(17.0).unsqueeze(-1).expand(17, 6)
    low, high = (likelihood(torch.full((6,), h)).log_prob_each(levels).exp().cumsum(0) for h in (-1.0, 1.0))
    assert (high <= low + 1e-6).all() and (high[0] < low[0]).all()


@pytest.mark.parametrize("name", ["ordinal", "discretized_logistic_mixture"])
@pytest.mark.parametrize("num_levels", [2, 3])
def test_few_levels_are_enough_to_train_on(name: str, num_levels: int) -> None:
    domain = Domain("levels", (4,), num_levels)
    model = VAE.build(domain, latent=2, width=8, likelihood=load_all("likelihood")[name])
    batch = Batch(torch.randint(num_levels, (30, 1)).expand(30, 4).float())
    model.initialise(batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    before = model.infer(batch).elbo.mean().item()
    for _ in range(40):
        optimizer.zero_grad()
        (-model.infer(batch).elbo.mean()).backward()
        optimizer.step()
    assert model.infer(batch).elbo.mean().item() > before


# Mixtures of logistics, and colour


def colour(num_components: int = 3, domain: Domain = COLOUR) -> tuple[LogisticMixture, Tensor]:
    likelihood = LogisticMixture(domain, num_components=num_components).double()
    with torch.no_grad():
        likelihood.initialise(
            torch.binomial(torch.full((50, *domain.shape), domain.levels - 1.0), torch.tensor(0.5)).double()
        )
    return likelihood, 2 * torch.randn(5, likelihood.num_outputs).double()


def test_one_component_is_a_discretised_logistic() -> None:
    x = rows("levels")
    one = started("discretized_logistic_mixture", DOMAINS["levels"], x, num_components=1)
    h = torch.randn(60, 18)
    alone = started("discretized_logistic", DOMAINS["levels"], x)
    torch.testing.assert_close(one(h).log_prob(x), alone(h[:, 6:]).log_prob(x))


def test_a_mixture_is_the_weighted_sum_of_its_components() -> None:
    likelihood = started("discretized_logistic_mixture", DOMAINS["levels"], rows("levels"), num_components=2)
    h, x = torch.randn(18 * 2), rows("levels", 9)
    weight, loc, raw = (h + likelihood.offset).reshape(3, 2, 6).unbind()
    scale = math.log(17 / 16) + 5 * torch.tanh(raw / 5)
    each = DiscretizedLogistic(17 / 4 * loc, scale, 17).log_prob(x.unsqueeze(1)).exp()  # [9, 2, 6]
    expected = (weight.softmax(0) * each).sum(1).log().sum(-1)
    torch.testing.assert_close(likelihood(h).log_prob(x), expected)


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
def test_the_mean_of_a_discretised_logistic_is_that_of_its_probabilities(levels: int) -> None:
    """Also where μ lies outside of the levels, and for s from 0.05 to 400."""
    loc = (1.4 * torch.rand(500, 1).double() - 0.2) * (levels - 1)
    p = DiscretizedLogistic(loc, 9 * torch.rand(500, 1).double() - 3, levels)
    each = p.log_prob(torch.arange(levels).double()).exp()
    torch.testing.assert_close(p.mean[:, 0], each @ torch.arange(levels).double(), rtol=0, atol=3e-5)


def test_the_colours_of_a_pixel_are_one_distribution_that_sums_to_one() -> None:
    likelihood, h = colour()
    every = torch.tensor(list(itertools.product(range(4), repeat=3))).double()  # [64, 3]
    each = likelihood(h).log_prob_each(every.reshape(64, 1, 1, 1, 3).expand(64, 5, 2, 3, 3))
    torch.testing.assert_close(each.sum(-1).logsumexp(0), torch.zeros(5, 2, 3).double(), rtol=0, atol=1e-10)
    x = torch.randint(4, (5, 2, 3, 3)).double()
    torch.testing.assert_close(likelihood(h).log_prob(x), likelihood(h).log_prob_each(x).sum((-3, -2, -1)))


def test_a_pixel_is_a_mixture_of_chains() -> None:
    """P(r, g, b) = Σ_m π_m P(r|m) P(g|m, r) P(b|m, r, g), written out for one pixel."""
    domain = Domain("levels", (1, 1, 3), 17)
    likelihood, h = colour(2, domain)
    x = torch.tensor([3.0, 14.0, 9.0]).double()
    weight, loc, raw, a = (h + likelihood.offset)[0].reshape(4, 2, 3).unbind()
    scale, a, (r, g, _) = math.log(17 / 16) + 5 * torch.tanh(raw / 5), torch.tanh(a), x - 8
    mu = 17 / 4 * loc
    mu = torch.stack([mu[:, 0], mu[:, 1] + a[:, 0] * r, mu[:, 2] + a[:, 1] * r + a[:, 2] * g], -1)
    chain = DiscretizedLogistic(mu, scale, 17).log_prob(x).sum(-1)
    expected = (weight.sum(-1).log_softmax(0) + chain).logsumexp(0)
    torch.testing.assert_close(likelihood(h[0]).log_prob(x.reshape(1, 1, 3)), expected)


def test_channels_unobserved_from_one_on_are_summed_out_and_others_refused() -> None:
    likelihood, h = colour()
    x = torch.randint(4, (5, 2, 3, 3)).double()
    for first in range(4):
        observed = torch.ones(5, 2, 3, 3, dtype=torch.bool)
        observed[:, 0, 1, first:] = False
        hidden = torch.tensor(list(itertools.product(range(4), repeat=3 - first))).double()
        hidden = hidden.reshape(4 ** (3 - first), 1, 3 - first)
        every = x.repeat(len(hidden), 1, 1, 1, 1)
        every[:, :, 0, 1, first:] = hidden
        truth = likelihood(h).log_prob(every).logsumexp(0)
        gappy = torch.where(observed, x, torch.nan)
        torch.testing.assert_close(likelihood(h, observed).log_prob(gappy), truth, rtol=0, atol=1e-10)
    observed = torch.ones(5, 2, 3, 3, dtype=torch.bool)
    observed[0, 0, 0, 1] = False
    with pytest.raises(
        RequestError, match=r"unobserved channel before an observed one.*likelihood=discretized_logistic"
    ):
        likelihood(h, observed)
    started("discretized_logistic", COLOUR, x.float())(torch.randn(5, 36), observed)


def test_colour_draws_have_the_moments_and_the_dependence_of_their_distribution() -> None:
    likelihood, h = colour(domain=Domain("levels", (1, 2, 3), 64))
    with torch.no_grad():
        p = likelihood(0.2 * h)
        x = p.sample((6000,))
        assert x.shape == (6000, 5, 1, 2, 3) and x.min() >= 0 and x.max() <= 63 and torch.equal(x, x.round())
        assert ((x.mean(0) - p.mean).abs() < 0.06 * p.stddev).all()
        torch.testing.assert_close(x.std(0), p.stddev, rtol=0.1, atol=0)
        seen = -p.log_prob(x).mean(0)
        shuffled = x[torch.randperm(6000)][..., 1:]
        apart = -p.log_prob(torch.cat([x[..., :1], shuffled], -1)).mean(0)
        assert (apart > seen + 0.05).all()


def one_pixel(levels: int, spread: float = 2.0) -> tuple[ColourLogisticMixture, Tensor, Tensor]:
    """Pixels [9] whose components reach past both ends; every x [n³, 1, 3] and its log P(x) [n³, 9]."""
    loc, log_scale = (levels - 1) * torch.rand(3, 2, 9).double(), torch.randn(3, 2, 9).double() + math.log(levels / 6)
    p = ColourLogisticMixture(
        torch.randn(2, 9).double(), loc + spread, log_scale, torch.tanh(torch.randn(3, 2, 9).double()), levels
    )
    every = torch.cartesian_prod(*[torch.arange(levels).double()] * 3).unsqueeze(1)
    return p, every, p.log_prob(every.expand(-1, 9, 3)).sum(-1)


@pytest.mark.parametrize("levels", [4, 16])
def test_the_mean_of_a_colour_is_that_of_all_its_values(levels: int) -> None:
    p, every, log_p = one_pixel(levels)
    weight = log_p.exp().unsqueeze(-1)  # [n³, 9, 1]
    mean = (weight * every).sum(0)
    torch.testing.assert_close(p.mean, mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(p.variance, (weight * every**2).sum(0) - mean**2, rtol=0, atol=1e-8)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_the_mean_of_a_colour_given_its_first_channels_is_that_of_all_others(first: int) -> None:
    p, every, log_p = one_pixel(6)
    x = torch.randint(6, (9, 3)).double()
    observed = (torch.arange(3) < first).expand(9, 3)
    fits = ((every == x) | ~observed).all(-1)  # [n³, 9]
    weight = log_p.masked_fill(~fits, -math.inf).softmax(0).unsqueeze(-1)
    found = p.mean_given(torch.where(observed, x, torch.nan), observed)
    torch.testing.assert_close(found, (weight * every).sum(0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(6,), (3, 2), (3, 2, 1), (2, 2, 4)], ids=str)
def test_without_three_channels_each_dimension_is_on_its_own(shape: tuple[int, ...]) -> None:
    likelihood = LogisticMixture(Domain("levels", shape, 8), num_components=3)
    x = torch.randint(8, (5, *shape)).float()
    p = likelihood(torch.randn(5, likelihood.num_outputs))
    other = x.clone()
    other.flatten(1)[:, 0] = 7 - other.flatten(1)[:, 0]
    changed = (p.log_prob_each(x) != p.log_prob_each(other)).flatten(1)
    assert not changed[:, 1:].any() and changed[:, 0].all() and likelihood.params_per_dim == 9


def test_no_components_are_refused() -> None:
    with pytest.raises(RequestError, match=r"likelihood\.num_components is 0"):
        LogisticMixture(COLOUR, num_components=0)


def test_the_wrong_formula_for_grey_values_is_refused_with_the_right_one() -> None:
    with pytest.raises(
        RequestError, match=r"'bernoulli' is one of binary data and the data is unit; it fits continuous"
    ):
        load_all("likelihood")["bernoulli"](DOMAINS["unit"])
    with pytest.raises(RequestError, match=r"'continuous_bernoulli' is one of unit data and the data is binary"):
        load_all("likelihood")["continuous_bernoulli"](DOMAINS["binary"])
    with pytest.raises(RequestError, match=r"the data is count; it fits negative_binomial, poisson"):
        Gaussian(DOMAINS["count"])


def test_a_refusal_says_how_the_data_can_be_taken_otherwise() -> None:
    for name, domain, way in (
        ("poisson", Domain("levels", (3,), 59), "data.domain=count"),
        ("continuous_bernoulli", Domain("real", (3,)), "data.domain=unit"),
        ("student_t", Domain("levels", (3,), 4), "data.domain=real"),
    ):
        with pytest.raises(RequestError) as refused:
            lookup("likelihood", name)(domain)
        assert way in str(refused.value.hint)
    with pytest.raises(RequestError) as refused:
        lookup("likelihood", "poisson")(Domain("real", (3,)))
    assert not refused.value.hint
