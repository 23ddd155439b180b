"""Known latents from where the user has them (z=…, the member z of an .npz) to weights that learned from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unveil
from quick import PLAIN_KEYS, WORDS, fitted, no_baselines
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
N = 200
Z = RNG.normal(size=(N, 2)).astype(np.float32)
X = Z @ np.array([[3.0, 0.0, 1.0], [0.0, 0.5, 1.0]]) + 0.1 * RNG.normal(size=(N, 3))
KNOWN = np.where(np.arange(N)[:, None] % 2, np.nan, Z)
SMALL: dict[str, Any] = {"latent": 2, "model__width": 16, "train__batch_size": 64}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("known") / "run"
    return fitted(X, out, z=KNOWN, steps=200, train__lr=0.01, **SMALL)


def test_the_latents_come_to_be_the_known_ones_in_place_and_sign(run: Run) -> None:
    """Without z, p(x) says nothing of which latent is which, nor of its sign."""
    assert next(row["known_z"] for row in run.metrics if "known_z" in row) > 0.3
    hidden = np.isnan(KNOWN).any(1)
    found = run.encode(X).mean[hidden]
    for d in range(2):
        assert np.corrcoef(found[:, d], Z[hidden, d])[0, 1] > 0.9


def test_a_run_fitted_on_arrays_opens_with_the_same_arrays(run: Run) -> None:
    again = Run.load(run.path, data=X, z=KNOWN)
    assert again.evaluate(limit=10)["log_px"] == run.evaluate(limit=10)["log_px"]
    with pytest.raises(RequestError, match="has changed since the fit"):
        Run.load(run.path, data=X)


def test_a_run_fitted_on_arrays_with_labels_opens_with_them(tmp_path: Path) -> None:
    y = np.arange(N) % 3
    run = unveil.fit(X, y=y, steps=2, out=tmp_path / "run", show=False, **PLAIN_KEYS, **SMALL)
    assert Run.load(run.path, data=X, y=y).evaluate(limit=5)["log_px"] == run.evaluate(limit=5)["log_px"]


def test_an_archive_brings_known_latents_beside_x(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "x.npz", x=X, z=KNOWN)
    words = ["fit", str(tmp_path / "x.npz"), "--latent", "2", "--steps", "5", "--out", str(tmp_path / "run"), *WORDS]
    assert main([*words, "--dry-run"]) == 0
    assert "Known latents are z: 2 of 100 examples" in capsys.readouterr().out
    data = unveil.load_data(tmp_path / "x.npz")
    assert data.train.z is not None and np.array_equal(
        data.train.z[0].numpy(), KNOWN[data.train.rows.numpy()], equal_nan=True
    )
    with no_baselines():
        assert main(words) == 0
    assert any("known_z" in row for row in Run.load(tmp_path / "run").metrics)
    assert unveil.load_data(f"{tmp_path / 'x.npz'}:x").train.z is None
    assert unveil.load_data(tmp_path / "x.npz").sha256 != unveil.load_data(f"{tmp_path / 'x.npz'}:x").sha256


def test_an_array_called_z_that_cannot_be_latents_is_left_out_and_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X, z=np.arange(N))
    data = unveil.load_data(tmp_path / "x.npz")
    assert data.train.z is None and any("z was not taken as known latents" in note for note in data.notes)


@pytest.mark.parametrize(
    ("options", "sentence"),
    {
        "another width": ({"latent": 3}, r"have 2 columns and the model has 3 latents; give model.latent=2"),
        "another objective": ({"objective": "iwae"}, r"'iwae' would not look at them; use 'elbo'"),
        "another finish": ({"train__finish": "dreg"}, r"'dreg' would not look at them; use 'elbo'"),
        "a closed form": ({"model": "linear_gaussian"}, r"closed form would not look at them; use --model vae"),
        "another shape": ({"z": Z[:, 0]}, r"z came as float32 of shape \(200,\); they are numbers \[N, D\]"),
        "other rows": ({"z": Z[:9]}, r"9 rows of known latents z came for 200 examples"),
        "infinity": ({"z": np.full((N, 2), np.inf)}, r"z hold inf"),
        "nothing": ({"z": np.full((N, 2), np.nan)}, r"No row of the known latents z is known"),
    }.values(),
    ids=["width", "objective", "finish", "closed-form", "shape", "rows", "inf", "none"],
)
def test_known_latents_that_would_not_be_used_are_refused(
    options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=sentence):
        unveil.fit(X, **{"z": Z, "out": tmp_path / "run", "steps": 5, "latent": 2} | options)
