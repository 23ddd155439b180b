"""Priors: complete densities, a base space, draws, a cautious start, and the VampPrior's ties to its model."""

from __future__ import annotations

import copy
import inspect
import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from compiled.couplings import operations
from forked import forked
from unveil.distributions import real_latents
from unveil.distributions.discrete_latents import Bits, OneHots
from unveil.distributions.real_latents import FullGaussian, LatentMixture
from unveil.errors import RequestError
from unveil.posteriors import DiagonalGaussian, PosteriorHead
from unveil.posteriors.full_gaussian import FullGaussianHead
from unveil.priors import Prior, StandardNormal
from unveil.priors.vamp import Vamp
from unveil.registry import load_all, lookup

SMALL: dict[str, Any] = {"num_components": 5, "width": 16, "num_categories": 3, "num_transforms": 3, "df": 40.0}
FLOWS = ["autoregressive_gaussian", "neural_spline", "realnvp"]
CONTINUOUS = [name for name, cls in load_all("prior").items() if cls.support == "real"]  # type: ignore[attr-defined]
DISCRETE = [name for name in load_all("prior") if name not in CONTINUOUS]


class Toy(nn.Module):
    """The half of a model that a VampPrior needs: an encoder, bound to what owns it."""

    def __init__(self, prior: Prior, num_features: int = 3, head: type[PosteriorHead] = DiagonalGaussian) -> None:
        super().__init__()
        self.prior, self.calls = prior, 0
        self.linear = nn.Linear(num_features, 4)
        self.head = head(4, prior.num_latents)
        prior.attach(self.infer, (num_features,))
        prior.initialise(torch.randn(40, num_features))

    def infer(self, x: Tensor) -> Distribution:
        self.calls += 1
        return self.head(self.linear(x).tanh())


def build(name: str, num_latents: int, **keys: Any) -> Prior:
    cls = lookup("prior", name)
    taken = inspect.signature(cls).parameters
    return cls(num_latents, **{k: v for k, v in (SMALL | keys).items() if k in taken})


def moved(name: str, num_latents: int, by: float = 0.3) -> Prior:
    """A prior in float64 that is not at a special value; a VampPrior keeps its toy model alive by itself."""
    prior = build(name, num_latents)
    model = Toy(prior) if name == "vamp" else prior
    model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return prior.eval()


def grid(num_latents: int) -> tuple[Tensor, float]:
    """Points [N, D] of a square around the origin, and the volume of each."""
    axis = torch.linspace(-11, 11, 4001 if num_latents == 1 else 301, dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * num_latents).reshape(-1, num_latents), (axis[1] - axis[0]) ** num_latents


def test_no_prior_is_missed() -> None:
    assert {*FLOWS, "gaussian", "mixture", "standard_normal", "vamp"} <= set(CONTINUOUS)
    assert {"bernoulli", "categorical"} <= set(DISCRETE)


@pytest.mark.parametrize("num_latents", [1, 2])
@pytest.mark.parametrize("name", CONTINUOUS)
@torch.no_grad()
def test_a_density_integrates_to_one_and_its_draws_have_its_moments(name: str, num_latents: int) -> None:
    prior = moved(name, num_latents, by=0.15)  # a spline of much steeper pieces would ask for a finer grid
    z, volume = grid(num_latents)
    p = prior().log_prob(z).exp() * volume
    assert p.sum().item() == pytest.approx(1, abs=2e-4)
    drawn = prior.draw(40_000)
    for power in (1, 2):
        error = (drawn**power).std(0) / math.sqrt(len(drawn))
        assert (((drawn**power).mean(0) - p @ z**power).abs() < 4.5 * error).all()
    both = (drawn.prod(-1).mean() - p @ z.prod(-1)).abs()
    assert both < 4.5 * drawn.prod(-1).std() / math.sqrt(len(drawn))


