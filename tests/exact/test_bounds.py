"""ELBO ≤ IWAE-2 ≤ IWAE-8 ≤ log p(x), and the analytic KL that has no place inside the logarithm."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from torch import Tensor

from exact.toys import linear_gaussian, real_rows
from unveil.batch import Batch
from unveil.objectives import BetaElbo, Elbo, Iwae
from unveil.ops import log_mean_exp
from unveil.terms import Terms


def subset(terms: Terms, samples: tuple[int, ...]) -> Terms:
    assert terms.log_qz_x is not None
    k = list(samples)
    return replace(terms, log_px_z=terms.log_px_z[k], log_pz=terms.log_pz[k], log_qz_x=terms.log_qz_x[k], kl=None)


def bound_over_all_subsets(terms: Terms, size: int, of: int) -> Tensor:
    """The K-sample bound [B], averaged over all subsets of K of the same weights."""
    return torch.stack([subset(terms, k).bound for k in itertools.combinations(range(of), size)]).mean(0)


def test_the_bounds_are_in_order_over_all_subsets_of_one_weight_set() -> None:
    x = real_rows(50).repeat(40, 1)  # 40 weight sets of each example
    model = linear_gaussian(x, fitted=False, inference="free")
    with torch.no_grad():
        terms, truth = model.infer(Batch(x), 10), model.log_prob(Batch(x))
    one, two, eight, ten = (bound_over_all_subsets(terms, size, 10) for size in (1, 2, 8, 10))
    torch.testing.assert_close(one, subset(terms, tuple(range(10))).elbo)  # IWAE-1 is the ELBO
    assert (one < two).all() and (two < eight).all() and (eight < ten).all()  # for every single weight set
    gap = truth - eight  # in expectation over weight sets
    assert gap.mean() > 5 * gap.std() / len(gap) ** 0.5
    assert (truth - two).mean() > gap.mean() + 0.1


def test_the_objectives_report_these_bounds() -> None:
    x = real_rows(50)
    model = linear_gaussian(x, fitted=False, inference="free")
    torch.manual_seed(1)
    terms = model.infer(Batch(x), 8)
    torch.manual_seed(1)
    iwae = Iwae(num_samples=8)(model, Batch(x))
    torch.testing.assert_close(iwae.bound, log_mean_exp(terms.log_w))
    torch.manual_seed(1)
    elbo = Elbo(num_samples=8)(model, Batch(x), 0.3)
    assert terms.kl is not None
    torch.testing.assert_close(elbo.bound, (terms.log_px_z - terms.kl.sum(-1)).mean(0))
    torch.manual_seed(1)
    beta = BetaElbo(beta=3.0, num_samples=8)(model, Batch(x))
    torch.testing.assert_close(beta.bound, elbo.bound)  # β never reaches what is reported
    torch.testing.assert_close(beta.surrogate, -(terms.log_px_z - 3 * terms.kl.sum(-1)).mean(0))


def test_the_analytic_kl_inside_the_log_mean_exp_exceeds_the_truth_by_nats() -> None:
    """log 1/K Σ_k p(x|z_k) e^{−KL} is none: with the exact posterior it is (1 − log 2)/2 per latent too high."""
    x = real_rows(150, dims=60, latents=30)
    model = linear_gaussian(x, latent=30)
    with torch.no_grad():
        terms, truth = model.infer(Batch(x), 1000), model.log_prob(Batch(x))
    assert terms.kl is not None
    wrong = log_mean_exp(terms.log_px_z - terms.kl.sum(-1))
    assert (wrong - truth).mean() > 2
    assert (terms.bound - truth).abs().max() < 1e-8


def test_the_sampled_bound_of_an_imperfect_q_stays_below_where_the_analytic_one_does_not() -> None:
    x = real_rows(400, dims=60, latents=30)
    model = linear_gaussian(x, latent=30, inference="free")
    with torch.no_grad():
        model.log_L.add_(0.4 * torch.eye(30))  # a q that is too wide
        terms, truth = model.infer(Batch(x), 30), model.log_prob(Batch(x))
    assert terms.kl is not None
    wrong = log_mean_exp(terms.log_px_z - terms.kl.sum(-1))
    below = truth - terms.bound
    assert (wrong - truth).mean() > 1
    assert below.mean() > 5 * below.std() / 400**0.5
