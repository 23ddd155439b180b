"""Diffusion where everything has a closed form: Gaussian data and the denoiser that is best for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from unveil.batch import Batch
from unveil.data import Split
from unveil.distributions import NoisedLevel
from unveil.domain import Domain
from unveil.estimators.base import evaluate
from unveil.estimators.bounds import ElboBound
from unveil.estimators.flow import FlowLikelihood
from unveil.estimators.layers import LayersBound
from unveil.models.vdm import VDM
from unveil.nn.marginals import Marginals
from unveil.nn.noise import Linear, Monotone, Noise, signal_and_noise
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.registry import lookup

D, ROWS = 3, 64


class Best(nn.Module):
    """E[ε|z_γ] for x̃ ∼ N(0, C): σ (α² C + σ²)⁻¹ z, at the γ whose place between the ends is `time`.

    Less what the model has of independent dimensions, which it is added to.
    """

    def __init__(self, covariance: Tensor, noise: Noise) -> None:
        super().__init__()
        self.covariance, self.noise = covariance, [noise]

    def forward(self, features: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        first, last = self.noise[0].limits
        alpha, sigma = signal_and_noise(first + (last - first) * time)
        z, eye = features[..., 0], torch.eye(D, dtype=features.dtype)
        total = alpha.square()[:, None, None] * self.covariance + sigma.square()[:, None, None] * eye
        return sigma.unsqueeze(-1) * torch.linalg.solve(total, z) - features[..., 1]


def covariance() -> Tensor:
    with keyed("covariance"):
        A = torch.randn(D, D, dtype=torch.float64)
    C = A @ A.T + 0.3 * torch.eye(D, dtype=torch.float64)
    scale = C.diagonal().rsqrt()
    return scale[:, None] * C * scale


def best(noise: str = "linear", first: float = -13.9, last: float = 11.9) -> tuple[VDM, MultivariateNormal]:
    """A float64 diffusion of N(3, S C S) that knows the best denoiser, and the density itself."""
    model = VDM(Domain("real", (D,)), width=4, depth=1, prediction="eps", noise=noise).double()  # type: ignore[arg-type]
    spread, C = torch.tensor([0.5, 1.0, 2.0]).double(), covariance()
    model.noising.centre.fill_(3.0)
    model.noising.spread.copy_(spread)
    model.noising.noise.start(-14.0, first, -6.0, last)
    model.noising.network = Best(C, model.noising.noise)
    truth = MultivariateNormal(torch.full((D,), 3.0).double(), spread[:, None] * C * spread)
    return model.eval(), truth


def split(x: Tensor) -> Split:
    return Split(x, None, Domain("real", (D,)), "none", torch.arange(len(x)))


def drawn(truth: MultivariateNormal, num: int = ROWS) -> Tensor:
    with keyed("rows"):
        return truth.sample((num,))


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_the_kl_of_a_layer_is_that_of_its_two_gaussians(num_steps: int) -> None:
    """½ expm1(γ_t − γ_s) ‖ε − ε̂‖² against torch's KL between q(z_s|z_t, x) and p(z_s|z_t), made from their moments."""
    model = VDM(Domain("levels", (2, 3), 4), width=8, depth=2).double().eval()
    batch = Batch(torch.randint(4, (5, 2, 3)).double())
    model.noising.initialise(batch.x, None)
    chain = model.layers(num_steps)
    with torch.no_grad():
        terms, gamma = chain.infer(batch, 2), chain.gamma()
    alpha, sigma = signal_and_noise(gamma)
    x = model.noising.scaled(batch.x)
    assert terms.kl is not None
    for s in range(num_steps):
        t = s + 1
        alpha_ts = alpha[t] / alpha[s]
        var_ts = sigma[t] ** 2 - alpha_ts**2 * sigma[s] ** 2
        scale = (var_ts * sigma[s] ** 2 / sigma[t] ** 2).sqrt()

        def mean(x: Tensor, s: int = s, t: int = t, a: Tensor = alpha_ts, v: Tensor = var_ts) -> Tensor:
            return a * sigma[s] ** 2 / sigma[t] ** 2 * terms.z[t] + alpha[s] * v / sigma[t] ** 2 * x

        found = model.noising.find_noise(terms.z[t].flatten(0, 1), gamma[t].expand(10), None).unflatten(0, (2, 5))
        guess = (terms.z[t] - sigma[t] * found) / alpha[t]
        expected = kl_divergence(Normal(mean(x), scale), Normal(mean(guess), scale)).sum((-2, -1))
        torch.testing.assert_close(terms.kl[..., s], expected, rtol=1e-5, atol=1e-5)
    top = kl_divergence(Normal(alpha[-1] * x, sigma[-1]), Normal(0.0, 1.0)).sum((-2, -1)).expand(2, 5)
    torch.testing.assert_close(terms.kl[..., -1], top, rtol=1e-5, atol=1e-8)


