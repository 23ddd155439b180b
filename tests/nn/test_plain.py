"""Plain networks: the sizes of the literature, their start, what they refuse; a run of them says its choices."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch

import unveil
from unveil.domain import Domain
from unveil.fitting.prepare import prepare
from unveil.models.vae import VAE
from unveil.nn.plain import ACTIVATIONS, PlainDecoder, PlainEncoder
from unveil.registry import describe
from unveil.runs.command import fit_command, keys_of
from unveil.settings.choices import choose

IMAGES = Domain("binary", (28, 28))


def plain(**options: object) -> VAE:
    model = choose({"model.network": "plain", "model.latent": 50} | options).model(IMAGES)
    assert isinstance(model, VAE)
    return model


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_784_200_200_50_has_the_weights_of_the_literature() -> None:
    """Every layer with its bias; that of the last one is the likelihood's offset."""
    encoder = (784 * 200 + 200) + (200 * 200 + 200) + 2 * (200 * 50 + 50)
    decoder = (50 * 200 + 200) + (200 * 200 + 200) + (200 * 784 + 784)
    assert count(plain()) == encoder + decoder
    kinds = [type(layer).__name__ for layer in plain().encoder.layers]  # type: ignore[union-attr]
    assert kinds == ["Linear", "Tanh", "Linear", "Tanh"]


def test_shapes_follow_width_and_depth_and_lead_dimensions_of_z() -> None:
    encoder, decoder = PlainEncoder((5, 6), width=7, depth=3), PlainDecoder(4, (5, 6), 2, width=7, depth=1)
    assert encoder(torch.rand(3, 5, 6)).shape == (3, encoder.num_features) == (3, 7)
    assert decoder(torch.rand(2, 3, 4)).shape == (2, 3, 60)
    assert len(encoder.layers) == 6 and len(decoder.layers) == 2


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_activation_is_the_one_asked_for_on_both_sides(activation: str) -> None:
    model = plain(**{"model.activation": activation})
    found = {type(m) for part in (model.encoder, model.decoder) for m in part.modules()} & set(ACTIVATIONS.values())
    assert found == {ACTIVATIONS[activation]}


def test_layers_start_with_the_spread_of_glorot_and_bengio() -> None:
    first = plain().encoder.layers[0]  # type: ignore[index,union-attr]
    assert first.weight.std().item() == pytest.approx((2 / (784 + 200)) ** 0.5, rel=0.02)
    assert not first.bias.any()


def test_an_unfitted_decoder_says_the_mean_of_the_data() -> None:
    data = unveil.load_data("digits", binarization="threshold")
    model = choose({"model.network": "plain"}).model(data.domain)
    rows = data.train.batch(torch.arange(len(data.train)))
    model.initialise(rows)
    assert (model.decode((torch.randn(64, 32),)).mean.mean(0) - rows.x.mean(0)).abs().max() < 0.1


@pytest.mark.parametrize(
    "asked",
    [
        {"model.network": "plain", "model.activation": "relu", "model.width": 9},
        {"model.network": "plain", "model.latent": 3},
        {"model.network": "conv", "model.width": 2},  # has no dropout, which the network picked by itself has
    ],
    ids=["plain relu", "plain", "conv"],
)
def test_a_run_says_the_choices_that_make_it_again(asked: dict[str, object], tmp_path: Path) -> None:
    images = torch.arange(60 * 30).reshape(60, 5, 6).remainder(7).to(torch.uint8)
    run = prepare(images, steps=2, out=tmp_path / "run", options=asked | {"evaluation.num_samples": 5}).start()
    said = keys_of(run)
    assert said is not None and said.items() >= asked.items()
    words = [word.split("=", 1) for word in shlex.split(fit_command(run, said, 2)) if "=" in word]
    again = choose({key: value for key, value in words}).model(run.domain)
    assert json.loads(json.dumps(describe(again))) == json.loads(json.dumps(run.config.model))