@pytest.mark.parametrize("name", DISCRETE)
@torch.no_grad()
def test_the_probabilities_of_discrete_latents_sum_to_one_and_are_those_of_the_draws(name: str) -> None:
    prior = moved(name, 2, by=1.0)
    p = prior()
    assert isinstance(p, Bits | OneHots)
    values = p.enumerate_support()
    assert values.shape == (p.num_support, prior.num_values) and len(values.unique(dim=0)) == p.num_support
    probability = p.log_prob(values).exp()
    assert probability.sum().item() == pytest.approx(1)
    drawn = prior.draw(40_000)
    share = (drawn.unsqueeze(1) == values).all(-1).double().mean(0)
    assert ((share - probability).abs() < 4.5 * (probability * (1 - probability) / len(drawn)).sqrt()).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_at_a_low_temperature_discrete_draws_are_the_likeliest_value(name: str) -> None:
    prior = moved(name, 3, by=1.0)
    values = prior().enumerate_support()
    likeliest = values[prior().log_prob(values).argmax()]
    assert (prior.draw(20, temperature=0.0) == likeliest).all()
    assert (prior.draw(500, temperature=1.0) != likeliest).any()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_density_is_that_of_the_base_and_the_jacobian(name: str) -> None:
    prior = moved(name, 3)
    base, transform = prior.base()
    u = base.sample((5,))
    z = transform(u)
    by_hand = []
    for one in u:
        jacobian: Any = torch.autograd.functional.jacobian(transform, one)
        by_hand.append(base.log_prob(one) - jacobian.det().abs().log())
    torch.testing.assert_close(prior().log_prob(z), torch.stack(by_hand))
    torch.testing.assert_close(base.log_prob(u) - transform.log_abs_det_jacobian(u, z), torch.stack(by_hand))
    torch.testing.assert_close(transform.inv(z), u)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("num_latents", [1, 4])
def test_a_flow_starts_as_the_standard_normal(name: str, num_latents: int) -> None:
    z = 2 * torch.randn(50, num_latents)
    torch.testing.assert_close(build(name, num_latents)().log_prob(z), StandardNormal(num_latents)().log_prob(z))


@pytest.mark.parametrize("name", ["standard_normal", "gaussian", *FLOWS])
def test_temperature_scales_the_spread_in_the_base_space(name: str) -> None:
    prior = moved(name, 4)
    base, transform = prior.base()
    drawn = []
    for temperature in (1.0, 0.3, 0.0):
        torch.manual_seed(3)
        drawn.append(transform.inv(prior.draw(8, temperature=temperature)) - base.mean)
    torch.testing.assert_close(drawn[1], 0.3 * drawn[0])
    assert drawn[2].abs().max() < 1e-9 < drawn[0].abs().min()


@pytest.mark.parametrize("name", ["mixture", "vamp"])
def test_temperature_scales_the_spread_of_a_mixtures_components(name: str) -> None:
    prior = moved(name, 4)
    p = prior()
    assert isinstance(p, LatentMixture)
    apart = torch.cdist(prior.draw(50, temperature=0.0), p.components.mean)
    assert apart.min(1).values.max() < 1e-6 and len(apart.argmin(1).unique()) > 1
    one, half = (prior.draw(4_000, temperature=t).var(0) for t in (1.0, 0.5))
    assert (half < one).all()


@torch.no_grad()
def test_a_mixture_knows_its_mean_and_variance() -> None:
    p = moved("mixture", 3)()
    drawn = p.sample((100_000,))
    assert ((drawn.mean(0) - p.mean).abs() < 4.5 * drawn.std(0) / math.sqrt(len(drawn))).all()
    torch.testing.assert_close(drawn.var(0), p.variance, rtol=0.03, atol=0)


def test_a_mixture_begins_with_the_spread_of_the_standard_normal() -> None:
    p = build("mixture", 20, num_components=400)()
    assert p.variance.mean().item() == pytest.approx(1, abs=0.05) and p.mean.abs().max() < 0.3


def direct(p: LatentMixture, z: Tensor) -> Tensor:
    """log Σ_c w_c p_c(z), one component after the other, in float64."""
    assert isinstance(p.components, Independent) and isinstance(p.components.base_dist, Normal)
    loc, scale = p.components.base_dist.loc.double(), p.components.base_dist.scale.double()
    each = Normal(loc, scale).log_prob(z.double().unsqueeze(-2)).sum(-1)
    return torch.logsumexp(p.log_weights.double() + each, -1)


def test_a_mixture_loses_nothing_where_means_are_large_against_the_spread() -> None:
    """In float32 the expanded square would be off by nats: μ²/σ² summed over the latents is 6·10⁷ here."""
    loc, scale = 30 + torch.randn(50, 40), torch.full((50, 40), 0.02)
    p = LatentMixture(torch.randn(50), Independent(Normal(loc, scale), 1))
    z = (loc[:8] + 0.02 * torch.randn(8, 40)).reshape(2, 4, 40).requires_grad_()
    found = p.log_prob(z)
    assert found.shape == (2, 4) and found.dtype == torch.float32
    torch.testing.assert_close(found.double(), direct(p, z), rtol=1e-6, atol=1e-4)
    (gradient,), (exact,) = (torch.autograd.grad(f.sum(), z) for f in (found, direct(p, z)))
    torch.testing.assert_close(gradient, exact, rtol=1e-4, atol=1e-3)


