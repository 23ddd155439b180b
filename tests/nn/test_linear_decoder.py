"""The linear decoder: factor analysis for columns of any kinds."""

from pathlib import Path

import pytest
import torch

import mixedtables
from unveil.batch import Batch
from unveil.errors import RequestError
from unveil.settings.choices import choose

MIXED = mixedtables.mixed()


def test_what_it_says_is_linear_in_z() -> None:
    model = choose({"model.network": "linear", "model.latent": 3}).model(MIXED).eval()
    z = torch.randn(2, 3)
    h = model.decoder(z)
    assert torch.allclose(model.decoder(z.sum(0)), h.sum(0), atol=1e-6)
    assert torch.equal(model.decoder(torch.zeros(3)), torch.zeros(model.likelihood.num_outputs))


def test_it_takes_gaps_and_a_prior_without_weights() -> None:
    model = choose({"model.network": "linear"}).model(MIXED, num_examples=10**6, has_missing=True)
    assert model.prior.registered[1] == "standard_normal"
    x = mixedtables.rows(MIXED, 64)
    batch = Batch(x, observed=torch.rand_like(x) < 0.7)
    model.initialise(batch)
    assert bool(model.infer(batch).log_px_z.isfinite().all())


def test_sizes_are_those_of_the_encoder(tmp_path: Path) -> None:
    model = choose({"model.network": "linear", "model.width": 9}).model(MIXED)
    assert model.encoder.layers[0].out_features == 9 and set(dict(model.decoder.named_parameters())) == {
        "linear.weight"
    }
    with pytest.raises(RequestError, match=r"model.activation=relu came for model.network='linear'"):
        choose({"model.network": "linear", "model.activation": "relu"}).model(MIXED)
