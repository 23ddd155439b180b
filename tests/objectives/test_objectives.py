"""What each objective makes of a model's terms: the loss may be bent, the bound it reports never is."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from canned import Canned, random_terms, rows
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.model import Model
from unveil.models.vae import VAE
from unveil.objectives import BetaElbo, Elbo, Iwae, Loss, Objective
from unveil.ops import keyed

K, B, L = 3, 5, 2
NAMES = ["elbo", "beta_elbo", "iwae"]
BATCH = Batch(torch.zeros(B, 1))


def toy() -> tuple[VAE, Batch]:
    with keyed("toy"):
        model = VAE.build(Domain("real", (4,)), latent=2, width=8)
        batch = Batch(torch.randn(B, 4) * torch.linspace(1, 3, 4))
        model.initialise(batch)
    return model, batch


def gradient(model: Model, loss: Tensor) -> Tensor:
    found = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([g.flatten() for g in found])


def loss_of(objective: Objective, model: Model, batch: Batch, progress: float = 1.0) -> Loss:
    with keyed("loss"):
        return objective(model, batch, progress)


# The two halves


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.0), (0.05, 0.25), (0.1, 0.5), (0.2, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize(("objective", "beta"), [(Elbo(num_samples=K, warmup=0.2), 1.0)] + [
    (BetaElbo(beta=beta, num_samples=K, warmup=0.2), beta) for beta in (0.0, 0.5, 4.0)
])  # fmt: skip
def test_warm_up_and_beta_weigh_the_rate_in_the_loss_alone(
    objective: Objective, beta: float, progress: float, weight: float
) -> None:
    terms = random_terms(K, B, L)
    assert terms.log_qz_x is not None
    distortion, rate = -terms.log_px_z.mean(0), (terms.log_qz_x - terms.log_pz).sum(-1).mean(0)
    loss = objective(Canned(terms), BATCH, progress)
    torch.testing.assert_close(loss.surrogate, distortion + beta * weight * rate)
    torch.testing.assert_close(loss.bound, -distortion - rate)
    torch.testing.assert_close(loss.logs["rate"], rate.mean())
    torch.testing.assert_close(loss.logs["distortion"], distortion.mean())
    assert loss.shared == 0


def test_without_warm_up_the_weight_is_one_from_the_start() -> None:
    terms = random_terms(K, B)
    loss = Elbo(num_samples=K, warmup=0.0)(Canned(terms), BATCH, 0.0)
    torch.testing.assert_close(loss.surrogate, -loss.bound)


def test_the_elbo_takes_the_closed_form_kl_where_there_is_one() -> None:
    kl = torch.rand(K, B, L).double()
    terms = random_terms(K, B, L, kl=kl)
    loss = Elbo(num_samples=K)(Canned(terms), BATCH)
    torch.testing.assert_close(loss.bound, terms.log_px_z.mean(0) - kl.sum(-1).mean(0))


@pytest.mark.parametrize("objective", [Elbo(num_samples=K), BetaElbo(num_samples=K), Iwae(num_samples=K)], ids=NAMES)
def test_penalties_are_added_to_the_loss_and_never_to_the_bound(objective: Objective) -> None:
    terms = random_terms(K, B)
    extra = torch.rand(B).double()
    plain = objective(Canned(terms), BATCH)
    loss = objective(Canned(replace(terms, penalties={"one": extra, "two": 2 * extra})), BATCH)
    torch.testing.assert_close(loss.surrogate, plain.surrogate + 3 * extra)
    assert torch.equal(loss.bound, plain.bound)


@pytest.mark.parametrize("objective", [Elbo(num_samples=2), BetaElbo(num_samples=2), Iwae(num_samples=2)], ids=NAMES)
def test_z_is_enumerated_where_it_can_be_and_drawn_elsewhere(objective: Objective) -> None:
    drawn = Canned(random_terms(K, B))
    objective(drawn, BATCH)
    whole = Canned(random_terms(K, B), frozenset({"log_w", "enumerate"}))
    objective(whole, BATCH)
    assert (drawn.asked, whole.asked) == ([2], [None])


# The importance-weighted bound


def test_iwae_is_the_log_of_the_mean_weight() -> None:
    terms = random_terms(K, B, L)
    loss = Iwae(num_samples=K)(Canned(terms), BATCH)
    torch.testing.assert_close(loss.bound, terms.log_w.exp().mean(0).log())
    torch.testing.assert_close(loss.surrogate, -loss.bound)


def test_iwae_never_looks_at_the_closed_form_kl() -> None:
    """Inside a log-mean-exp it is not a bound."""
    terms = random_terms(K, B, L)
    wrong = replace(terms, kl=torch.full((K, B, L), -1e3).double())
    found = [Iwae(num_samples=K)(Canned(t), BATCH).bound for t in (terms, wrong)]
    assert torch.equal(*found)


def test_iwae_takes_unequal_weights_as_they_come() -> None:
    log_m = torch.randn(K, B).double().log_softmax(0)
    terms = random_terms(K, B, L, log_m=log_m)
    model = Canned(terms, frozenset({"log_w", "enumerate"}))
    torch.testing.assert_close(Iwae()(model, BATCH).bound, (log_m.exp() * terms.log_w.exp()).sum(0).log())
    torch.testing.assert_close(Elbo()(model, BATCH).bound, (log_m.exp() * terms.log_w).sum(0))


def test_more_samples_never_lower_the_expected_bound() -> None:
    """Over all subsets of one set of eight weights there is no noise: Burda et al. (2016), theorem 1."""
    terms = random_terms(8, B, L)
    means = []
    for size in (1, 2, 4, 7, 8):
        subsets = [list(s) for s in itertools.combinations(range(8), size)]
        bounds = [Iwae(num_samples=size)(Canned(rows(terms, s)), BATCH).bound for s in subsets]
        means.append(torch.stack(bounds).mean(0))
    assert all((a < b).all() for a, b in itertools.pairwise(means))


def test_the_gradient_of_iwae_with_one_sample_is_that_of_the_sampled_elbo() -> None:
    model, batch = toy()
    model._gives = model.gives - {"kl"}  # so that the ELBO samples its rate
    iwae, elbo = (loss_of(o, model, batch) for o in (Iwae(num_samples=1), Elbo(warmup=0.0)))
    torch.testing.assert_close(iwae.bound, elbo.bound.double())
    first, second = (gradient(model, loss.surrogate.mean().float()) for loss in (iwae, elbo))
    assert first.abs().max() > 0
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_iwae_weighs_each_sample_by_its_share() -> None:
    """∇ log 1/K Σ w_k = Σ_k w_k/Σw ∇ log w_k."""
    model, batch = toy()
    loss = loss_of(Iwae(num_samples=K), model, batch)
    with keyed("loss"):
        log_w = model.infer(batch, K).log_w
    by_hand = -(log_w.detach().softmax(0) * log_w).sum(0).mean()
    torch.testing.assert_close(
        gradient(model, loss.surrogate.mean().float()), gradient(model, by_hand), rtol=1e-4, atol=1e-5
    )


def test_beta_reaches_the_gradient() -> None:
    model, batch = toy()
    one, four, elbo = (
        gradient(model, loss_of(o, model, batch).surrogate.mean())
        for o in (BetaElbo(beta=1.0), BetaElbo(beta=4.0), Elbo())
    )
    torch.testing.assert_close(one, elbo)
    assert not torch.allclose(four, elbo)


# Refusals


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Elbo(num_samples=0), "num_samples is 0"),
        (lambda: Iwae(num_samples=-3), "num_samples is -3"),
        (lambda: BetaElbo(num_samples=0), "num_samples is 0"),
        (lambda: Elbo(warmup=1.5), "objective.warmup is 1.5; it takes a share"),
        (lambda: BetaElbo(warmup=-0.1), "objective.warmup is -0.1"),
        (lambda: BetaElbo(beta=-1.0), "objective.beta is -1.0; it takes a number from 0"),
    ],
)
def test_what_makes_no_objective_is_refused(make: object, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        make()  # type: ignore[operator]
