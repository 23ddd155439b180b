"""Scores: an error is stated only where there is one."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(400, 2)) @ RNG.normal(size=(2, 12)) + 0.05 * RNG.normal(size=(400, 12))).astype(np.float32)
SMALL: dict[str, Any] = {"latent": 6, "model__width": 32, "steps": 150, "model__network": "plain"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(X, tmp_path_factory.mktemp("score") / "run", **SMALL)


def test_a_row_that_one_draw_carries_has_no_error_and_is_named(run: Run, tmp_path: Path) -> None:
    new = X[:40].copy()
    new[7] *= -30.0  # far from all that q was trained on
    scores = run.score(new)
    assert np.isnan(scores.stderr[7]) and np.isfinite(scores.log_px).all()
    spread = np.std([run.score(new, seed=seed).log_px[7] for seed in range(4)])
    assert spread > 1.5  # which an error of 1.0 would have hidden
    (note,) = scores.notes
    assert "7" in note and "No error is given for these rows" in note
    np.save(tmp_path / "new.npy", new)
    assert main(["score", str(run.path), str(tmp_path / "new.npy"), "-o", str(tmp_path / "s.csv")]) == 0
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[7]["stderr"] == "" and float(rows[7]["log_px"]) == scores.log_px[7]


def test_an_error_is_stated_where_many_draws_count(tmp_path: Path) -> None:
    exact = fitted(X, tmp_path / "run", model="linear_gaussian", latent=2)
    scores = exact.score(X[:20])
    assert (scores.stderr == 0).all() and scores.notes == ()


def test_a_judged_bound_says_that_few_draws_count(run: Run) -> None:
    far = run.evaluate(data=-300 * X[:50], num_samples=100)
    assert far["ess"] < 10 and [f["code"] for f in far["findings"]] == ["heavy_weights"]
