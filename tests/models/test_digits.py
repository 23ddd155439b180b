"""Every deep family on real digits: better than a linear-Gaussian model, and draws of nearly every class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.neighbors import KNeighborsClassifier

from quick import fitted
from unveil.data import load
from unveil.evaluation.baselines.fit import fit_baselines

FITS: dict[str, dict[str, Any]] = {
    "hvae": {"steps": 400, "evaluation__num_samples": 4},
    "vdm": {"steps": 300, "evaluation__num_samples": 4},
    "vqvae": {"steps": 600, "evaluation__num_samples": 1},
    "autoregressive": {"steps": 300, "model__width": 32},
}


@pytest.fixture(scope="module")
def linear() -> float:
    """log p(x) of the best linear-Gaussian model, nats per test example."""
    found = {baseline.name: baseline for baseline in fit_baselines(load("digits"), seed=0, seconds=1.0)}
    return float(found["ppca"].log_px.mean())


@pytest.mark.parametrize("family", FITS)
def test_a_family_beats_a_linear_gaussian_model_and_draws_most_classes(
    family: str, linear: float, tmp_path: Path
) -> None:
    run = fitted("digits", tmp_path / "run", model=family, **FITS[family])
    assert run.result["log_px"] > linear
    train = run.data.train
    judge = KNeighborsClassifier(5).fit(train.x.flatten(1).numpy(), train.y.numpy())
    found = set(judge.predict(run.sample(300).reshape(300, -1)).tolist())
    assert len(found) >= 8