def test_the_kl_of_a_layer_is_the_mean_of_its_samples() -> None:
    model = VDM(Domain("real", (D,)), width=8, depth=1).double().eval()
    batch = Batch(torch.randn(4, D).double())
    with torch.no_grad():
        terms = model.layers(3).infer(batch, 5000)
    assert terms.kl is not None and terms.log_qz_x is not None
    off = terms.log_qz_x - terms.log_pz - terms.kl
    assert (off.mean(0).abs() < 5 * off.std(0) / 5000**0.5 + 1e-4).all()


def test_the_densities_of_a_chain_are_those_of_its_draws() -> None:
    """log q of the whole chain is log q(z_0|x) + Σ log q(z_t|z_s), upwards instead of downwards."""
    model, _ = best()
    batch = Batch(torch.randn(4, D).double())
    chain = model.layers(4)
    z, log_q = chain.posterior(batch).draw(3)
    torch.testing.assert_close(chain.posterior(batch).log_prob(z), log_q)
    (alpha, sigma), x = signal_and_noise(chain.gamma()), model.noising.scaled(batch.x)
    upwards = Normal(alpha[0] * x, sigma[0]).log_prob(z[0]).sum(-1)
    for s in range(4):
        ratio = alpha[s + 1] / alpha[s]
        scale = (sigma[s + 1] ** 2 - ratio**2 * sigma[s] ** 2).sqrt()
        upwards = upwards + Normal(ratio * z[s], scale).log_prob(z[s + 1]).sum(-1)
    torch.testing.assert_close(log_q.sum(-1), upwards)


@torch.no_grad()
def path_cost(model: VDM, x: Tensor, num_steps: int, draws: int = 1) -> float:
    """The mean rate of all groups but the top one, of T layers, from the same noise for each T."""
    with keyed("path"):
        terms = model.layers(num_steps).infer(Batch(x), draws)
    assert terms.kl is not None
    return float(terms.kl[..., :-1].sum(-1).mean())


def exact_path_cost(model: VDM, num_steps: int | None) -> float:
    """E over x and z of the same: with the best denoiser, E‖ε − ε̂‖² = Σ_d α² c_d/(α² c_d + σ²) for eigenvalues c."""
    c = torch.linalg.eigvalsh(covariance())
    first, last = model.noising.noise.limits

    def error(gamma: Tensor) -> Tensor:
        alpha, sigma = signal_and_noise(gamma.unsqueeze(-1))
        return (alpha**2 * c / (alpha**2 * c + sigma**2)).sum(-1)

    if num_steps is None:
        grid = torch.linspace(float(first), float(last), 20_001).double()
        return float(torch.trapezoid(0.5 * error(grid), grid))
    gamma = model.layers(num_steps).gamma()
    return float((0.5 * torch.expm1(gamma.diff()) * error(gamma[1:])).sum())


@torch.no_grad()
def test_the_loss_in_continuous_time_is_the_limit_of_many_steps() -> None:
    model, truth = best()
    limit = exact_path_cost(model, None)
    off = [exact_path_cost(model, T) - limit for T in (8, 64, 512, 4096)]
    assert off[0] > off[1] > off[2] > off[3] > 0 and off[3] < 0.005 * limit  # more steps are better, and 1/T is left
    assert off[2] / off[3] == pytest.approx(8, rel=0.1)
    x = drawn(truth, 1000)
    assert path_cost(model, x, 64) == pytest.approx(limit + off[1], rel=0.02)
    with keyed("limit"):
        terms = model.infer(Batch(x), 64)
    assert terms.kl is not None
    each = terms.kl[..., 0].mean(0)
    assert abs(float(each.mean()) - limit) < 5 * float(each.std()) / len(x) ** 0.5


@torch.no_grad()
def test_with_the_best_denoiser_the_bound_is_the_likelihood() -> None:
    model, truth = best()
    x = drawn(truth, 1000)
    with keyed("bound"):
        bound = model.infer(Batch(x), 64).elbo
    off = bound - truth.log_prob(x)
    assert abs(float(off.mean())) < 5 * float(off.std()) / len(x) ** 0.5


