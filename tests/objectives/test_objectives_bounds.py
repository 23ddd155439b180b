"""The objectives between, beside and around the ELBO, against their formulas."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from canned import Canned, random_terms
from exact.toys import linear_gaussian, real_rows
from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.linear_gaussian import LinearGaussian
from unveil.objectives import (
    BetaElbo,
    BetaTcvae,
    Ciwae,
    Elbo,
    FreeBits,
    Iwae,
    MinRate,
    Mmd,
    Objective,
    Renyi,
    Rloo,
)
from unveil.objectives.aggregate import rate_in_three, squared_mmd
from unveil.objectives.base import warmed
from unveil.ops import keyed
from unveil.train.loop import Problem, fit
from unveil.train.stage import Stage

K, B, L = 6, 5, 2
BATCH = Batch(torch.zeros(B, 1))


def bound(objective: Objective, *, enumerate_: bool = False, **fields: Tensor) -> Tensor:
    torch.manual_seed(3)
    facts = {"log_w", "rsample"} | ({"enumerate"} if enumerate_ else set())
    return objective(Canned(random_terms(K, B, L, **fields), frozenset(facts)), BATCH).bound


# Between IWAE and the ELBO


def test_renyi_is_iwae_at_zero_and_the_sampled_elbo_at_one() -> None:
    wrong = torch.full((K, B, L), -1e3).double()  # no objective of log-weights looks at a closed-form KL
    torch.testing.assert_close(bound(Renyi(alpha=0.0, num_samples=K), kl=wrong), bound(Iwae(num_samples=K)))
    torch.testing.assert_close(bound(Renyi(alpha=1.0, num_samples=K), kl=wrong), bound(Elbo(num_samples=K)))


def test_renyi_falls_as_alpha_grows_and_reaches_its_end_smoothly() -> None:
    alphas = [0.0, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12, 1.0]
    found = [bound(Renyi(alpha=a, num_samples=K)) for a in alphas]
    assert all((a >= b - 1e-9).all() for a, b in itertools.pairwise(found))
    assert (found[0] > found[2] + 0.1).all() and (found[2] > found[-1] + 0.1).all()
    torch.testing.assert_close(found[-2], found[-1], atol=1e-7, rtol=0)


def test_renyi_is_its_formula_and_stands_wide_weights() -> None:
    terms = random_terms(K, B, L)
    expected = terms.log_w.mul(0.3).exp().mean(0).log() / 0.3
    torch.testing.assert_close(Renyi(alpha=0.7, num_samples=K)(Canned(terms), BATCH).bound, expected)
    wide = replace(terms, log_px_z=terms.log_px_z - 1e4 * torch.arange(K).unsqueeze(-1).double())
    found = Renyi(alpha=0.5, num_samples=K)(Canned(wide), BATCH).bound
    torch.testing.assert_close(found, wide.log_w[0] - math.log(K) / 0.5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_the_gradient_of_renyi_weighs_draws_by_their_share_to_the_power(alpha: float) -> None:
    terms = random_terms(K, B, L)
    log_px_z = terms.log_px_z.clone().requires_grad_()
    loss = Renyi(alpha=alpha, num_samples=K)(Canned(replace(terms, log_px_z=log_px_z)), BATCH)
    (found,) = torch.autograd.grad(loss.surrogate.sum(), log_px_z)
    torch.testing.assert_close(-found, ((1 - alpha) * terms.log_w).softmax(0))


def test_renyi_takes_unequal_weights_as_they_come() -> None:
    log_m = torch.randn(K, B).double().log_softmax(0)
    torch.manual_seed(3)
    m, log_w = log_m.exp(), random_terms(K, B, L).log_w
    found = bound(Renyi(alpha=0.5), enumerate_=True, log_m=log_m)
    torch.testing.assert_close(found, (m * log_w.mul(0.5).exp()).sum(0).log() / 0.5)


def test_ciwae_lies_between_its_ends() -> None:
    ends = [bound(o) for o in (Iwae(num_samples=K), Elbo(num_samples=K))]
    torch.testing.assert_close(bound(Ciwae(beta=0.0, num_samples=K)), ends[0])
    torch.testing.assert_close(bound(Ciwae(beta=1.0, num_samples=K)), ends[1])
    torch.testing.assert_close(bound(Ciwae(beta=0.3, num_samples=K)), 0.7 * ends[0] + 0.3 * ends[1])


@pytest.mark.parametrize("objective", [Iwae(), Ciwae(beta=0.0), Renyi(alpha=0.0)], ids=["iwae", "ciwae", "renyi"])
def test_q_climbs_the_elbo_where_enumeration_leaves_it_out_of_the_bound(objective: Objective) -> None:
    """Σ_z q · p/q = p(x) whatever q is: without more, nothing would teach the encoder."""
    log_p, logits = torch.randn(K, B).double(), torch.randn(K, B).double().requires_grad_()
    log_q = logits.log_softmax(0)
    terms = random_terms(K, B, 1)
    zero = torch.zeros(K, B, 1).double()
    terms = replace(terms, log_px_z=log_p, log_pz=zero, log_qz_x=log_q.unsqueeze(-1), log_m=log_q)
    loss = objective(Canned(terms, frozenset({"log_w", "enumerate"})), BATCH)
    torch.testing.assert_close(loss.bound, log_p.logsumexp(0))
    torch.testing.assert_close(loss.surrogate, -loss.bound)
    (found,) = torch.autograd.grad(loss.surrogate.sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad(-(log_q.exp() * (log_p - log_q)).sum(), logits)
    torch.testing.assert_close(found, expected)


# Floors


def rates(terms_kl: Tensor) -> Tensor:
    return terms_kl.mean(0)  # [B, L]


@pytest.mark.parametrize("progress", [0.1, 1.0])
def test_free_bits_cost_at_least_the_floor_in_each_group(progress: float) -> None:
    kl = torch.rand(K, B, L).double() * torch.tensor([1.0, 4.0])
    terms = random_terms(K, B, L, kl=kl)
    distortion, beta = -terms.log_px_z.mean(0), min(1.0, progress / 0.2)
    shared = FreeBits(floor=1.0, num_samples=K, warmup=0.2)(Canned(terms), BATCH, progress)
    torch.testing.assert_close(shared.surrogate, distortion)
    mean = rates(kl).mean(0)
    assert mean[0] < 1 < mean[1]
    torch.testing.assert_close(shared.shared, beta * (1 + mean[1]))
    each = FreeBits(floor=1.0, batch_mean=False, num_samples=K, warmup=0.2)(Canned(terms), BATCH, progress)
    torch.testing.assert_close(each.surrogate, distortion + beta * rates(kl).clamp(min=1).sum(-1))
    assert each.shared == 0
    for loss in (shared, each):
        torch.testing.assert_close(loss.bound, -distortion - rates(kl).sum(-1))
        torch.testing.assert_close(loss.logs["rate"], rates(kl).sum(-1).mean())


def test_a_group_below_its_floor_has_no_gradient() -> None:
    kl = (torch.rand(K, B, L).double() * torch.tensor([1.0, 4.0])).requires_grad_()
    terms = random_terms(K, B, L, kl=kl)
    loss = FreeBits(floor=1.0, num_samples=K)(Canned(terms), BATCH)
    (found,) = torch.autograd.grad(loss.surrogate.mean() + loss.shared, kl)
    assert (found[..., 0] == 0).all() and (found[..., 1] > 0).all()


@pytest.mark.parametrize("target", [0.5, 50.0])
def test_min_rate_is_the_larger_of_the_target_and_the_total_rate(target: float) -> None:
    kl = torch.rand(K, B, L).double()
    terms = random_terms(K, B, L, kl=kl)
    loss = MinRate(rate=target, num_samples=K)(Canned(terms), BATCH)
    total = kl.sum(-1).mean()
    assert 0.5 < total < 50
    torch.testing.assert_close(loss.shared, total.clamp(min=target))
    torch.testing.assert_close(loss.surrogate, -terms.log_px_z.mean(0))
    torch.testing.assert_close(loss.bound, terms.elbo)


@pytest.mark.parametrize(
    ("goal", "is_bound"),
    [
        (Elbo(num_samples=4000, warmup=0.0), True),
        (BetaElbo(beta=1.5, num_samples=4000, warmup=0.0), True),
        (BetaElbo(beta=0.5, num_samples=4000, warmup=0.0), False),
        (FreeBits(floor=9.0, num_samples=4000, warmup=0.0), True),
        (FreeBits(floor=9.0, batch_mean=False, num_samples=4000, warmup=0.0), True),
        (MinRate(rate=9.0, num_samples=4000), True),
        (Mmd(alpha=0.5, weight=0.0), False),
        (Mmd(alpha=0.0, weight=10.0), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Objective) else "",
)
def test_which_objectives_lie_below_log_p(goal: Objective, is_bound: bool) -> None:
    """At the exact posterior, where the ELBO is log p(x): a larger rate is a looser bound, a smaller one is none."""
    x = real_rows(256)
    model, batch = linear_gaussian(x), Batch(x)
    losses = [goal(model, batch) for _ in range(1 if goal.num_samples > 1 else 40)]
    value = -torch.stack([loss.surrogate.mean() + loss.shared for loss in losses]).mean()
    log_px = model.log_prob(batch).mean()
    assert (value <= log_px + 0.1) if is_bound else (value > log_px + 0.5)


def test_without_a_floor_both_are_the_elbo() -> None:
    terms = random_terms(K, B, L, kl=torch.rand(K, B, L).double())
    plain = Elbo(num_samples=K, warmup=0.0)(Canned(terms), BATCH).surrogate.mean()
    for goal in (FreeBits(floor=0.0, num_samples=K), MinRate(rate=0.0, num_samples=K)):
        loss = goal(Canned(terms), BATCH)
        torch.testing.assert_close(loss.surrogate.mean() + loss.shared, plain)


# Cycles


@pytest.mark.parametrize(
    ("progress", "weight"),
    [(0.0, 0.0), (0.125, 0.5), (0.25, 1.0), (0.49, 1.0), (0.5, 0.0), (0.625, 0.5), (0.75, 1.0), (1.0, 1.0)],
)
def test_the_weight_starts_again_in_each_cycle_and_ends_at_one(progress: float, weight: float) -> None:
    assert float(warmed(progress, 0.5, cycles=2)) == pytest.approx(weight)
    assert float(warmed(torch.tensor(progress), 0.5, cycles=2)) == pytest.approx(weight)
    terms = random_terms(K, B, L)
    options = {"num_samples": K, "warmup": 0.5, "cycles": 2}
    for goal, rate_weight in ((Elbo(**options), weight), (BetaElbo(beta=3.0, **options), 3 * weight)):  # type: ignore[arg-type]
        loss = goal(Canned(terms), BATCH, progress)
        torch.testing.assert_close(loss.surrogate, terms.distortion.mean(0) + rate_weight * terms.rate.sum(-1).mean(0))
        torch.testing.assert_close(loss.bound, terms.elbo)


# Total correlation


def test_the_three_parts_of_the_rate_add_up_to_it() -> None:
    x = Batch(real_rows(30))
    model = linear_gaussian(x.x, inference="free")
    posterior, sums = model.posterior(x), []
    for _ in range(300):
        terms = model.infer(x, 1, posterior=posterior)
        parts = torch.stack(rate_in_three(terms, posterior))
        assert terms.log_qz_x is not None
        torch.testing.assert_close(parts.sum(), (terms.log_qz_x - terms.log_pz).sum(-1).mean())
        sums.append(parts.sum().detach())
    kl, found = model.expected_kl(posterior).mean().detach(), torch.stack(sums)
    assert (found.mean() - kl).abs() < 4 * found.std() / 300**0.5


def test_the_aggregate_of_the_batch_is_the_mixture_of_its_posteriors() -> None:
    """By hand, with N = B and with N = 100 of which the drawn example is one."""
    x = Batch(real_rows(4))
    model = linear_gaussian(x.x, inference="free")
    posterior = model.posterior(x)
    terms, q = model.infer(x, 1, posterior=posterior), posterior.distribution
    assert isinstance(q, MultivariateNormal)
    z, S = terms.z[0][0], q.covariance_matrix[0]
    for N, own, other in ((0, 1 / 4, 1 / 4), (100, 1 / 100, 99 / 300)):
        joint, product = [], []
        for i in range(4):
            share = torch.tensor([own if j == i else other for j in range(4)]).double()
            each = [MultivariateNormal(m, S).log_prob(z[i]).exp() for m in q.mean]
            joint.append((share * torch.stack(each)).sum().log())
            single = torch.exp(-0.5 * (z[i] - q.mean) ** 2 / S.diag()) / (2 * math.pi * S.diag()).sqrt()
            product.append((share.unsqueeze(-1) * single).sum(0).log().sum())
        information, correlation, _ = rate_in_three(terms, posterior, N)
        torch.testing.assert_close(correlation, (torch.stack(joint) - torch.stack(product)).mean())
        assert terms.log_qz_x is not None
        torch.testing.assert_close(information, (terms.log_qz_x[0, :, 0] - torch.stack(joint)).mean())


def test_data_of_the_model_itself_has_neither_correlation_nor_a_far_aggregate() -> None:
    """There q(z) = p(z): the whole rate is information."""
    with keyed("own"):
        model = linear_gaussian(real_rows(50))
        x, _ = model.sample(1500)
    batch = Batch(x)
    terms, posterior = model.infer(batch, 1), model.posterior(batch)
    information, correlation, dimensions = rate_in_three(terms, posterior)
    assert information > 2 and correlation.abs() < 0.15 and dimensions.abs() < 0.15


def test_beta_tcvae_with_equal_weights_is_the_elbo_and_else_weighs_the_parts() -> None:
    x = Batch(real_rows(30))
    model = linear_gaussian(x.x, inference="free")
    losses = {}
    for name, goal in (
        ("elbo", Elbo()),
        ("one", BetaTcvae(beta=1.0)),
        ("bent", BetaTcvae(beta=6.0, alpha=2.0, gamma=0.5)),
    ):
        with keyed("same"):
            losses[name] = goal(model, x)
    bent = losses["bent"]
    torch.testing.assert_close(losses["one"].surrogate, losses["elbo"].surrogate)
    assert losses["one"].shared == 0
    logs = bent.logs
    expected = logs["mutual_information"] + 5 * logs["total_correlation"] - 0.5 * logs["dimension_kl"]
    torch.testing.assert_close(bent.shared.detach(), expected)
    torch.testing.assert_close(bent.bound, losses["elbo"].bound)


def test_the_loop_tells_how_many_examples_there_are() -> None:
    goal, domain = BetaTcvae(), Domain("real", (6,))
    data = Split(real_rows(70).float(), None, domain, "none", torch.arange(70))
    next(fit(LinearGaussian(domain, latent=2), data, Stage(goal, steps=1, batch_size=8)))
    assert goal.num_examples == 70


def test_a_single_example_has_no_correlation_to_speak_of() -> None:
    """The last block of a validation may hold one row."""
    x = Batch(real_rows(30)[:1])
    model = linear_gaussian(real_rows(30))
    for goal in (BetaTcvae(), Mmd()):
        goal.prepare(30)
        loss = goal(model, x)
        assert all(torch.isfinite(value).all() for value in (loss.surrogate, loss.shared, *loss.logs.values()))


# MMD


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_mmd_is_nothing_in_the_mean_between_equal_distributions(kernel: str) -> None:
    equal = torch.stack([squared_mmd(torch.randn(12, 2), torch.randn(12, 2), kernel) for _ in range(1000)])
    assert equal.mean().abs() < 4 * equal.std() / 1000**0.5 and (equal < 0).any()
    apart = torch.stack([squared_mmd(1 + torch.randn(12, 2), torch.randn(12, 2), kernel) for _ in range(300)])
    assert apart.mean() > 20 * apart.std() / 300**0.5


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_mmd_is_its_double_sum(kernel: str) -> None:
    z, u = torch.randn(4, 3).double() + 0.5, 2 * torch.randn(4, 3).double()
    C = 2 * 3 * u.var(0).mean()

    def k(a: Tensor, b: Tensor) -> Tensor:
        square = ((a - b) ** 2).sum()
        return C / (C + square) if kernel == "imq" else torch.exp(-square / C)

    pairs = list(itertools.permutations(range(4), 2))
    same = sum((k(z[i], z[j]) + k(u[i], u[j]) for i, j in pairs), torch.zeros(()).double()) / 12
    cross = sum((k(a, b) for a in z for b in u), torch.zeros(()).double()) / 16
    torch.testing.assert_close(squared_mmd(z, u, kernel), same - 2 * cross)


def test_mmd_takes_the_place_of_a_share_of_the_rate() -> None:
    x = Batch(real_rows(30))
    model = linear_gaussian(x.x, inference="free")
    with keyed("same"):
        loss = Mmd(alpha=0.25, weight=7.0)(model, x)
    with keyed("same"):
        terms = model.infer(x, 1)
        u = model.draw_prior(30)[0]
    torch.testing.assert_close(loss.surrogate, (terms.distortion + 0.75 * terms.rate.sum(-1))[0])
    torch.testing.assert_close(loss.shared, 7 * squared_mmd(terms.z[0][0], u, "imq"))
    torch.testing.assert_close(loss.bound, terms.elbo)


# Known latents


def test_examples_with_known_latents_are_trained_on_them() -> None:
    x = real_rows(6)
    model = linear_gaussian(x, inference="free")
    z = torch.randn(6, 2)
    z[1:4] = torch.nan
    z[4, 1] = torch.nan  # known in part is not known
    with keyed("same"):
        loss = Elbo(num_samples=3)(model, Batch(x, z=(z,)))
    with keyed("same"):
        plain = Elbo(num_samples=3)(model, Batch(x))
    torch.testing.assert_close(loss.bound, plain.bound)
    torch.testing.assert_close(loss.surrogate[1:5], plain.surrogate[1:5])
    known, q = z[[0, 5]].double(), model.posterior(Batch(x)).distribution
    mean = known @ model.W.T + model.mu
    scale = (model.least_psi + model.log_psi.exp()).sqrt().expand_as(mean)
    log_px_z = torch.distributions.Normal(mean, scale).log_prob(x[[0, 5]]).sum(-1)
    log_pz = torch.distributions.Normal(0.0, 1.0).log_prob(known).sum(-1)
    assert isinstance(q, MultivariateNormal)
    log_q = MultivariateNormal(q.mean[[0, 5]], q.covariance_matrix[[0, 5]]).log_prob(known)
    torch.testing.assert_close(loss.surrogate[[0, 5]], -(log_px_z + log_pz + log_q))
    loss.surrogate.mean().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in model.parameters() if p.grad is not None)


def test_known_latents_reach_the_objective_through_the_problem() -> None:
    x = real_rows(6)
    model, z = linear_gaussian(x, inference="free"), torch.randn(6, 2)
    problem = Problem(model, Stage(Elbo(warmup=0.0), steps=1))
    found = []
    for known in (None, (z,)):
        with keyed("same"):
            found.append(problem(x, None, None, known, torch.tensor(1.0)))
    assert found[0][0] != found[1][0] and float(found[1][1]["known_z"]) == 1
    torch.testing.assert_close(found[0][1]["bound"], found[1][1]["bound"])


@pytest.mark.parametrize("objective", [Iwae(), BetaElbo(), Rloo()], ids=["iwae", "beta_elbo", "rloo"])
def test_an_objective_that_would_not_look_at_known_latents_is_refused(objective: Objective) -> None:
    x = real_rows(6)
    model = linear_gaussian(x)
    objective.check(model, Batch(x))
    with pytest.raises(RequestError, match=r"known latents z, and the objective .* would not look at them; use 'elbo'"):
        objective.check(model, Batch(x, z=(torch.zeros(6, 2),)))


# Refusals


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (Renyi, {"alpha": -0.5}, "objective.alpha is -0.5; it takes a share"),
        (Renyi, {"alpha": 1.5}, "objective.alpha is 1.5"),
        (Ciwae, {"beta": 2.0}, "objective.beta is 2.0"),
        (FreeBits, {"floor": -1.0}, "objective.floor is -1.0; it takes a number from 0"),
        (MinRate, {"rate": math.nan}, "objective.rate is nan"),
        (BetaTcvae, {"gamma": -1.0}, "objective.gamma is -1.0"),
        (Mmd, {"alpha": 1.1}, "objective.alpha is 1.1"),
        (Mmd, {"weight": -1.0}, "objective.weight is -1.0"),
        (Elbo, {"cycles": 0}, "objective.cycles is 0; it takes a whole number from 1"),
    ],
)
def test_what_makes_no_objective_is_refused(kind: type[Objective], arguments: dict[str, float], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        kind(**arguments)