def test_components_of_any_kind_make_the_same_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    p = moved("mixture", 3)()
    normal = p.components.base_dist
    full = FullGaussian(normal.loc, torch.diag_embed(normal.scale))
    z = torch.randn(4, 7, 3).double()
    monkeypatch.setattr(real_latents, "CHUNK", 40)  # two rows at a time
    other = LatentMixture(p.log_weights, full)
    torch.testing.assert_close(other.log_prob(z), p.log_prob(z))
    torch.testing.assert_close(other.variance, p.variance)
    drawn = other.tempered((20_000,), 0.5)
    torch.testing.assert_close(drawn.mean(0), p.mean, rtol=0, atol=0.05)


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_samples_and_examples_come_before_the_event(name: str) -> None:
    prior = moved(name, 4)
    p = prior()
    assert p.batch_shape == () and p.event_shape == (prior.num_values,)
    z = prior.draw(6)
    assert z.shape == (6, prior.num_values) and not z.requires_grad
    log_p = p.log_prob(z.expand(3, 6, -1))
    assert log_p.shape == (3, 6)
    torch.testing.assert_close(log_p[1], p.log_prob(z))


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_every_parameter_has_a_gradient_and_comes_back_from_a_state(name: str) -> None:
    prior = moved(name, 4)
    z = prior.draw(6)
    if list(prior.parameters()):
        prior().log_prob(z).sum().backward()
    assert [k for k, p in prior.named_parameters() if p.grad is None or not p.grad.any()] == []
    before = prior().log_prob(z).detach()
    fresh = build(name, 4)
    if name != "vamp":
        fresh.double().load_state_dict(prior.state_dict())
        torch.testing.assert_close(fresh().log_prob(z).detach(), before, rtol=0, atol=0)
    torch.testing.assert_close(copy.deepcopy(prior)().log_prob(z).detach(), before, rtol=0, atol=0)


REFUSED = [
    ("mixture", {"num_components": 0}, "prior.num_components is 0; it takes a whole number from 1"),
    ("vamp", {"num_components": -1}, "prior.num_components is -1; it takes a whole number from 1"),
    ("categorical", {"num_categories": 1}, "prior.num_categories is 1; it takes a whole number from 2"),
    ("realnvp", {"num_transforms": 0}, "num_transforms is 0; it takes a whole number from 1"),
    ("neural_spline", {"bins": 1}, "bins is 1; it takes a whole number from 2"),
    ("autoregressive_gaussian", {"width": 0}, "width is 0; it takes a whole number from 1"),
]