@torch.no_grad()
def test_with_the_best_denoiser_the_bound_of_an_example_is_its_likelihood() -> None:
    """Not on average over x only: the reverse chain is the exact posterior."""
    model, truth = best()
    x = drawn(truth, 4)
    with keyed("each"):
        rates = model.infer(Batch(x), 25_000)
    values = rates.log_px_z - rates.rate.sum(-1)
    error = values.std(0) / 25_000**0.5  # an upper bound: the times are stratified
    assert ((values.mean(0) - truth.log_prob(x)).abs() < 4 * error).all() and float(error.max()) < 0.2


def test_the_probability_flow_of_the_best_denoiser_has_the_exact_likelihood() -> None:
    model, truth = best()
    x = drawn(truth, 4)
    found, _ = evaluate(model, split(x), FlowLikelihood(tolerance=1e-4))
    torch.testing.assert_close(found.log_px, truth.log_prob(x), rtol=0, atol=2e-2)  # of one draw with σ₀ = 1e-3
    assert abs(float((found.log_px - truth.log_prob(x)).mean())) < 5e-3
    assert found.direction == "other" and float(found.diagnostics["left"].max()) < 1e-4


def test_random_signs_give_the_trace_of_the_flow_without_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.estimators.flow.EXACT", 0)
    model, truth = best()
    x = drawn(truth, 4)
    found, _ = evaluate(model, split(x), FlowLikelihood(tolerance=5e-2, num_probes=2, num_samples=4))
    off = found.log_px - truth.log_prob(x)
    assert (off.abs() < 5 * found.stderr_mc + 1e-3).all() and (found.stderr_mc > 1e-3).all()


def test_layers_are_below_the_likelihood_and_iwae_above_elbo() -> None:
    model, truth = best(first=-9.0, last=8.0)
    x = drawn(truth, 128)
    log_px = truth.log_prob(x).mean()

    def bound(num_steps: int, kind: str, num_samples: int) -> float:
        judge = LayersBound(num_steps=num_steps, num_samples=num_samples, bound=kind)  # type: ignore[arg-type]
        return float(evaluate(model, split(x), judge)[0].log_px.mean())

    few, many = bound(4, "elbo", 32), bound(48, "elbo", 16)
    assert few < many < log_px + 0.05
    assert few < bound(4, "iwae", 32) < log_px + 0.05
    assert many > log_px - 2.5


def test_the_elbo_in_continuous_time_is_that_of_the_estimator() -> None:
    model, truth = best()
    x = drawn(truth)
    found, _ = evaluate(model, split(x), ElboBound(num_samples=256))
    off = found.log_px - truth.log_prob(x)
    assert abs(float(off.mean())) < 4 * float(off.std()) / ROWS**0.5


# γ


@torch.no_grad()
def test_the_bound_does_not_depend_on_the_way_of_gamma() -> None:
    """Only its ends count; with the same network the three terms are equal in expectation."""
    model, truth = best("monotone")
    x = drawn(truth, 500)
    found = []
    for seed in range(3):
        with keyed("way", seed):
            assert isinstance(model.noising.noise.way, Monotone)
            for p in model.noising.noise.way.parameters():
                p.add_(torch.randn_like(p) * (0.8 if seed else 0.0))
        with keyed("draws"):
            found.append(model.infer(Batch(x), 64).elbo)
    for other in found[1:]:
        off = other - found[0]
        assert abs(float(off.mean())) < 5 * float(off.std()) / len(x) ** 0.5
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("way", [Linear(), Monotone()])
def test_a_way_rises_from_0_to_1_and_knows_its_derivatives(way: nn.Module) -> None:
    way = way.double()
    with torch.no_grad():
        for p in way.parameters():
            p.add_(0.5 * torch.randn_like(p))
    t = torch.linspace(0, 1, 101).double().requires_grad_()
    place = way(t)
    torch.testing.assert_close(place.w[[0, -1]], torch.tensor([0.0, 1.0]).double())
    assert (place.w.diff() > 0).all()
    if isinstance(way, Linear):
        return
    (dw,) = torch.autograd.grad(place.w.sum(), t, create_graph=True)
    (ddw,) = torch.autograd.grad(dw.sum(), t)
    torch.testing.assert_close(place.dw, dw)
    torch.testing.assert_close(place.ddw, ddw)


