"""A mixture against enumeration by hand and scikit-learn."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import Distribution

from exact.toys import DOMAINS, clustered, magnitude, mixture, once, with_gaps
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.mixture import Mixture
from unveil.objectives import Elbo, Iwae
from unveil.registry import describe, rebuild

KINDS = pytest.mark.parametrize("kind", ["real", "binary", "levels"])


def close(a: Tensor, b: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def by_hand(model: Mixture, x: Tensor) -> Tensor:
    """log Σ_c π_c p(x|c), one component at a time, through the distributions that decode returns."""
    p = [model.decode((torch.full((len(x),), c),)).log_prob(x).exp() for c in range(model.num_components)]
    return (model.logits.softmax(-1) @ torch.stack(p)).log().detach()


def fitted(kind: str, num: int = 60, rounds: int = 3) -> tuple[Mixture, Batch]:
    batch = clustered(kind, num)
    model = mixture(batch, kind)
    for _ in range(rounds):
        model.solve(once(batch))
    return model, batch


@KINDS
def test_log_p_is_the_sum_over_components(kind: str) -> None:
    model, batch = fitted(kind)
    close(model.log_prob(batch), by_hand(model, batch.x))


@KINDS
def test_enumeration_is_exact_and_so_is_every_draw(kind: str) -> None:
    model, batch = fitted(kind, num=9)
    truth = by_hand(model, batch.x)
    terms = model.infer(batch, None)
    assert terms.log_m is not None and terms.log_w.shape == (4, 9) and terms.rate.shape == (4, 9, 1)
    close(terms.log_m.exp().sum(0), torch.ones(9).double())
    for bound in (terms.elbo, terms.bound, Elbo()(model, batch).bound, Iwae()(model, batch).bound):
        close(bound, truth)
    close(terms.log_w, truth.expand(4, 9))
    close(model.infer(batch, 5).log_w, truth.expand(5, 9))
    anywhere = (torch.randint(4, (5, 9)),)
    joint, log_q = model.joint(batch, anywhere), model.posterior(batch).log_prob(anywhere)
    close(joint.log_px_z + (joint.log_pz - log_q).sum(-1), truth.expand(5, 9))


@KINDS
def test_enumerated_under_any_q_the_bound_is_log_p(kind: str) -> None:
    """log Σ_c q_c · p(x, c)/q_c = log p(x): the samples are weighed by q, not by 1/K."""
    model, batch = fitted(kind, num=9)
    log_q = torch.randn(4, 9).double().log_softmax(0)
    terms = replace(model.enumerate(batch), log_qz_x=log_q.unsqueeze(-1), log_m=log_q)
    close(terms.bound, by_hand(model, batch.x))
    gap = (log_q.exp() * (log_q - model.posterior(batch).log_r.T)).sum(0)
    close(terms.elbo + gap, by_hand(model, batch.x))


@KINDS
def test_in_float32_the_identity_holds_to_a_millionth_of_the_terms(kind: str) -> None:
    model, batch = fitted(kind)
    model, batch = model.float(), Batch(batch.x.float())
    terms = model.infer(batch, 4)
    assert ((terms.log_w - model.log_prob(batch)).abs() <= 1e-6 * magnitude(terms)).all()
    assert ((model.log_prob(batch) - by_hand(model, batch.x)).abs() <= 1e-5 * magnitude(terms)[0]).all()


@KINDS
def test_draws_come_from_the_posterior(kind: str) -> None:
    model, batch = fitted(kind, num=5)
    (z,), _ = model.posterior(batch).draw(20_000)
    share = torch.stack([(z == c).double().mean(0) for c in range(4)], -1)
    r = model.posterior(batch).log_r.exp()
    assert ((share - r).abs() <= 4.5 * (r * (1 - r) / 20_000).sqrt() + 1e-12).all()


@KINDS
def test_the_gradient_of_the_enumerated_elbo_is_that_of_log_p(kind: str) -> None:
    model, batch = fitted(kind)
    weights = list(model.parameters())
    found = torch.autograd.grad(Elbo()(model, batch).surrogate.sum(), weights)
    truth = torch.autograd.grad(-model.log_prob(batch).sum(), weights)
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "levels"), [("binary", 2), ("levels", 4)])
def test_probabilities_of_all_x_sum_to_one(kind: str, levels: int) -> None:
    model, _ = fitted(kind)
    every = torch.tensor(list(itertools.product(range(levels), repeat=6))).reshape(-1, 2, 3).double()
    close(model.log_prob(Batch(every)).logsumexp(0), torch.zeros(()).double())


@pytest.mark.parametrize(("kind", "levels"), [("binary", 2), ("levels", 4)])
def test_what_is_not_observed_is_summed_out(kind: str, levels: int) -> None:
    model, batch = fitted(kind)
    observed = torch.rand(2, 3) > 0.5
    every = torch.tensor(list(itertools.product(range(levels), repeat=int((~observed).sum())))).double()
    for x in batch.x[:5]:
        completed = x.expand(len(every), 2, 3).clone()
        completed[:, ~observed] = every
        truth = model.log_prob(Batch(completed)).logsumexp(0)
        gappy = Batch(torch.where(observed, x, torch.nan).unsqueeze(0), observed=observed.unsqueeze(0))
        close(model.log_prob(gappy), truth.unsqueeze(0))
        close(model.infer(gappy, 3).log_w, truth.expand(3, 1))


def test_what_is_not_observed_of_real_x_is_integrated_out() -> None:
    model, batch = fitted("real")
    observed = torch.ones(2, 3, dtype=torch.bool)
    observed[1, 1] = False
    grid = torch.linspace(-30, 30, 6001).double()
    completed = batch.x[0].expand(len(grid), 2, 3).clone()
    completed[:, 1, 1] = grid
    truth = torch.trapezoid(model.log_prob(Batch(completed)).exp(), grid).log()
    gappy = torch.where(observed, batch.x[0], torch.nan).unsqueeze(0)
    close(model.log_prob(Batch(gappy, observed=observed.unsqueeze(0))), truth.unsqueeze(0), 1e-8)


@KINDS
def test_a_mask_per_row_is_a_model_per_row(kind: str) -> None:
    model, batch = fitted(kind, num=20)
    gappy = with_gaps(batch)
    assert gappy.observed is not None
    each = [
        model.log_prob(Batch(x.unsqueeze(0), observed=o.unsqueeze(0)))
        for x, o in zip(gappy.x, gappy.observed, strict=True)
    ]
    close(model.log_prob(gappy), torch.cat(each))
    none = Batch(gappy.x * torch.nan, observed=torch.zeros_like(gappy.observed))
    close(model.log_prob(none), torch.zeros(20).double())


def scikit_learns(model: Mixture) -> GaussianMixture:
    """The same mixture in scikit-learn's class."""
    p = model.decode((torch.arange(model.num_components),))
    oracle = GaussianMixture(
        model.num_components,
        covariance_type="diag",
        max_iter=1,
        reg_covar=0,
        weights_init=model.logits.softmax(-1).detach().numpy(),
        means_init=p.mean.flatten(1).detach().numpy(),
        precisions_init=(1 / p.stddev.flatten(1) ** 2).detach().numpy(),
    )
    return oracle


