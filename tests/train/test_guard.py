"""The guard of the gradient: a surge is scaled down, a lasting change is followed, and nothing locks it up."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from descent import Descent
from unveil.data import Split
from unveil.domain import Domain
from unveil.models.vae import VAE
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.train.loop import SURGE, Guard, TrainState, fit
from unveil.train.stage import Stage

LENGTH = 3.0


class Walk:
    """Updates with gradients of chosen lengths; `moved` is how long the step was that each of them became."""

    def __init__(self, clip: float = 1e12) -> None:
        self.model = VAE.build(Domain("real", (4,)), latent=2, width=8)
        self.weight = nn.Parameter(torch.zeros(16, dtype=torch.float64))
        self.optimizer = Descent([self.weight])
        self.guard = Guard([self.weight], clip, torch.device("cpu"))

    def moved(self, length: float, whole: bool = True) -> float:
        before = self.weight.detach().clone()
        self.weight.grad = torch.full_like(self.weight, length / 4)
        self.guard.update(self.optimizer, torch.zeros(()), {}, 0, self.model, whole=whole)
        return float((self.weight.detach() - before).norm())

    @property
    def usual(self) -> float:
        return float(self.guard.usual.exp())


def settled(**options: float) -> Walk:
    walk = Walk(**options)
    for _ in range(20):
        walk.moved(LENGTH)
    return walk


def test_usual_gradients_are_left_alone() -> None:
    walk = settled()
    for length in (LENGTH / 100, LENGTH, 5 * LENGTH, 9 * LENGTH):
        assert walk.moved(length) == pytest.approx(length, rel=1e-6)


@pytest.mark.parametrize("size", [1e2, 1e6, 1e10])
def test_a_surge_is_scaled_down_and_soon_forgotten(size: float) -> None:
    walk = settled()
    assert walk.moved(size * LENGTH) <= SURGE * LENGTH * SURGE**0.06
    assert walk.usual == pytest.approx(LENGTH * SURGE**0.05, rel=1e-3)  # however large it was
    for _ in range(60):
        walk.moved(LENGTH)
    assert walk.usual == pytest.approx(LENGTH, rel=0.01)


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e-6])
def test_a_lasting_change_is_followed_and_every_update_is_made(factor: float) -> None:
    walk = settled()
    steps = [walk.moved(factor * LENGTH) for _ in range(200)]
    assert min(steps) > 0
    assert steps[-1] == pytest.approx(factor * LENGTH, rel=1e-5)
    if factor > 1:  # as long as the way is, in powers of ten, twenty updates each and one order ahead
        needed = 20 * (math.log10(factor) - 1) + 3
        assert sum(step < 0.999 * factor * LENGTH for step in steps) <= needed


def test_lengths_that_keep_growing_never_stop_it() -> None:
    walk = settled()
    lengths = [LENGTH * 1.3**i for i in range(60)]
    steps = [walk.moved(length) for length in lengths]
    assert all(later > sooner for sooner, later in itertools.pairwise(steps))


def test_the_clip_holds_beside_it() -> None:
    walk = settled(clip=5.0)
    assert walk.moved(8.0) == pytest.approx(5.0, rel=1e-5)


def test_updates_of_q_alone_say_nothing_of_the_usual_length() -> None:
    walk = settled()
    before = walk.usual
    assert walk.moved(1e3, whole=False) == pytest.approx(1e3, rel=1e-6)
    assert walk.usual == before


def test_a_gradient_that_is_not_finite_leaves_no_trace() -> None:
    walk = settled()
    walk.guard.late = True  # the update is masked on the device
    walk.optimizer.step = lambda: None  # type: ignore[method-assign,assignment]
    before = walk.usual
    walk.moved(math.nan)
    assert walk.usual == before


def split() -> Split:
    with keyed("guard"):
        x = torch.randn(64, 4)
    return Split(x, None, Domain("real", (4,)), "none", torch.arange(64))


def test_it_goes_on_bit_by_bit_from_a_checkpoint() -> None:
    """The usual length is part of the state: without it the first update after a resume would be another."""

    def made() -> VAE:
        with keyed("weights"):
            return VAE.build(Domain("real", (4,)), latent=2, width=8)

    stage = Stage(Elbo(), steps=12, batch_size=16)
    whole = list(fit(made(), split(), stage))
    model = made()
    kept: dict[str, Tensor] = {}
    for step in fit(model, split(), stage):
        if step.number == 5:
            kept = {k: v.clone() for k, v in step.state.tensors().items()}
            break
    assert torch.isfinite(kept["guard/usual"])
    state = TrainState(made(), stage)
    state.load(kept, 5)
    *_, last = fit(state.model, split(), stage, state)
    wanted = whole[-1].state.tensors()
    assert all(torch.equal(v, wanted[k]) for k, v in last.state.tensors().items())


def test_a_checkpoint_of_before_there_was_one_is_taken() -> None:
    stage = Stage(Elbo(), steps=3, batch_size=16)
    *_, last = fit(VAE.build(Domain("real", (4,)), latent=2, width=8), split(), stage)
    old = {k: v for k, v in last.state.tensors().items() if not k.startswith("guard/")}
    state = TrainState(VAE.build(Domain("real", (4,)), latent=2, width=8), stage)
    state.load(old, 3)
    assert state.usual.isnan()
