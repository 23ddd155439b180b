"""Posterior heads: complete densities, draws with a gradient, closed KLs, flows both ways, discrete latents."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Laplace, MultivariateNormal, Normal, kl_divergence

from unveil.distributions.discrete_latents import Bits, OneHots
from unveil.distributions.real_latents import FullGaussian, Pushforward
from unveil.divergence import kl
from unveil.errors import RequestError
from unveil.model import OneGroup
from unveil.posteriors import DiagonalGaussian, PosteriorHead
from unveil.registry import load_all, lookup

F, B, D = 5, 3, 4
FLOWS = ["flow", "iaf"]
CONTINUOUS = [name for name, cls in load_all("posterior").items() if cls.support == "real"]  # type: ignore[attr-defined]
DISCRETE = [name for name in load_all("posterior") if name not in CONTINUOUS]


def moved(name: str, num_latents: int = D, by: float = 0.2, **keys: Any) -> PosteriorHead:
    """A head in float64 that is not at a special value."""
    sizes = {"width": 16} if name in FLOWS else {"num_categories": 3} if name == "categorical" else {}
    head: PosteriorHead = lookup("posterior", name)(width(name, num_latents), num_latents, **sizes, **keys).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return head


def width(name: str, num_latents: int) -> int:
    """The features that a head takes: any number, or those of two experts, and what a flow is told."""
    experts = 2 * (2 * num_latents + 1)
    return {"product_of_experts": experts, "experts_or_flow": experts + 64}.get(name, F)


def features(name: str = "", num_latents: int = D) -> Tensor:
    return torch.randn(B, width(name, num_latents)).double()


def test_no_head_is_missed() -> None:
    assert {*FLOWS, "diagonal_gaussian", "full_gaussian"} <= set(CONTINUOUS)
    assert {"bernoulli", "categorical"} <= set(DISCRETE)


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_draws_and_densities_keep_samples_and_examples_apart(name: str) -> None:
    q = moved(name)(features(name))
    size = 3 * D if name == "categorical" else D
    assert q.batch_shape == (B,) and q.event_shape == (size,)
    z = q.sample((7,))
    assert z.shape == (7, B, size) and not z.requires_grad
    log_q = q.log_prob(z)
    assert log_q.shape == (7, B)
    torch.testing.assert_close(q.log_prob(z[2]), log_q[2])


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_a_draw_reaches_every_parameter_and_its_density_is_that_of_log_prob(name: str) -> None:
    head, h = moved(name), features(name).requires_grad_()  # a product of experts has no parameter of its own
    posterior = OneGroup(lambda hold: head(h))
    (z,), log_q = posterior.draw(6)
    torch.testing.assert_close(log_q, posterior.log_prob((z,)))
    (z.square().sum() + log_q.sum()).backward()
    assert [k for k, p in head.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert log_q.shape == (6, B, 1)
    with torch.no_grad():
        assert not posterior.draw(2)[0][0].requires_grad


@torch.no_grad()
@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_density_integrates_to_one_for_each_example(name: str) -> None:
    q = moved(name, 2, by=0.1)(0.5 * features(name, 2))
    axis = torch.linspace(-8, 8, 201).double()
    z = torch.cartesian_prod(axis, axis).unsqueeze(1)  # [N, 1, 2], broadcast over the examples
    p = q.log_prob(z.expand(-1, B, -1)).exp() * (axis[1] - axis[0]) ** 2
    torch.testing.assert_close(p.sum(0), torch.ones(B).double(), rtol=0, atol=5e-4)
    drawn = q.sample((20_000,))
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert ((drawn.mean(0) - torch.einsum("nb,nd->bd", p, z[:, 0])).abs() < 4.5 * error).all()


@pytest.mark.parametrize("name", ["full_gaussian", *FLOWS])
@pytest.mark.parametrize("num_latents", [1, 3])
def test_a_richer_head_starts_as_the_diagonal_gaussian_within_it(name: str, num_latents: int) -> None:
    head, h = lookup("posterior", name)(F, num_latents), torch.randn(B, F)
    plain = DiagonalGaussian(F, num_latents)
    weights = head.gaussian.linear if name in FLOWS else head.linear
    with torch.no_grad():
        plain.linear.weight.copy_(weights.weight[: 2 * num_latents])
    z = torch.randn(6, B, num_latents)
    torch.testing.assert_close(head(h).log_prob(z), plain(h).log_prob(z), rtol=1e-4, atol=1e-4)


# Full covariance


def test_the_covariance_is_full_and_its_moments_are_stated() -> None:
    q = moved("full_gaussian", by=0.5)(features())
    assert isinstance(q, FullGaussian)
    drawn = q.sample((200_000,))
    for b in range(B):
        torch.testing.assert_close(drawn[:, b].T.cov(), q.covariance_matrix[b].detach(), rtol=0.05, atol=0.05)
    correlation = q.covariance_matrix / (q.stddev.unsqueeze(-1) * q.stddev.unsqueeze(-2))
    assert (correlation - torch.eye(D)).abs().amax((-2, -1)).min() > 0.1
    torch.testing.assert_close(drawn.mean(0), q.mean, rtol=0, atol=0.05)
    reference = MultivariateNormal(q.loc, scale_tril=q.scale_tril)
    z = torch.randn(5, B, D).double()
    torch.testing.assert_close(q.log_prob(z), reference.log_prob(z))


def test_the_kl_to_a_product_of_normals_is_closed() -> None:
    q = moved("full_gaussian", by=0.5)(features())
    p = Independent(Normal(torch.randn(D).double(), torch.rand(D).double() + 0.5), 1)
    exact, sampled = kl(q, p, "closed"), kl(q, p, "monte_carlo", 100_000)
    assert ((exact.value - sampled.value).abs() < 4.5 * sampled.stderr).all()
    torch.testing.assert_close(kl_divergence(q, p), exact.value)
    full = MultivariateNormal(p.mean, scale_tril=p.stddev.diag())
    torch.testing.assert_close(kl_divergence(q, p), kl_divergence(MultivariateNormal(q.loc, q.covariance_matrix), full))
    laplace = Independent(Laplace(torch.zeros(D).double(), 1.0), 1)
    assert kl(q, laplace).method == "monte_carlo"
    with pytest.raises(NotImplementedError):
        kl_divergence(q, laplace)


# Flows


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("num_latents", [1, 4])
def test_a_flow_goes_both_ways_and_its_density_is_that_of_the_jacobian(name: str, num_latents: int) -> None:
    q = moved(name, num_latents)(features())
    assert isinstance(q, Pushforward)
    u = q.base.sample()
    z = q.transform(u)
    torch.testing.assert_close(q.transform.inv(z), u)
    jacobian: Any = torch.autograd.functional.jacobian(q.transform, u)  # [B, D, B, D]
    own = torch.stack([jacobian[b, :, b] for b in range(B)])
    torch.testing.assert_close(q.log_prob(z), q.base.log_prob(u) - own.det().abs().log())
    assert jacobian[0, :, 1].abs().max() == 0  # examples do not touch each other


@pytest.mark.parametrize("name", FLOWS)
def test_a_joint_draw_is_the_draw_with_its_density_and_both_gradients(name: str) -> None:
    head, h = moved(name), features(name)
    found = []
    for jointly in (True, False):
        q = head(h)
        torch.manual_seed(5)
        if jointly:
            z, log_q = q.rsample_and_log_prob((6,))
        else:
            z = q.rsample((6,))
            log_q = q.log_prob(z)
        gradients = torch.autograd.grad((log_q * z.sin().sum(-1)).sum(), list(head.parameters()))
        found.append((z, log_q, *gradients))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("name", FLOWS)
def test_with_the_weights_held_the_gradient_goes_through_z_alone(name: str) -> None:
    head, h = moved(name), features(name)

    def make(hold: bool) -> Distribution:
        return head(h)

    posterior = OneGroup(make, list(head.parameters()))
    z = posterior.draw(6)[0][0].detach().requires_grad_()
    log_q = posterior.log_prob((z,), hold=True)
    torch.testing.assert_close(log_q, posterior.log_prob((z,)))
    (again,) = torch.autograd.grad(posterior.log_prob((z,)).sum(), z)
    log_q.sum().backward()
    torch.testing.assert_close(z.grad, again)
    assert [name for name, p in head.named_parameters() if p.grad is not None or not p.requires_grad] == []


def test_the_cost_of_an_iaf_is_as_stated() -> None:
    """One pass per transform for a draw and its density; D for the density of a given z."""
    head, passes = moved("iaf", num_transforms=2), []
    for transform in head.flow.transforms:
        transform.hyper.register_forward_hook(lambda *_: passes.append(1))
    posterior = OneGroup(lambda hold: head(features()))
    (z,), _ = posterior.draw(6)
    assert len(passes) == 2
    posterior.log_prob((z,))
    assert len(passes) >= 2 + 2 * D


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_states_no_mean(name: str) -> None:
    posterior = OneGroup(lambda hold: moved(name)(features()))
    assert posterior.mean is None and posterior.stddev is None
    plain = OneGroup(lambda hold: moved("full_gaussian")(features()))
    assert plain.mean is not None and plain.mean[0].shape == (B, D)


def test_a_head_with_a_flow_can_be_copied_and_stored() -> None:
    head, h = moved("flow"), features()
    z = torch.randn(2, B, D).double()
    fresh = moved("flow")
    fresh.load_state_dict(head.state_dict())
    for other in (copy.deepcopy(head), fresh):
        torch.testing.assert_close(other(h).log_prob(z), head(h).log_prob(z), rtol=0, atol=0)


# Discrete latents


def discrete(name: str, temperature: float | None = None) -> Bits | OneHots:
    if name == "bernoulli":
        return Bits(torch.randn(B, D).double(), temperature)
    return OneHots(2 + torch.randn(B, D, 3).double(), temperature)


@pytest.mark.parametrize("name", DISCRETE)
def test_all_values_of_discrete_latents_are_listed_and_sum_to_one(name: str) -> None:
    q = discrete(name)
    z = q.enumerate_support()
    assert z.shape == (q.num_support, *q.event_shape) == (2**D if name == "bernoulli" else 3**D, *q.event_shape)
    assert len(z.unique(dim=0)) == q.num_support and set(z.unique().tolist()) == {0.0, 1.0}
    if name == "categorical":
        assert (z.unflatten(-1, (D, 3)).sum(-1) == 1).all()
    every = q.enumerate_support(expand=True)
    assert every.shape == (q.num_support, B, *q.event_shape) and torch.equal(every[:, 1], z)
    probability = q.log_prob(every).exp()
    torch.testing.assert_close(probability.sum(0), torch.ones(B).double())
    torch.testing.assert_close(torch.einsum("mb,md->bd", probability, z), q.mean)
    torch.testing.assert_close(torch.einsum("mb,md->bd", probability, z) * (1 - q.mean), q.variance)
    torch.testing.assert_close(-(probability * q.log_prob(every)).sum(0), q.entropy())


@pytest.mark.parametrize("name", DISCRETE)
def test_the_kl_of_discrete_latents_is_the_sum_over_their_values(name: str) -> None:
    q, other = discrete(name), discrete(name)
    p: Distribution = Bits(other.logits[0]) if isinstance(other, Bits) else OneHots(other.log_p[0])  # batch shape []
    z = q.enumerate_support(expand=True)
    by_hand = (q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z))).sum(0)
    torch.testing.assert_close(kl_divergence(q, p), by_hand)
    torch.testing.assert_close(kl(q, p, "closed").value, by_hand)
    assert kl_divergence(q, q).abs().max() < 1e-12


@pytest.mark.parametrize("relaxed", [False, True], ids=["hard", "relaxed"])
@pytest.mark.parametrize("name", DISCRETE)
@torch.no_grad()
def test_draws_are_hard_and_have_the_stated_probabilities(name: str, relaxed: bool) -> None:
    q = discrete(name, 0.67)
    z = q.rsample((40_000,)) if relaxed else q.sample((40_000,))
    assert set(z.unique().tolist()) == {0.0, 1.0}
    if name == "categorical":
        assert (z.unflatten(-1, (D, 3)).sum(-1) == 1).all()
    assert ((z.mean(0) - q.mean).abs() < 4.5 * q.stddev / math.sqrt(len(z))).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_a_relaxed_draw_has_the_gradient_of_the_mean_at_a_low_temperature(name: str) -> None:
    logits = torch.randn(D, 3).double().requires_grad_()
    weight = torch.randn(3).double() if name == "categorical" else torch.ones(3).double()
    q, sharp = (Bits(logits), Bits(logits, 0.05)) if name == "bernoulli" else (OneHots(logits), OneHots(logits, 0.05))
    (exact,) = torch.autograd.grad((q.mean.reshape(D, 3) * weight).sum(), logits)
    z = sharp.rsample((40_000,)).reshape(-1, D, 3)
    (found,) = torch.autograd.grad((z * weight).sum((-2, -1)).mean(), logits)
    torch.testing.assert_close(found, exact, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("name", DISCRETE)
def test_without_a_relaxation_there_is_no_gradient_of_a_draw(name: str) -> None:
    q = moved(name, relaxation="none")(features())
    assert not q.has_rsample
    with pytest.raises(NotImplementedError, match="hard"):
        q.rsample()
    assert moved(name, relaxation="gumbel")(features()).has_rsample
    (z,), log_q = OneGroup(lambda hold: q).draw(5)
    assert not z.requires_grad and log_q.requires_grad


REFUSED = [
    ("categorical", {"num_categories": 1}, "posterior.num_categories is 1; it takes a whole number from 2"),
    ("categorical", {"temperature": 0.0}, "posterior.temperature is 0.0; it takes a positive number"),
    ("bernoulli", {"temperature": -1.0}, "posterior.temperature is -1.0; it takes a positive number"),
    ("flow", {"num_transforms": 0}, "num_transforms is 0; it takes a whole number from 1"),
    ("iaf", {"width": 0}, "width is 0; it takes a whole number from 1"),
]


@pytest.mark.parametrize(("name", "keys", "message"), REFUSED, ids=[f"{name}-{min(keys)}" for name, keys, _ in REFUSED])
def test_keys_out_of_range_are_refused(name: str, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        lookup("posterior", name)(F, D, **keys)