def test_gaussian_components_score_and_climb_as_scikit_learns_do() -> None:
    batch = clustered("real", 200)
    model = mixture(batch, "real", smoothing=1e-13, floor=1e-13)
    model.solve(once(batch))
    before, x = model.log_prob(batch).mean().item(), batch.x.flatten(1).numpy()
    oracle = scikit_learns(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one round does not converge, and says so
        oracle.fit(x)
    model.solve(once(batch))
    assert oracle.lower_bound_ == pytest.approx(before, abs=1e-9)
    np.testing.assert_allclose(model.log_prob(batch).detach(), oracle.score_samples(x), atol=1e-8)
    np.testing.assert_allclose(model.posterior(batch).log_r.exp().detach(), oracle.predict_proba(x), atol=1e-8)


def test_one_component_is_the_smoothed_marginal() -> None:
    batch, s = clustered("levels", 50), 3.0
    model = mixture(batch, "levels", 1, smoothing=s, floor=1e-3)
    model.solve(once(batch))
    counts = torch.stack([(batch.x == i).double().sum(0) for i in range(4)], -1)  # [2, 3, 4]
    m = model.components.get_buffer("marginal").reshape(2, 3, 4)
    p = ((counts + s * m) / (50 + s)).log().gather(-1, batch.x.long().permute(1, 2, 0)).sum((0, 1))
    close(model.log_prob(batch), p)
    close(m.sum(-1), torch.ones(2, 3).double())
    assert (m >= 1e-3 / 4).all()


def test_ten_times_x_costs_d_log_10() -> None:
    batch = clustered("real", 80)
    found = []
    for scale in (1.0, 10.0):
        torch.manual_seed(3)
        x = Batch(scale * batch.x)
        model = mixture(x, "real")
        for _ in range(5):
            model.solve(once(x))
        found.append(model.log_prob(x))
    close(found[1], found[0] - 6 * math.log(10), 1e-9)


@KINDS
def test_samples_have_the_frequencies_of_the_model(kind: str) -> None:
    model, _ = fitted(kind)
    x, (z,) = model.sample(50_000)
    pi = model.logits.softmax(-1)
    share = torch.bincount(z, minlength=4) / len(z)
    assert ((share - pi).abs() < 4.5 * (pi * (1 - pi) / len(z)).sqrt()).all()
    every = model.decode((torch.arange(4),))
    mean = (pi[:, None, None] * every.mean).sum(0)
    variance = (pi[:, None, None] * (every.stddev**2 + every.mean**2)).sum(0) - mean**2
    assert ((x.mean(0) - mean).abs() < 4.5 * (variance / len(x)).sqrt()).all()
    assert isinstance(every, Distribution) and x.shape == (50_000, 2, 3)
    _, (coldest,) = model.sample(20, temperature=0.0)
    assert (coldest == pi.argmax()).all()


@KINDS
def test_a_model_is_rebuilt_from_its_description_and_weights(kind: str) -> None:
    model, batch = fitted(kind)
    again = rebuild(describe(model)).double()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.log_prob(batch), model.log_prob(batch))
    assert again.log_prior() == model.log_prior()


def test_what_makes_no_mixture_is_refused() -> None:
    for arguments, said in (
        ({"num_components": 0}, "num_components is 0"),
        ({"smoothing": 0.0}, "smoothing is 0.0"),
        ({"smoothing": math.inf}, "smoothing is inf"),
        ({"floor": 1.0}, "floor is 1.0"),
    ):
        with pytest.raises(RequestError, match=said):
            Mixture(DOMAINS["binary"], **arguments)
    x = torch.randn(20, 3)
    x[:, 1] = 7.0
    with pytest.raises(RequestError, match=r"Column\(s\) 1 of x are constant"):
        Mixture(Domain("real", (3,))).initialise(Batch(x))
    with pytest.raises(RequestError, match="reparametrised"):
        Mixture(DOMAINS["binary"]).require("The objective 'dreg'", {"rsample"})


def test_the_default_smoothing_is_half_an_example_per_value() -> None:
    assert [Mixture(DOMAINS[kind]).smoothing for kind in ("binary", "levels", "real")] == [1.0, 2.0, 1.0]
