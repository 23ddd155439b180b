"""KL(p‖q): closed forms against Monte Carlo, sums over all values, and each other."""

from __future__ import annotations

import doctest
import importlib
import math

import pytest
import torch
from torch.distributions import Bernoulli, Distribution, Independent, Laplace, MultivariateNormal, Normal, Uniform

from unveil.distributions import EventSum, Levels
from unveil.divergence import kl
from unveil.errors import RequestError


def gaussian(batch: int = 4, dims: int = 3, full: bool = False) -> Distribution:
    loc, scale = torch.randn(batch, dims).double(), torch.rand(batch, dims).double() + 0.5
    if not full:
        return Independent(Normal(loc, scale), 1)
    lower = 0.4 * torch.randn(batch, dims, dims).double().tril(-1)
    return MultivariateNormal(loc, scale_tril=lower + torch.diag_embed(scale))


@pytest.mark.parametrize("p_full", [False, True])
@pytest.mark.parametrize("q_full", [False, True])
def test_the_closed_form_lies_within_the_error_of_monte_carlo(p_full: bool, q_full: bool) -> None:
    p, q = gaussian(full=p_full), gaussian(full=q_full)
    exact, sampled = kl(p, q), kl(p, q, method="monte_carlo", num_samples=200_000)
    assert exact.method == "closed" and sampled.method == "monte_carlo" and exact.value.shape == (4,)
    assert (exact.stderr == 0).all() and (sampled.stderr > 0).all()
    assert ((exact.value - sampled.value).abs() < 4 * sampled.stderr).all()
    assert (sampled.stderr < 0.02 * exact.value + 0.02).all()
    assert ((exact.value - kl(q, p).value).abs() > 1e-3).all()  # the other way round is another number


def test_the_gaussian_formula() -> None:
    m, s, mu, sigma = (torch.rand(5).double() + 0.5 for _ in range(4))
    formula = (sigma / s).log() + (s**2 + (m - mu) ** 2) / (2 * sigma**2) - 0.5
    torch.testing.assert_close(kl(Normal(m, s), Normal(mu, sigma)).value, formula)
    assert kl(Normal(m, s), Normal(m, s)).value.abs().max() < 1e-12


def test_the_standard_error_is_that_of_the_mean() -> None:
    """Over 400 repetitions, the spread of the value is the standard error that each of them states."""
    p, q = Normal(torch.zeros(400).double(), 1.0), Normal(torch.full((400,), 1.0).double(), 2.0)
    found = kl(p, q, method="monte_carlo", num_samples=500)
    assert found.value.std().item() == pytest.approx(found.stderr.mean().item(), rel=0.15)


def test_discrete_kl_is_the_sum_over_values() -> None:
    p, q = (Levels(torch.randn(4, 2, 3, 5).double()) for _ in range(2))
    by_hand = sum(
        p.log_prob(torch.full((4, 2, 3), i)).exp()
        * (p.log_prob(torch.full((4, 2, 3), i)) - q.log_prob(torch.full((4, 2, 3), i)))
        for i in range(5)
    )
    assert isinstance(by_hand, torch.Tensor)
    torch.testing.assert_close(kl(p, q).value, by_hand)
    torch.testing.assert_close(kl(EventSum(p, 2), EventSum(q, 2)).value, by_hand.sum((-2, -1)))


def test_unobserved_dimensions_leave_the_kl_as_they_leave_log_p() -> None:
    observed = torch.rand(4, 6) > 0.5
    p, q = (EventSum(Bernoulli(logits=torch.randn(4, 6).double()), 1, observed) for _ in range(2))
    exact, sampled = kl(p, q, method="closed"), kl(p, q, method="monte_carlo", num_samples=50_000)
    assert ((exact.value - sampled.value).abs() <= 4 * sampled.stderr).all()
    everything = kl(EventSum(p.base, 1), EventSum(q.base, 1)).value
    assert (everything > exact.value).any()


def test_auto_samples_where_no_closed_form_is_known() -> None:
    p, q = Normal(torch.zeros(3).double(), 1.0), Laplace(torch.zeros(3).double(), 1.0)
    found = kl(q, p, num_samples=100_000)
    exact = 0.5 * math.log(2 * math.pi) - math.log(2)  # E_q: −log 2 − E|x| + ½ log 2π + ½ E x², E|x| = 1, E x² = 2
    assert kl(q, p).method == "closed" and kl(q, p).value[0].item() == pytest.approx(exact)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(3, 2).double()), Normal(torch.zeros(3, 2).double(), 1.0)
    )  # both components are p itself
    sampled = kl(mixture, p)
    assert sampled.method == "monte_carlo" and found.method == "closed"
    assert sampled.value.abs().max() < 1e-12


def test_where_q_has_no_probability_the_kl_is_infinite() -> None:
    p, q = Uniform(torch.zeros(2), 2.0), Uniform(torch.zeros(2), 1.0, validate_args=False)
    assert kl(p, q).value.isinf().all() and kl(p, q, method="monte_carlo").value.isinf().all()
    assert kl(q, p).value[0].item() == pytest.approx(math.log(2))


def test_requests_that_make_no_kl_are_refused() -> None:
    p = gaussian()
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(2)), Normal(torch.zeros(2), 1.0)
    )
    with pytest.raises(RequestError, match="method='monte_carlo'"):
        kl(mixture, Normal(0.0, 1.0), method="closed")
    with pytest.raises(RequestError, match="same events"):
        kl(p, gaussian(dims=2))
    with pytest.raises(RequestError, match="at least 2"):
        kl(p, p, method="monte_carlo", num_samples=1)


def test_the_example_in_the_docstring_runs() -> None:
    outcome = doctest.testmod(importlib.import_module("unveil.divergence"))
    assert outcome.attempted >= 3 and outcome.failed == 0