def test_the_way_is_taught_the_gradient_of_the_variance() -> None:
    """E_t[(γ' f(γ))²] by a fine grid, its derivative by autograd, against that of `spread`."""
    noise = Noise("monotone").double()
    with torch.no_grad():
        for p in noise.way.parameters():
            p.add_(0.5 * torch.randn_like(p))
    t = ((torch.arange(40_000) + 0.5) / 40_000).double()

    def f(gamma: Tensor) -> Tensor:
        return torch.exp(-0.1 * (gamma + 2) ** 2) + 0.2

    first, last = noise.limits
    place = noise.way(t)
    gamma, slope = first.detach() + (last - first).detach() * place.w, (last - first).detach() * place.dw
    direct = (slope * f(gamma)).square().mean().log()
    expected = torch.autograd.grad(direct, list(noise.way.parameters()))
    surrogate = noise.spread(noise.at(t)[2], f(gamma)).mean()
    found = torch.autograd.grad(surrogate, list(noise.way.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_the_ends_learn_by_the_bound() -> None:
    """The gradient of the sampled loss is, in the mean, that of the loss in closed form."""
    model, truth = best()
    model.noising.noise.start(-14.0, -2.0, 0.0, 3.2)
    x, ends = drawn(truth, 20_000), model.noising.noise.ends
    with keyed("ends"):
        loss = -model.infer(Batch(x), 8).elbo.mean()
    (found,) = torch.autograd.grad(loss, ends)

    def exact() -> Tensor:
        first, last = model.noising.noise.limits
        alpha, sigma = signal_and_noise(last)
        top = 0.5 * (alpha**2 * covariance().diagonal() + sigma**2 - 1 - 2 * sigma.log()).sum()
        return exact_path_cost(model, None) + top + D / 2 * first

    for end in range(2):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                ends[end] += sign * 1e-3
                values.append(float(exact()))
                ends[end] -= sign * 1e-3
        assert float(found[end]) == pytest.approx((values[0] - values[1]) / 2e-3, abs=0.03)
        assert end or abs(float(found[end])) > 0.2


# Levels


@pytest.mark.parametrize("num_levels", [2, 5, 9, 10, 256])
@pytest.mark.parametrize("scale", [0.03, 0.2, 0.5])
def test_the_levels_behind_a_noisy_one_sum_to_one(num_levels: int, scale: float) -> None:
    u = torch.cat([torch.linspace(-3, num_levels + 2, 301), torch.tensor([-50.0, num_levels + 50.0])]).double()
    p = NoisedLevel(u, torch.tensor(scale, dtype=torch.float64), num_levels)
    every = torch.arange(num_levels).double().unsqueeze(-1).expand(-1, len(u))
    log_p = p.log_prob(every)
    torch.testing.assert_close(log_p.exp().sum(0), torch.ones_like(u))
    whole = (-0.5 * ((u - every) / scale).square()).log_softmax(0)
    torch.testing.assert_close(log_p, whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(p.mean, (whole.exp() * every).sum(0), atol=1e-9, rtol=1e-9)


def test_draws_of_levels_have_their_probabilities() -> None:
    p = NoisedLevel(torch.tensor([1.4, 7.9, -3.0, 30.0]), torch.tensor(0.5), 20)
    x = p.sample((20_000,))
    for d in range(4):
        for level in (0, 1, 2, 7, 8, 19):
            share = float(p.log_prob(torch.full((4,), float(level)))[d].exp())
            assert float((x[:, d] == level).float().mean()) == pytest.approx(share, abs=4 * 0.5 / 20_000**0.5)


def test_the_two_halves_of_a_level_model_are_complete() -> None:
    """Σ_x p(x|z₀) = 1 over all x of a small domain, at any z₀."""
    domain = Domain("levels", (2,), 5)
    model = VDM(domain, width=4, depth=1).double()
    every = torch.cartesian_prod(torch.arange(5), torch.arange(5)).double()
    model.noising.initialise(every, None)
    z = torch.randn(7, 1, 2).double()
    log_p = model.decode((z, z)).log_prob(every.expand(7, 25, 2))
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(7).double())


# Refusals and views


def test_three_views_of_one_regression() -> None:
    model = VDM(Domain("real", (D,)), width=8, depth=1).double()
    x, eps, alone = (torch.randn(6, D).double() for _ in range(3))
    alpha, sigma = (v.unsqueeze(-1) for v in signal_and_noise(torch.linspace(-8, 6, 6).double()))
    z = alpha * x + sigma * eps
    x_alone = (z - sigma * alone) / alpha
    amounts = {"eps": eps - alone, "x": x - x_alone, "v": alpha * eps - sigma * x - (alpha * alone - sigma * x_alone)}
    for prediction, out in amounts.items():
        model.noising.prediction = prediction  # type: ignore[assignment]
        torch.testing.assert_close(model.noising._improved(alone, out, alpha, sigma), eps)


def test_independent_dimensions_are_denoised_exactly() -> None:
    """E[ε|z] of a mixture, by quadrature over x."""
    marginals = Marginals((2,)).double()
    with torch.no_grad():
        for p in marginals.parameters():
            p.add_(0.5 * torch.randn_like(p))
    gamma = torch.tensor([-4.0, 0.0, 3.0]).double()
    alpha, sigma = signal_and_noise(gamma)
    z = torch.randn(3, 2).double()
    x = torch.linspace(-12, 12, 40_001).double()
    each = Normal(marginals.middle.unsqueeze(-1), marginals.log_scale.exp().unsqueeze(-1)).log_prob(x)  # [J, X]
    prior = (marginals.logits.log_softmax(0).unsqueeze(-1) + each.unsqueeze(1)).logsumexp(0)  # [2, X]
    eps = (z.unsqueeze(-1) - alpha[:, None, None] * x) / sigma[:, None, None]
    share = (prior - 0.5 * eps.square()).softmax(-1)
    torch.testing.assert_close(marginals(z, alpha, sigma), (share * eps).sum(-1), rtol=1e-4, atol=1e-5)


def test_a_diffusion_starts_where_independent_dimensions_leave_off() -> None:
    """Before training its bound is near the entropy of its values, one by one; black pixels cost nothing."""
    share = torch.tensor([0.7, 0.1, 0.1, 0.1])
    with keyed("alone"):
        x = torch.multinomial(share, 2000 * 12, replacement=True).reshape(2000, 3, 4).float()
        model = VDM(Domain("levels", (3, 4), 4), width=8, depth=1).eval()
        model.initialise(Batch(x))
        with torch.no_grad():
            for p in model.noising.network.parameters():
                p.zero_()
            bound = float(model.infer(Batch(x), 32).elbo.mean())
    entropy = -12 * float((share * share.log()).sum())
    assert -entropy - 1.5 < bound < -entropy + 0.2


def test_times_are_spread_over_the_batch_in_training_and_over_the_draws_in_judging() -> None:
    model = VDM(Domain("real", (D,)), width=4, depth=1)
    training = model.train()._times(1, 10, torch.zeros(1)).flatten().sort().values
    torch.testing.assert_close(training.diff(), torch.full((9,), 0.1))
    judged = model.eval()._times(8, 5, torch.zeros(1))
    assert ((judged * 8).floor().sort(0).values == torch.arange(8).unsqueeze(1)).all()


def test_iwae_on_continuous_time_is_refused_with_what_to_do() -> None:
    model = VDM(Domain("real", (D,)), width=4, depth=1)
    for kind in ("objective", "estimator"):
        with pytest.raises(ValueError, match=r"in continuous time it has no sampled log-weights; use .*'elbo'"):
            model.require(f"The {kind} 'iwae'", lookup(kind, "iwae").needs)
    assert math.isnan(float(model.joint(Batch(torch.zeros(1, D)), (torch.zeros(1, 1, D),) * 2).log_pz[0, 0, 0]))


def test_an_example_has_the_same_rate_whatever_its_neighbours_are() -> None:
    model, truth = best()
    x = drawn(truth, 5)
    with keyed("a"):
        whole = model.infer(Batch(x), 4)
    other = torch.cat([x[:1], x[1:] + 1])
    with keyed("a"):
        changed = model.infer(Batch(other), 4)
    torch.testing.assert_close(whole.rate[:, 0], changed.rate[:, 0])
    assert replace(whole).elbo[0] == changed.elbo[0] and not torch.equal(whole.elbo, changed.elbo)


def test_the_objective_maximises_the_bound() -> None:
    model, truth = best("monotone")
    x = drawn(truth, 256).requires_grad_(False)
    with keyed("loss"):
        loss = Elbo(warmup=0.0)(model.train(), Batch(x))
    torch.testing.assert_close(loss.surrogate, -loss.bound)  # what teaches the way is worth 0
