"""A density without latents: it sums to one, sees nothing that comes later, and draws what it says it draws."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators.base import evaluate
from unveil.likelihoods import Gaussian, LogisticMixture
from unveil.models.autoregressive import Autoregressive, ChainRule
from unveil.models.linear_gaussian import LinearGaussian
from unveil.nn.causal import CausalGrid
from unveil.nn.chain import Order
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.registry import lookup
from unveil.train.loop import TrainState, fit, initialise
from unveil.train.stage import Stage

SHAPES = [(9,), (3, 3), (9, 1), (2, 2, 2)]


def model_of(domain: Domain, num_classes: int = 0, **arguments: object) -> Autoregressive:
    """With weights far from their start, so that every path counts."""
    with keyed("autoregressive"):
        condition = "label" if num_classes else "none"
        arguments = {"width": 12, "depth": 2, **arguments}
        model = Autoregressive.build(domain, num_classes, condition=condition, **arguments)  # type: ignore[arg-type]
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def every(domain: Domain) -> Tensor:
    """All x."""
    values = itertools.product(range(domain.levels), repeat=domain.num_dims)
    return torch.tensor(list(values)).float().reshape(-1, *domain.shape)


# What it says


@pytest.mark.parametrize("shape", SHAPES)
def test_probabilities_of_all_binary_x_sum_to_one(shape: tuple[int, ...]) -> None:
    domain = Domain("binary", shape)
    log_px = model_of(domain).log_prob(Batch(every(domain))).detach()
    assert float(log_px.double().exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(log_px.std()) > 0.5


def test_probabilities_of_all_levels_sum_to_one() -> None:
    domain = Domain("levels", (5,), 3)
    log_px = model_of(domain).log_prob(Batch(every(domain))).detach()
    assert float(log_px.double().exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", [(7,), (9, 10), (17, 3, 2), (28, 28)])
def test_features_depend_on_the_values_before_alone(shape: tuple[int, ...]) -> None:
    model = model_of(Domain("binary", shape), depth=1)
    x = torch.rand(1, *shape, requires_grad=True)
    h = model.network(x.flatten(1).unsqueeze(1))
    order = [d for d in model.network.places.flatten().tolist() if d < x.numel()]
    assert sorted(order) == list(range(x.numel()))
    for place in range(0, len(order), max(1, len(order) // 40)):
        (slope,) = torch.autograd.grad(h[0, order[place]], x, retain_graph=True)
        seen = set(slope.flatten().nonzero().flatten().tolist())
        assert seen <= set(order[:place])
        assert not place or order[place - 1] in seen, "the value just before is not seen"


def test_cells_see_all_that_comes_before() -> None:
    grid = CausalGrid(1, (7, 7), width=4, depth=3)
    cells = torch.randn(1, 1, 7, 7, requires_grad=True)
    with torch.no_grad():
        for p in grid.parameters():
            p.add_(0.3 * torch.randn_like(p))
    h = grid(cells)
    for place in range(49):
        (slope,) = torch.autograd.grad(h[0, :, place // 7, place % 7].sum(), cells, retain_graph=True)
        seen = slope.flatten().nonzero().flatten().tolist()
        assert seen == list(range(place))


def test_the_first_rows_of_a_grid_are_those_of_the_whole() -> None:
    grid = CausalGrid(2, (5, 4), width=6, depth=2)
    cells = torch.randn(3, 2, 5, 4)
    torch.testing.assert_close(grid(cells[:, :, :3]), grid(cells)[:, :, :3])


def test_an_order_takes_cell_after_cell() -> None:
    order = Order((9, 10))
    assert order.cells == (5, 5) and order.places.shape == (25, 4)
    assert order.places[0].tolist() == [0, 1, 10, 11] and order.places[-1].tolist() == [88, 89, 90, 90]
    flat = order.places.flatten()
    assert torch.equal(flat[order.back], torch.arange(90))


# What it draws


def test_draws_come_as_often_as_their_probability_says() -> None:
    domain = Domain("binary", (2, 2))
    model, x = model_of(domain), every(domain)
    drawn = model.sample(20_000)[0].flatten(1)
    number = (drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    frequency = torch.bincount(number, minlength=16) / len(drawn)
    p = model.log_prob(Batch(x)).exp()
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / len(drawn)).sqrt() + 1e-4).all()


def test_draws_of_real_x_have_the_density_that_is_stated() -> None:
    """E[−log p(x)] over draws is the entropy, here that of a chain of normals, by quadrature over a grid."""
    model = model_of(Domain("real", (2,)))
    side = torch.linspace(-60, 60, 2401)
    grid = torch.cartesian_prod(side, side)
    log_p = torch.cat([model.log_prob(Batch(part)).detach() for part in grid.split(200_000)]).double()
    cell = float(side[1] - side[0]) ** 2
    assert float(log_p.exp().sum()) * cell == pytest.approx(1, abs=0.01)
    entropy = -float((log_p.exp() * log_p).sum()) * cell
    judged = -model.log_prob(Batch(model.sample(4000)[0])).detach().double()
    assert abs(float(judged.mean()) - entropy) < 5 * float(judged.std()) / math.sqrt(4000) + 0.02


def test_a_temperature_is_refused_as_there_is_no_z() -> None:
    with pytest.raises(RequestError, match="no z") as refused:
        model_of(Domain("binary", (3,))).sample(2, temperature=0.5)
    assert "Use a temperature of 1" in str(refused.value)


def test_the_density_as_a_distribution() -> None:
    domain = Domain("levels", (4,), 3)
    model, x = model_of(domain), torch.randint(3, (2, 5, 4)).float()
    p = model.decode()
    assert isinstance(p, ChainRule) and p.event_shape == (4,) and p.sample((2, 3)).shape == (2, 3, 4)
    torch.testing.assert_close(p.log_prob(x), model.log_prob(Batch(x.flatten(0, 1))).reshape(2, 5))


# In the words of a model with no latent groups


def test_terms_of_no_latents_are_log_px_and_nothing_else() -> None:
    domain = Domain("binary", (3, 3))
    model, batch = model_of(domain), Batch(torch.randint(2, (5, 3, 3)).float())
    log_px = model.log_prob(batch)
    for terms in (model.infer(batch, 3), model.infer(batch, None)):
        assert terms.z == () and terms.rate.shape == (*terms.log_px_z.shape, 0)
        torch.testing.assert_close(terms.elbo, log_px)
        torch.testing.assert_close(terms.bound.float(), log_px)


@pytest.mark.parametrize("name", ["exact", "elbo", "iwae"])
def test_every_estimator_of_a_bound_gives_log_px_itself(name: str) -> None:
    domain = Domain("binary", (3, 3))
    model, split = model_of(domain), Split(torch.randint(2, (9, 3, 3)).byte(), None, domain, "none", torch.arange(9))
    found, _ = evaluate(model, split, lookup("estimator", name)())
    torch.testing.assert_close(found.log_px, model.log_prob(Batch(split.x.float())).double(), atol=1e-5, rtol=1e-5)
    assert found.diagnostics["kl"].shape == (9, 0) and not found.diagnostics["rate"].any()


@pytest.mark.parametrize("name", ["stl", "dreg"])
def test_an_objective_about_q_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(RequestError, match="use the"):
        lookup("objective", name)().check(model_of(Domain("binary", (3,))))


# Labels and gaps


def test_a_missing_label_is_summed_out() -> None:
    domain = Domain("binary", (4,))
    model, x = model_of(domain, num_classes=3), every(Domain("binary", (4,)))
    p_y = torch.tensor([0.5, 0.3, 0.2])
    model.log_frequency.copy_(p_y.log())
    each = torch.stack([model.log_prob(Batch(x, y=torch.full((16,), y))).exp() for y in range(3)])
    torch.testing.assert_close(each.sum(1), torch.ones(3))
    assert (each[0] - each[1]).abs().max() > 1e-3
    torch.testing.assert_close(model.log_prob(Batch(x)).exp(), p_y @ each)
    some = torch.arange(16) % 4 - 1
    expected = torch.where(some < 0, p_y @ each, each.gather(0, some.clamp(min=0).unsqueeze(0)).squeeze(0))
    torch.testing.assert_close(model.log_prob(Batch(x, y=some)).exp(), expected)
    known = (p_y.unsqueeze(1) * each).argmax(0)
    assert torch.equal(model.label(Batch(x)), known)  # type: ignore[arg-type]


def test_labels_reach_draws() -> None:
    model = model_of(Domain("binary", (3,)), num_classes=2)
    x, _ = model.sample(4000, torch.arange(2).repeat_interleave(2000))
    log_p = torch.stack([model.log_prob(Batch(x, y=torch.full((4000,), y))) for y in (0, 1)])
    right = log_p.gather(0, torch.arange(2).repeat_interleave(2000).unsqueeze(0)).mean()
    assert right > log_p.mean() + 0.01
    assert set(model.draw_labels(50).tolist()) == {0, 1}  # type: ignore[union-attr]


@pytest.mark.parametrize("has_missing", [False, True])
def test_of_gaps_the_rest_is_a_density(has_missing: bool) -> None:
    """Σ over all values of what is observed of p is 1, whatever stands in the gaps."""
    domain = Domain("binary", (2, 2))
    model, x = model_of(domain, has_missing=has_missing), every(domain)
    observed = torch.tensor([[True, False], [True, True]])
    seen = x[x[:, 0, 1] == 0].clone()
    seen[:, 0, 1] = torch.nan
    p = model.log_prob(Batch(seen, observed=observed.expand_as(seen))).detach().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)


# Parts


def test_a_likelihood_that_is_a_chain_itself_is_refused() -> None:
    with pytest.raises(RequestError, match="discretized_logistic"):
        model_of(Domain("levels", (4, 4, 3), 8), likelihood=LogisticMixture)
    assert model_of(Domain("levels", (4, 4), 64)).likelihood.registered[1] == "discretized_logistic_mixture"
    assert model_of(Domain("levels", (4, 4, 3), 64)).likelihood.registered[1] == "discretized_logistic"


def test_a_chain_of_gaussians_reaches_any_gaussian() -> None:
    """Its linear path alone is a full covariance: on Gaussian x the best chain is the truth, and pPCA is below."""
    with keyed("gaussian"):
        factor = torch.randn(4, 4)
        x = torch.randn(4000, 4) @ factor.T + 3
    truth = torch.distributions.MultivariateNormal(3 * torch.ones(4), factor @ factor.T)
    split = Split(x[:3000], None, Domain("real", (4,)), "none", torch.arange(3000))
    model = Autoregressive.build(split.domain, width=16, depth=1, likelihood=Gaussian)
    initialise(model, split, 0)
    stage = Stage(Elbo(), steps=300, batch_size=100, lr=2e-2)
    for _ in fit(model, split, stage, TrainState(model, stage)):
        pass
    log_px = model.log_prob(Batch(x[3000:])).detach().mean()
    assert abs(float(log_px - truth.log_prob(x[3000:]).mean())) < 0.05
    plain = LinearGaussian(split.domain, latent=1)
    plain.initialise(Batch(x[:3000]))
    plain.solve(lambda: (Batch(x[:3000]),))
    assert log_px > plain.log_prob(Batch(x[3000:])).mean()


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(RequestError, match="depth is -1"):
        model_of(Domain("binary", (3,)), depth=-1)