@pytest.mark.parametrize(("name", "keys", "message"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_keys_out_of_range_are_refused(name: str, keys: dict[str, int], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        lookup("prior", name)(4, **keys)


# VampPrior


def test_the_vampprior_is_the_mean_of_the_posteriors_of_its_inputs() -> None:
    model = Toy(build("vamp", 2)).double().eval()
    z = torch.randn(3, 4, 2).double()
    q = model.infer(model.prior.inputs)
    by_hand = torch.logsumexp(q.log_prob(z.unsqueeze(-2)), -1) - math.log(5)
    torch.testing.assert_close(model.prior().log_prob(z), by_hand)


def test_inputs_start_as_training_examples() -> None:
    x = torch.randn(40, 3)
    many, few = (Toy(Vamp(2, num_components=count)).prior for count in (30, 50))
    for prior, distinct in ((many, 30), (few, 40)):
        prior.initialise(x)
        assert len(prior.inputs.detach().unique(dim=0)) == distinct
        assert (prior.inputs.unsqueeze(1) == x).all(-1).any(1).all()


def test_learned_weights_weigh_the_components() -> None:
    prior = Toy(Vamp(2, num_components=3, learned_weights=True)).prior.eval()
    with torch.no_grad():
        prior.weights.copy_(torch.tensor([0.0, -40.0, -40.0]))
        z = torch.randn(4, 2)
        torch.testing.assert_close(prior().log_prob(z), prior().components.log_prob(z.unsqueeze(1))[:, 0])
    assert "weights" in dict(prior.named_parameters())


def test_in_evaluation_the_components_are_computed_once_for_each_state_of_the_weights() -> None:
    model = Toy(build("vamp", 2)).eval()
    z, calls = torch.randn(4, 2), []

    @torch.no_grad()
    def seen() -> Tensor:
        before = model.calls
        value = model.prior().log_prob(z)
        calls.append(model.calls - before)
        return value

    first = seen()
    assert torch.equal(seen(), first) and calls == [1, 0]
    state = {name: 1.5 * value for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    second = seen()
    with torch.no_grad():
        model.linear.weight.mul_(1.1)  # in evaluation mode, too
    third = seen()
    model.prior.initialise(torch.randn(40, 3))
    fourth = seen()
    model.train().eval()
    assert torch.equal(seen(), fourth) and calls == [1, 0, 1, 1, 1, 1]
    differences = [a - b for a, b in ((first, second), (second, third), (third, fourth))]
    assert all(difference.abs().min() > 1e-6 for difference in differences)


def test_where_there_may_be_a_gradient_the_components_are_new() -> None:
    model = Toy(build("vamp", 2)).eval()
    z = torch.randn(4, 2)
    with torch.no_grad():
        model.prior().log_prob(z)
    model.prior().log_prob(z).sum().backward()
    parameters = dict(model.named_parameters())
    assert {"prior.inputs", "linear.weight", "head.linear.weight"} <= set(parameters)
    assert all(p.grad is not None and p.grad.any() for p in parameters.values())


def test_the_vampprior_holds_no_second_copy_of_the_encoder() -> None:
    model = Toy(build("vamp", 2))
    assert set(model.prior.state_dict()) == {"inputs"}
    pointers = [value.data_ptr() for value in model.state_dict().values()]
    assert len(set(pointers)) == len(pointers)


def test_a_copy_of_the_model_has_a_prior_of_its_own_encoder() -> None:
    model = Toy(build("vamp", 2)).eval()
    z = torch.randn(4, 2)
    with torch.no_grad():
        before = model.prior().log_prob(z)
        other = copy.deepcopy(model)
        other.linear.weight.zero_()
        assert torch.equal(model.prior().log_prob(z), before)
        assert (other.prior().log_prob(z) - before).abs().max() > 1e-3
    assert other.calls > 0 and other.prior._infer.__self__ is other


@torch.no_grad()
def test_a_vampprior_may_be_made_of_other_posteriors() -> None:
    model = Toy(build("vamp", 2), head=FullGaussianHead).double().eval()
    z, volume = grid(2)
    assert (model.prior().log_prob(z).exp().sum() * volume).item() == pytest.approx(1, abs=1e-4)
    flow = Toy(build("vamp", 2), head=lookup("posterior", "iaf")).eval()
    assert flow.prior.draw(7).shape == (7, 2) and flow.prior().log_prob(torch.randn(3, 5, 2)).shape == (3, 5)
    with pytest.raises(RequestError, match=r"The temperature is 0\.5.*no mean"):
        flow.prior.draw(7, temperature=0.5)


def test_without_a_model_there_is_no_vampprior() -> None:
    with pytest.raises(RequestError, match="build it as a part of a model"):
        build("vamp", 2)()


# zuko


def test_importing_the_parts_leaves_torch_and_building_a_flow_leaves_its_checks() -> None:
    script = (
        "import sys, torch; from torch.distributions import Distribution, Normal\n"
        "before = Distribution.__dict__['arg_constraints'], Distribution._validate_args\n"
        "from unveil.registry import lookup\n"
        "prior, head = lookup('prior', 'realnvp'), lookup('posterior', 'iaf')\n"
        "assert 'zuko' not in sys.modules\n"
        "prior(2)().log_prob(torch.zeros(1, 2)); head(3, 2)(torch.zeros(1, 3)).sample()\n"
        "assert 'zuko' in sys.modules\n"
        "assert before == (Distribution.__dict__['arg_constraints'], Distribution._validate_args)\n"
        "try: Normal(0.0, -1.0)\n"
        "except ValueError: print('checked')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "checked\n", done.stderr


@pytest.mark.parametrize("name", FLOWS)
def test_without_zuko_a_flow_names_the_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(RequestError, match="Flows need the package zuko") as refused:
        build(name, 2)
    assert "pip install zuko" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["neural_spline", "realnvp"])
def test_torch_compile_gets_nothing_of_a_coupling_that_it_gets_wrong(name: str) -> None:
    """Inductor's gradients of zuko's knots (cumsum, gather) and of halves written by index were wrong, without a word.

    A full compilation takes too long.
    """
    found = forked(operations, name)
    assert {"linear", "cat"} <= found
    assert not found & {"cumsum", "gather", "index_put", "index_put_", "setitem", "new_empty", "empty"}


def test_the_full_gaussian_is_torchs() -> None:
    loc, lower = torch.randn(3, 2), torch.eye(2) + torch.randn(3, 2, 2).tril(-1)
    z = torch.randn(5, 3, 2)
    expected = MultivariateNormal(loc, scale_tril=lower).log_prob(z)
    torch.testing.assert_close(FullGaussian(loc, lower).log_prob(z), expected)
