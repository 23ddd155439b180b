"""Alternating inference and learning is coordinate ascent on the ELBO: it never descends, and it arrives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from exact.toys import clustered, exact_terms, linear_gaussian, mixture, once, real_rows, with_gaps
from unveil.batch import Batch
from unveil.divergence import kl
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture

ROUNDING = 1e-9  # nats per example


def elbo(model: LinearGaussian, batch: Batch) -> float:
    return exact_terms(model, batch).elbo.mean().item()


@pytest.mark.parametrize("noise", ["isotropic", "diagonal"])
def test_alternating_encoder_and_decoder_climbs_to_the_closed_form_optimum(noise: str) -> None:
    batch = Batch(real_rows(200, spread=0.7))  # a loud signal slows EM: μ goes ψ/(ψ + W²) of its way
    model = linear_gaussian(batch.x, fitted=False, noise=noise, inference="free")
    with torch.no_grad():  # μ, b and c start wrong as well
        model.mu.add_(1.0)
        model.b.add_(0.5)
        model.c.sub_(0.3)
    found = [elbo(model, batch)]
    for _ in range(200):
        model.m_step(once(batch))
        found.append(elbo(model, batch))
        model.e_step()
        found.append(elbo(model, batch))
    steps = torch.tensor(found).diff()
    assert (steps > -ROUNDING).all() and steps[0] > 0.01 and steps[1] > 0.01
    optimum = linear_gaussian(batch.x, noise=noise)
    for _ in range(50):
        optimum.solve(once(batch))
    assert found[-1] == pytest.approx(optimum.log_prob(batch).mean().item(), abs=1e-6)


@pytest.mark.parametrize("noise", ["isotropic", "diagonal"])
def test_a_step_of_the_decoder_is_the_best_there_is_under_any_encoder(noise: str) -> None:
    batch = Batch(real_rows(50))
    model = linear_gaussian(batch.x, fitted=False, noise=noise, inference="free")
    with torch.no_grad():
        for weight in model.parameters_of("q"):
            weight.add_(0.3 * torch.randn_like(weight))
    model.m_step(once(batch))
    gradient = torch.autograd.grad(exact_terms(model, batch).elbo.mean(), model.parameters_of("p"))
    assert max(g.abs().max() for g in gradient) < 1e-9


def test_gradient_ascent_arrives_at_the_closed_form_optimum_and_not_above() -> None:
    batch = Batch(real_rows(200))
    model = linear_gaussian(batch.x, fitted=False)
    climber = torch.optim.LBFGS(model.parameters_of("p"), max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        climber.zero_grad()
        value = -model.log_prob(batch).mean()
        value.backward()
        return value

    climber.step(loss)
    reached, best = -loss().item(), linear_gaussian(batch.x).log_prob(batch).mean().item()
    assert best - 1e-5 < reached < best + ROUNDING


def test_with_theta_held_the_elbo_gains_what_the_kl_to_the_posterior_loses() -> None:
    batch = Batch(real_rows(9))
    model = linear_gaussian(batch.x, fitted=False, inference="free")

    def both() -> tuple[Tensor, Tensor]:
        gap = kl(model.posterior(batch).distribution, model._exact(batch), method="closed").value
        return exact_terms(model, batch).elbo.detach(), gap.detach()

    elbo_before, gap_before = both()
    with torch.no_grad():  # any other q
        for weight in model.parameters_of("q"):
            weight.add_(0.3 * torch.randn_like(weight))
    elbo_after, gap_after = both()
    assert (elbo_after - elbo_before).abs().min() > 1e-3
    torch.testing.assert_close(elbo_after - elbo_before, gap_before - gap_after, rtol=0, atol=1e-9)
    model.e_step()
    elbo_best, gap_best = both()
    assert gap_best.abs().max() < 1e-9
    torch.testing.assert_close(elbo_best, model.log_prob(batch), rtol=0, atol=1e-9)


def test_the_m_step_under_the_exact_posterior_is_a_round_of_em() -> None:
    batch = Batch(real_rows(200))
    model = linear_gaussian(batch.x, fitted=False, noise="diagonal")
    found = [model.log_prob(batch).mean().item()]
    for _ in range(100):
        model.m_step(once(batch))
        found.append(model.log_prob(batch).mean().item())
    steps = torch.tensor(found).diff()
    assert (steps > -ROUNDING).all() and found[-1] - found[0] > 0.5


def rows(batch: Batch, first: int, last: int) -> Batch:
    return Batch(batch.x[first:last], observed=None if batch.observed is None else batch.observed[first:last])


def climbed(model: Mixture, batch: Batch) -> float:
    """What EM climbs: (Σ_n log p(x_n) + log p(θ)) / N."""
    return (model.log_prob(batch).sum() + model.log_prior()).item() / len(batch)


@given(
    kind=st.sampled_from(["real", "binary", "levels"]),
    seed=st.integers(0, 2**32),
    num_components=st.integers(1, 6),
    smoothing=st.sampled_from([1e-6, 0.3, 5.0]),
    gaps=st.booleans(),
)
@settings(max_examples=60)
def test_em_on_a_mixture_never_descends(
    kind: str, seed: int, num_components: int, smoothing: float, gaps: bool
) -> None:
    torch.manual_seed(seed)
    batch = clustered(kind, 40)
    model = mixture(batch, kind, num_components, smoothing=smoothing)
    batch = with_gaps(batch, 0.3) if gaps else batch
    halves = once(rows(batch, 0, 25), rows(batch, 25, 40))
    found = []
    for _ in range(12):
        model.solve(halves)
        found.append(climbed(model, batch))
    assert (torch.tensor(found).diff() > -ROUNDING).all()


@pytest.mark.parametrize("kind", ["real", "binary", "levels"])
def test_em_on_a_mixture_arrives_where_the_gradient_is_zero(kind: str) -> None:
    batch = clustered(kind, 300)
    model = mixture(batch, kind, 3, floor=1e-6)
    start = climbed(model, batch)
    for _ in range(500):
        model.solve(once(batch))
    assert climbed(model, batch) > start + 0.01
    (-(model.log_prob(batch).sum() + model.log_prior()) / len(batch)).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() < 1e-6, name


@pytest.mark.parametrize("kind", ["real", "binary", "levels"])
def test_em_in_float32_agrees_with_em_in_float64(kind: str) -> None:
    batch = clustered(kind, 300)
    fine = mixture(batch, kind)
    coarse = mixture(batch, kind)
    coarse.load_state_dict(fine.state_dict())
    coarse.float()
    for _ in range(10):
        fine.solve(once(batch))
        coarse.solve(once(Batch(batch.x.float())))
    error = (fine.log_prob(batch) - coarse.log_prob(Batch(batch.x.float()))).abs().max()
    assert error < 1e-3
