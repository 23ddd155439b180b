"""Batches that come from the host, made one step ahead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.models.vae import VAE
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.train.feeding import Feed
from unveil.train.loop import TrainState, fit
from unveil.train.order import rows_of
from unveil.train.stage import Stage
from unveil.train.validation import validate

CPU = torch.device("cpu")


def grey(num: int = 50) -> Split:
    """Grey levels of which every batch is a fresh draw, with labels and a mask."""
    with keyed("grey"):
        v = torch.randint(0, 256, (num, 4, 4), dtype=torch.uint8)
        return Split(
            v,
            torch.arange(num) % 3,
            Domain("binary", (4, 4)),
            "draw",
            torch.arange(num),
            levels=256,
            observed=torch.rand(num, 4, 4) < 0.8,
        )


def same(a: Batch, b: Batch) -> bool:
    pairs = ((a.x, b.x), (a.index, b.index), (a.y, b.y), (a.observed, b.observed))
    return all(one is not None and other is not None and torch.equal(one, other) for one, other in pairs)


def far(data: Split) -> Feed:
    """A feed that takes the data for being on another device; the copy is one in memory."""
    feed = Feed(data, 16, CPU)
    feed.is_near = False
    return feed


def test_what_is_made_ahead_is_what_would_have_been_made() -> None:
    data, asked = grey(), [(7, 0), (7, 1), (7, 2), (9, 2), (7, 3), (7, 40)]
    at_once = [far(data).batch(noise, step) for noise, step in asked]
    feed, ahead = far(data), []
    for noise, step in asked:
        ahead.append(feed.batch(noise, step))
        feed.prepare(7, step + 1)  # also where another batch is asked for next
    assert all(same(a, b) for a, b in zip(at_once, ahead, strict=True))
    assert not torch.equal(at_once[2].x, at_once[3].x)
    for (noise, step), batch in zip(asked, at_once, strict=True):
        assert batch.index is not None and torch.equal(batch.index, rows_of(step, 16, 50, noise))


def test_making_a_batch_ahead_leaves_the_callers_noise_as_it_was() -> None:
    feed, drawn = far(grey()), []
    for prepared in (False, True):
        with keyed("noise"):
            if prepared:
                feed.prepare(7, 3)
            drawn.append(torch.rand(5))
    assert torch.equal(*drawn)


def test_beside_the_model_nothing_is_made_ahead() -> None:
    feed = Feed(grey(), 16, CPU)
    assert feed.is_near
    feed.prepare(7, 3)
    assert feed._ahead is None
    with keyed("here"):
        found = feed.batch(7, 3)
    with keyed("here"):
        assert same(found, grey().batch(rows_of(3, 16, 50, 7)))


@pytest.mark.parametrize("encoder_steps", [0, 2], ids=["plain", "aggressive"])
def test_a_training_fed_from_the_host_goes_on_bit_by_bit(monkeypatch: pytest.MonkeyPatch, encoder_steps: int) -> None:
    """Whole, and in two parts, of which the second has nothing prepared."""
    begin: Callable[..., None] = Feed.__init__

    def faraway(self: Feed, *arguments: object) -> None:
        begin(self, *arguments)
        self.is_near = False

    monkeypatch.setattr(Feed, "__init__", faraway)
    chosen = Stage(Elbo(), steps=9, batch_size=16, encoder_steps=encoder_steps, aggressive_share=0.5)
    bounds, kept = [], {}
    for step in fit(vae(), grey(), chosen, seed=3):
        bounds.append(step.bound)
        if step.number == 5:
            kept = {name: value.clone() for name, value in step.state.tensors().items()}
    state = TrainState(vae(), chosen)
    state.load(kept, 5)
    assert [step.bound for step in fit(state.model, grey(), chosen, state, seed=3)] == bounds[5:]


def vae() -> VAE:
    with keyed("weights"):
        return VAE.build(Domain("binary", (4, 4)), latent=2, width=8, depth=1, has_missing=True)


def test_validation_takes_the_data_to_the_model() -> None:
    moved: list[torch.device] = []
    to = Batch.to

    def noted(self: Batch, device: torch.device | str) -> Batch:
        moved.append(torch.device(device))
        return to(self, device)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "to", noted)
        validate(vae(), grey(), Elbo())
    assert moved == [CPU]
