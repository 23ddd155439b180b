"""Which network and prior a fit picks: by the budget, by how many images there are, and never against a choice."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unveil
from unveil.domain import Domain
from unveil.fitting.prepare import prepare
from unveil.model.shared.networks import ENOUGH, default_network, default_prior
from unveil.objectives import Elbo
from unveil.planning.network import MANY, PASSES, asks, passes_within, verdict, with_patches
from unveil.registry import describe
from unveil.runs.command import keys_of
from unveil.settings.choices import choose
from unveil.settings.options import TrainOptions


@pytest.fixture(scope="module")
def images() -> Any:
    """More than `ENOUGH` of them to train on."""
    return (np.random.default_rng(0).random((13_000, 4, 4)) < 0.3).astype(np.uint8)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"train.minutes": 5}, True),
        ({"train.steps": 5}, False),
        ({}, False),
        ({"train.minutes": 5, "model.network": "mlp"}, False),
        ({"train.minutes": 5, "model.network": "auto"}, True),
        ({"train.minutes": 5, "model.width": 64}, False),
        ({"train.minutes": 5, "model": "linear_gaussian"}, False),
        ({"train.minutes": 5, "prior": "mixture"}, True),
    ],
    ids=lambda value: str(value) if isinstance(value, bool) else "-".join(map(str, value.items())) or "nothing",
)
def test_the_budget_picks_the_network_only_where_it_is_open(
    options: dict[str, Any], expected: bool, images: Any
) -> None:
    assert asks(choose(options), unveil.load_data(images)) is expected


def test_tables_and_few_images_are_left_alone(images: Any) -> None:
    for source in (np.random.default_rng(0).normal(size=(50, 3)), images[:5000]):
        assert not asks(choose({"train.minutes": 5}), unveil.load_data(source))


def test_passes_are_measured_and_decide(images: Any) -> None:
    data = unveil.load_data(images)
    model = with_patches(choose({"train.minutes": 1})).model(data.domain)
    assert describe(model)["encoder"]["name"] == "patch"
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert passes_within(1.0, model, data, Elbo(), seed=0, asked=TrainOptions(threads=1)) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert verdict(PASSES)[0] == 1 and "is patch" in verdict(PASSES)[1]
    assert verdict(MANY)[0] == 2 and "two blocks" in verdict(MANY)[1]
    assert verdict(PASSES - 1)[0] == 0 and "is mlp" in verdict(PASSES - 1)[1]


def test_what_is_timed_is_the_batch_and_the_threads_that_were_asked_for(
    images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    class Timed:
        def __init__(self, *given: Any) -> None:
            self.rows = given[3].batch_size

        def seconds_per_step(self, *_given: Any, **_more: Any) -> float:
            seen.append((self.rows, torch.get_num_threads()))
            return 0.01

    monkeypatch.setattr("unveil.planning.network.Probe", Timed)
    data = unveil.load_data(images)
    model = with_patches(choose({"train.minutes": 1})).model(data.domain)
    before = torch.get_num_threads()
    asked = TrainOptions(batch_size=64, threads=before + 1)
    passes = passes_within(1.0, model, data, Elbo(), seed=0, asked=asked)
    assert set(seen) == {(64, before + 1)} and torch.get_num_threads() == before
    assert passes == pytest.approx(60 * 0.75 / 0.01 * 64 / len(data.train))


def test_no_threads_are_refused_before_anything_is_timed(images: Any, tmp_path: Path) -> None:
    with pytest.raises(unveil.RequestError, match=r"train.threads is 0; it takes a whole number from 1"):
        prepare(images, out=tmp_path / "run", minutes=0.5, train__threads=0)


@pytest.mark.parametrize(
    ("passes", "name", "blocks"),
    [(2 * MANY, "patch", 2), (PASSES, "patch", 1), (PASSES / 2, "mlp", 1)],
    ids=["two blocks", "patch", "mlp"],
)
def test_a_fit_in_minutes_takes_what_it_can_afford(
    passes: float, name: str, blocks: int, images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("unveil.fitting.prepare"), "passes_within", lambda *_args: passes)
    monkeypatch.setattr("unveil.planning.measure.TIMED", 2)
    fitting = prepare(images, out=tmp_path / "run", minutes=0.5)
    assert fitting.config.model["encoder"]["name"] == name
    assert fitting.config.model["decoder"]["name"] == name
    assert fitting.config.model["encoder"]["depth"] == blocks
    assert any(f"the network is {name}" in note for note in fitting.config.notes)


def test_many_images_get_a_learned_prior() -> None:
    images, vectors = Domain("binary", (4, 4)), Domain("binary", (16,))
    assert default_prior(images, ENOUGH) == "realnvp"
    assert default_prior(images, ENOUGH - 1) == default_prior(vectors, 10 * ENOUGH) == "standard_normal"
    assert default_network(images) == "mlp"


@pytest.mark.parametrize("named", [{}, {"prior": "standard_normal"}], ids=["picked", "named"])
def test_a_run_says_the_prior_that_its_data_would_not_pick(named: dict[str, str], images: Any, tmp_path: Path) -> None:
    """The command in a report makes the same model again, whichever prior the number of images would pick."""
    options = {"train.steps": 1, "model.width": 8, "evaluation.num_samples": 1, **named}
    run = prepare(images, out=tmp_path / "run", options=options).start()
    assert run.config.model["prior"]["name"] == named.get("prior", "realnvp")
    keys = keys_of(run)
    assert keys is not None
    assert keys.get("prior") == named.get("prior")
