"""The diffusion as a model: data it takes, labels, precision, sampling, figures, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch

from unveil.batch import Batch
from unveil.data import Split, load
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators.base import evaluate
from unveil.estimators.bounds import ElboBound
from unveil.estimators.layers import LayersBound
from unveil.models.vdm import VDM
from unveil.nn.fourier import time_features, waves
from unveil.nn.unet import DenoisingMLP, UNet
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.panels import Bars, Lines, Strip
from unveil.settings.choices import choose
from unveil.train.loop import fit
from unveil.train.stage import Stage

STEPS = 300


def two_moons(num: int = 2000) -> Split:
    with keyed("moons"):
        angle = math.pi * torch.rand(num)
        side = torch.randint(0, 2, (num,))
        x = torch.stack([angle.cos() + side, (1 - 2 * side) * angle.sin() + 0.5 * side], -1)
        x = x + 0.1 * torch.randn(num, 2)
    return Split(x, side, Domain("real", (2,)), "none", torch.arange(num))


def learned(split: Split, steps: int = STEPS, **options: object) -> VDM:
    with keyed("weights"):
        model = VDM.build(split.domain, num_classes=2, width=64, depth=2, **options)  # type: ignore[arg-type]
    stage = Stage(Elbo(warmup=0.0), steps=steps, batch_size=128, lr=6e-3)
    for _ in fit(model, split, stage, seed=0):
        pass
    return model.eval()


@pytest.fixture(scope="module")
def moons() -> VDM:
    return learned(two_moons(), condition="label")


# Learning


def test_it_learns_more_than_a_gaussian_of_two_moons(moons: VDM) -> None:
    split = two_moons()
    found, _ = evaluate(moons, split, ElboBound(num_samples=64), limit=256)
    gaussian = torch.distributions.MultivariateNormal(split.x.mean(0), split.x.T.cov())
    assert float(found.log_px.mean()) > float(gaussian.log_prob(split.x).mean()) + 0.3


def test_its_fixed_q_has_no_warm_up_unless_one_is_asked_for(moons: VDM) -> None:
    batch = two_moons().batch(torch.arange(40))
    for goal, whole in ((Elbo(), True), (Elbo(warmup=0.5), False)):
        with keyed("warm"):
            loss = goal(moons, batch, 0.0)
        assert torch.equal(loss.surrogate, -loss.bound) == whole


def test_draws_of_a_label_lie_where_its_data_lies(moons: VDM) -> None:
    with keyed("draws"):
        for label in (0, 1):
            x, _ = moons.sample(200, torch.full((200,), label), steps=30)
            split = two_moons()
            own, other = (torch.cdist(x, split.x[split.y == c]).amin(1) for c in (label, 1 - label))
            assert float((own < other).float().mean()) > 0.85


def test_the_label_says_something_of_x(moons: VDM) -> None:
    split = two_moons()
    batch = split.batch(torch.arange(256))
    with torch.no_grad():
        told, untold = (moons.infer(b, 64).elbo.mean() for b in (batch, Batch(batch.x)))
    assert told > untold + 0.2


def test_layers_share_the_weights_and_come_close_to_the_bound(moons: VDM) -> None:
    split = two_moons()
    whole, _ = evaluate(moons, split, ElboBound(num_samples=64), limit=64)
    cut, _ = evaluate(moons, split, LayersBound(num_steps=100, num_samples=4), limit=64)
    assert abs(float(cut.log_px.mean() - whole.log_px.mean())) < 0.5
    assert {id(p) for p in moons.layers(3).parameters()} == {id(p) for p in moons.parameters()}


# Sampling


def test_ddim_draws_no_noise_on_the_way(moons: VDM) -> None:
    y = torch.zeros(4, dtype=torch.int64)
    with keyed("a"):
        z = moons.sample(4, y, sampler="ddim", steps=20)[1]
    with keyed("a"):
        again = moons.sample(4, y, sampler="ddim", steps=20)[1]
    with keyed("a"):
        other = moons.sample(4, y, steps=20)[1]
    assert torch.equal(z[0], again[0]) and torch.equal(z[1], other[1]) and not torch.equal(z[0], other[0])


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_steps_of_the_angle_are_equal_between_the_ends_of_gamma(moons: VDM, num_steps: int) -> None:
    noise = moons.noising.noise
    gamma = noise.steps(num_steps, "angle").detach()
    assert torch.allclose(gamma[[0, -1]], torch.stack(noise.limits).detach(), atol=1e-3)
    angle = torch.atan(torch.exp(gamma.double() / 2))
    torch.testing.assert_close(angle.diff(), ((angle[-1] - angle[0]) / num_steps).expand(num_steps), rtol=0, atol=1e-4)
    torch.testing.assert_close(noise.steps(num_steps, "time"), moons.layers(num_steps).gamma())


def test_guidance_makes_more_of_the_label(moons: VDM) -> None:
    y, split = torch.zeros(300, dtype=torch.int64), two_moons()

    def typical(guidance: float) -> float:
        with keyed("guided"):
            x, _ = moons.sample(300, y, steps=20, guidance=guidance)
        near, far = (torch.cdist(x, split.x[split.y == c]).amin(1) for c in (0, 1))
        return float((far - near).mean())

    assert typical(0.0) < typical(1.0) < typical(3.0)


def test_guidance_without_labels_and_no_steps_are_refused() -> None:
    model = VDM(Domain("real", (2,)), width=8, depth=1)
    with pytest.raises(RequestError, match=r"guidance=2 came for a model without labels; .*model.condition=label"):
        model.sample(2, guidance=2.0)
    with pytest.raises(RequestError, match="number of steps is 0; it takes a whole number from 1"):
        model.sample(2, steps=0)


# Data


def test_counts_missing_values_and_vectors_for_a_unet_are_refused() -> None:
    with pytest.raises(RequestError, match=r"'vdm' is one of binary, levels or real data and the data is count"):
        VDM.build(Domain("count", (3,)))
    with pytest.raises(RequestError, match=r"missing values, .* take --model vae"):
        VDM.build(Domain("real", (3,)), has_missing=True)
    with pytest.raises(RequestError, match=r"'unet' needs images .* use 'mlp'"):
        VDM.build(Domain("real", (3,)), network="unet")
    with pytest.raises(RequestError, match=r"labels of at least two classes"):
        VDM.build(Domain("real", (3,)), condition="label")


def test_the_bound_of_real_x_is_in_its_units() -> None:
    """Ten times x is D·log 10 nats less."""
    x, bounds = torch.randn(500, 3).double(), []
    for scale in (1.0, 10.0):
        with keyed("units"):
            model = VDM(Domain("real", (3,)), width=8, depth=1).double().eval()
            model.initialise(Batch(scale * x))
            bounds.append(model.infer(Batch(scale * x), 4).elbo)
    torch.testing.assert_close(bounds[0] - bounds[1], torch.full((500,), 3 * math.log(10)).double(), rtol=0, atol=1e-6)


def test_what_is_not_observed_leaves_a_bound_on_what_is() -> None:
    """log p(x₁) of a model that knows N(0, I): never above it."""
    model = VDM(Domain("real", (2,)), width=8, depth=1, prediction="v").double().eval()
    with torch.no_grad():
        for p in model.noising.network.parameters():
            p.zero_()  # v̂ = 0 is right for x ∼ N(0, 1)
    x = torch.randn(500, 2).double()
    model.initialise(Batch(x))
    observed = torch.tensor([True, False]).expand(500, 2)
    with torch.no_grad():
        bound = model.infer(Batch(x, observed=observed), 64).elbo
    centre, spread = model.noising.centre[0], model.noising.spread[0]
    truth = torch.distributions.Normal(centre, spread).log_prob(x[:, 0])
    assert float((bound - truth).mean()) < 0.1


def test_gamma_starts_where_levels_can_be_told_apart() -> None:
    model = VDM(Domain("levels", (4, 4), 256))
    model.initialise(Batch(torch.randint(256, (100, 4, 4)).float()))
    with torch.no_grad():
        first, last = model.noising.noise.limits
        scale = float(torch.exp(first / 2) * model.noising.spread)
        assert scale == pytest.approx(1 / 6, rel=1e-3) and float(last) == pytest.approx(6.0)
        model.noising.noise.ends.copy_(torch.tensor([100.0, 0.0]))
        assert float(torch.exp(model.noising.noise.limits[0] / 2) * model.noising.spread) <= 0.5 + 1e-5


# Networks


@pytest.mark.parametrize("shape", [(8, 8), (9, 10), (28, 28), (9, 7, 3), (33, 20, 2)])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_a_unet_gives_the_shape_of_x(shape: tuple[int, ...], patch: int) -> None:
    net = UNet(shape, 5, width=16, depth=1, patch=patch, num_classes=3)
    x, t, y = torch.randn(3, *shape, 5), torch.rand(3), torch.tensor([0, 2, 3])
    out = net(x, t, y)
    assert out.shape == (3, *shape)
    torch.testing.assert_close(net(x[1:2], t[1:2], y[1:2]), out[1:2], atol=1e-5, rtol=1e-4)
    out.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_an_mlp_gives_the_shape_of_x() -> None:
    assert DenoisingMLP((3, 4), 5, width=8, depth=2)(torch.randn(6, 3, 4, 5), torch.rand(6)).shape == (6, 3, 4)


def test_waves_tell_levels_apart_and_times_are_features() -> None:
    u = torch.tensor([3.0, 3.25, 4.0])
    found = waves(u, (1.0, 2.0))
    assert found.shape == (3, 5)
    torch.testing.assert_close(found[0, [1, 3]], found[2, [1, 3]], atol=1e-5, rtol=0)  # whole levels are alike
    assert found[1, 1] > 0.99 and abs(float(found[0, 4] - found[2, 4])) > 1.9
    assert time_features(torch.rand(7), 64).shape == (7, 64)


def test_bf16_is_inside_the_network_only() -> None:
    model = VDM(Domain("real", (2,)), width=32, depth=1).eval()
    x = torch.full((4, 2), 200.37)
    model.noising.centre.fill_(200.0)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        model.network_dtype = dtype
        with keyed("bf16"), torch.no_grad():
            found.append(model.infer(Batch(x), 8))
    assert (found[1].rate.dtype, found[1].log_px_z.dtype) == (torch.float32, torch.float64)
    assert torch.equal(found[0].log_px_z, found[1].log_px_z)
    assert not torch.equal(found[0].rate, found[1].rate)
    torch.testing.assert_close(found[0].elbo, found[1].elbo, rtol=0.05, atol=0.5)


# The command line's side


@pytest.mark.parametrize("shape", [(5,), (8, 8)])
def test_panels_are_plain_data(shape: tuple[int, ...]) -> None:
    model = VDM.build(Domain("levels", shape, 17), width=8, depth=1).eval()
    batch = Batch(torch.randint(17, (40, *shape)).float())
    model.initialise(batch)
    found = model.panels(batch)
    lines, strips = ([panel for panel in found if isinstance(panel, kind)] for kind in (Lines, Strip))
    assert isinstance(found[0], Bars) and len(found[0].values) == 3
    assert [set(panel.series) for panel in lines] == [{"γ(t)", "straight line"}, {"nats lost"}, {"distance"}]
    lost = lines[1].series["nats lost"][1]
    assert lost[0] > lost[-1]
    assert len(strips) == (2 if len(shape) == 2 else 0)
    for strip in strips:
        assert len(strip.rows) == len(strip.row_labels) and strip.rows[0].shape == (10, *shape)


def test_choices_come_from_the_command_line() -> None:
    model = choose({"model": "vdm", "model.prediction": "v", "model.noise": "linear", "model.width": "16"}).model(
        Domain("levels", (28, 28), 256)
    )
    assert isinstance(model, VDM) and model.spec["patch"] == 2 and model.noising.prediction == "v"


def test_digits_are_learned() -> None:
    split = load("digits").train
    with keyed("weights"):
        model = VDM.build(split.domain, width=16)
    bounds = [
        step.bound for step in fit(model, split, Stage(Elbo(warmup=0.0), steps=60, batch_size=64, lr=3e-3), seed=0)
    ]
    assert sum(bounds[-5:]) / 5 > bounds[0] + 10
