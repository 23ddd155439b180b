"""Every deep family on real digits: better than a linear-Gaussian model, and draws of nearly every class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.neighbors import KNeighborsClassifier

import unveil

FITS: dict[str, dict[str, Any]] = {
    "hvae": {"steps": 400, "evaluation__num_samples": 4},
    "vdm": {"steps": 300, "evaluation__num_samples": 4},
    "vqvae": {"steps": 600, "evaluation__num_samples": 1},
    "autoregressive": {"steps": 300, "model__width": 32},
}


@pytest.mark.parametrize("family", FITS)
def test_a_family_beats_a_linear_gaussian_model_and_draws_most_classes(family: str, tmp_path: Path) -> None:
    fixed = {"train__compile": False, "train__precision": "float32", "train__threads": 1}
    run = unveil.fit("digits", model=family, out=tmp_path / "run", show=False, **fixed, **FITS[family])
    (linear,) = [b for b in run.result["baselines"] if b["name"] == "ppca"]
    assert run.result["log_px"] > linear["log_px"]
    train = run.data.train
    judge = KNeighborsClassifier(5).fit(train.x.flatten(1).numpy(), train.y.numpy())
    found = set(judge.predict(run.sample(500).reshape(500, -1)).tolist())
    assert len(found) >= 8
