"""Every likelihood is a normalised one, in the units of x."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from unveil.domain import Domain
from unveil.likelihoods import Gaussian, Likelihood
from unveil.registry import load_all

SHAPE = (3,)
DISCRETE = [
    (name, domain)
    for name, cls in load_all("likelihood").items()
    for domain in (Domain("binary", SHAPE), Domain("levels", SHAPE, 5), Domain("levels", SHAPE, 17))
    if domain.kind in cls.domains  # type: ignore[attr-defined]
]


def built(name: str, domain: Domain) -> Likelihood:
    """A float64 likelihood that has seen data."""
    likelihood: Likelihood = load_all("likelihood")[name](domain).double()
    likelihood.initialise(torch.randint(domain.levels, (50, *SHAPE)).double())
    return likelihood


@pytest.mark.parametrize(("name", "domain"), DISCRETE, ids=lambda value: str(value))
def test_probabilities_of_all_x_sum_to_one(name: str, domain: Domain) -> None:
    likelihood = built(name, domain)
    p = likelihood(3 * torch.randn(4, 1, likelihood.num_outputs).double())
    every = torch.tensor(list(itertools.product(range(domain.levels), repeat=3))).double()
    total = p.log_prob(every).logsumexp(-1)  # [4]
    assert total.abs().max() < 1e-10


@pytest.mark.parametrize(("name", "domain"), DISCRETE, ids=lambda value: str(value))
def test_mean_and_stddev_are_those_of_the_probabilities(name: str, domain: Domain) -> None:
    likelihood = built(name, domain)
    p = likelihood(torch.randn(4, likelihood.num_outputs).double())
    levels = torch.arange(domain.levels).double().reshape(-1, 1, 1)
    weight = p.base.log_prob(levels.expand(-1, 4, 3)).exp()
    mean = (weight * levels).sum(0)
    torch.testing.assert_close(p.mean, mean)
    torch.testing.assert_close(p.stddev, ((weight * levels**2).sum(0) - mean**2).sqrt())


@pytest.mark.parametrize("sigma", ["learned", 0.7])
def test_a_density_integrates_to_one(sigma: str | float) -> None:
    likelihood = Gaussian(Domain("real", (1,)), sigma=sigma).double()  # type: ignore[arg-type]
    likelihood.initialise(5 + 3 * torch.randn(50, 1).double())
    grid = torch.linspace(-100, 100, 40_001).double()
    p = likelihood(torch.randn(4, 1, 1).double())
    total = torch.trapezoid(p.log_prob(grid.unsqueeze(-1)).exp(), grid)
    torch.testing.assert_close(total, torch.ones(4).double(), rtol=0, atol=1e-10)


def test_ten_times_x_costs_d_log_10() -> None:
    x, h, found = 5 + 3 * torch.randn(50, *SHAPE).double(), torch.randn(50, 3).double(), []
    for scale in (1.0, 10.0):
        likelihood = Gaussian(Domain("real", SHAPE)).double()
        likelihood.initialise(scale * x)
        found.append(likelihood(h).log_prob(scale * x))
    torch.testing.assert_close(found[1], found[0] - 3 * math.log(10), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "domain"), DISCRETE, ids=lambda value: str(value))
def test_what_is_not_observed_is_summed_out(name: str, domain: Domain) -> None:
    likelihood = built(name, domain)
    h = torch.randn(1, likelihood.num_outputs).double()
    observed = torch.tensor([[True, False, True]])
    every = torch.randint(domain.levels, (1, 3)).double().repeat(domain.levels, 1)
    every[:, 1] = torch.arange(domain.levels)
    truth = likelihood(h).log_prob(every).logsumexp(0)
    gappy = torch.where(observed, every[:1], torch.nan)
    torch.testing.assert_close(likelihood(h, observed).log_prob(gappy), truth.unsqueeze(0), rtol=0, atol=1e-10)
