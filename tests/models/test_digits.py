"""Every deep family on real digits: better than a linear-Gaussian model, and draws of nearly every class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.neighbors import KNeighborsClassifier

from quick import fitted
from unveil.data import load
from unveil.evaluation.baselines.afford import FLOPS
from unveil.evaluation.baselines.examples import Examples
from unveil.evaluation.baselines.fit import fit_one
from unveil.planning import measure

FITS: dict[str, dict[str, Any]] = {
    "hvae": {"steps": 100, "train__batch_size": 32, "evaluation__num_samples": 2},
    "vdm": {"steps": 120, "model__width": 16, "train__batch_size": 32, "evaluation__num_samples": 2},
    "vqvae": {"steps": 250, "model__width": 24, "train__batch_size": 64, "evaluation__num_samples": 1},
    "autoregressive": {"steps": 50, "model__width": 16, "train__batch_size": 32},
}


@pytest.fixture(autouse=True)
def _few_steps_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TIMED", 2)


@pytest.fixture(scope="module")
def linear() -> float:
    """log p(x) of the best linear-Gaussian model, nats per test example."""
    found = fit_one("ppca", Examples.of(load("digits"), 0), operations=0.1 * FLOPS, starts=1, seed=0)
    return float(found.log_px.mean())


@pytest.mark.parametrize("family", FITS)
def test_a_family_beats_a_linear_gaussian_model_and_draws_most_classes(
    family: str, linear: float, tmp_path: Path
) -> None:
    run = fitted("digits", tmp_path / "run", model=family, train__valid_every=FITS[family]["steps"], **FITS[family])
    assert run.result["log_px"] > linear
    train = run.data.train
    judge = KNeighborsClassifier(5).fit(train.x.flatten(1).numpy(), train.y.numpy())
    found = set(judge.predict(run.sample(100).reshape(100, -1)).tolist())
    assert len(found) >= 8
