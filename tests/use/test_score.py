"""Scores: an error is stated only where there is one."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from quick import fitted, forget_sums
from unveil.api import Run
from unveil.cli import main
from unveil.estimators.psis import pareto_k
from unveil.model import Model
from unveil.ops import keyed
from unveil.runs.given import given_as

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
    with pytest.warns(UserWarning, match="the unit may be another"):
        far = run.evaluate(data=-300 * X[:50], num_samples=100)
    assert far["ess"] < 10 and [f["code"] for f in far["findings"]] == ["heavy_weights"]


FAMILIES: dict[str, dict[str, Any]] = {
    "vae": {},
    "labels": {"y": np.arange(400) % 3, "model__condition": "label"},
    "vdm": {"model": "vdm", "model__latent": None, "model__network": "mlp"},
    "exact": {"model": "linear_gaussian", "model__width": None, "model__network": None, "steps": 5},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_validation_examples_have_the_scores_that_they_are_ranked_by(name: str, tmp_path: Path) -> None:
    options = {"latent": 2, "model__width": 16, "model__network": "plain", "steps": 10} | FAMILIES[name]
    if name in ("vdm", "exact"):
        options = {k: v for k, v in options.items() if v is not None and (name == "exact" or k != "latent")}
    own = fitted(X, tmp_path / "run", **options)
    kept = own.store.scores("valid")
    scores = own.score(own.data.valid.x.numpy())
    np.testing.assert_allclose(scores.log_px, kept, atol=1e-4)
    np.testing.assert_allclose(scores.percentile, 100 * np.argsort(np.argsort(kept)) / 40, atol=2.6)
    assert scores.notes == ()


def test_under_another_seed_a_row_has_no_percentile(run: Run, tmp_path: Path) -> None:
    scores = run.score(X[:5], seed=1)
    assert np.isnan(scores.percentile).all()
    assert scores.notes == (
        "The rows have no percentile: the validation examples were scored on the draws of seed 0, and these rows on "
        "those of seed 1.",
    )
    odd = run.score(run.data.valid.x.numpy(), seed=1, oddity=True)  # which scores the validation examples again
    np.testing.assert_allclose(odd.percentile, 100 * (odd.log_px[:, None] > odd.log_px).mean(1), atol=2.6)
    exact = fitted(X, tmp_path / "run", model="linear_gaussian", latent=2, steps=5)
    assert np.isfinite(exact.score(X[:5], seed=1).percentile).all()  # no draw is made


def test_what_an_earlier_version_judged_says_that_its_percentiles_are_uncertain(run: Run, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run.path, old)
    save_file(load_file(old / "scores.safetensors"), old / "scores.safetensors")  # without how they were computed
    forget_sums(old)
    scores = Run.load(old).score(X[:5])
    assert np.isfinite(scores.percentile).all()
    assert "The percentiles are uncertain" in scores.notes[0] and ".resume(steps=1)" in scores.notes[0]


def test_weights_that_the_reference_was_not_scored_by_give_no_percentile(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.path, other)
    weights = load_file(other / "weights.safetensors")
    save_file({name: 1.01 * value for name, value in weights.items()}, other / "weights.safetensors")
    scores = Run.load(other).score(X[:5])
    assert np.isnan(scores.percentile).all() and "not scored by the model of now" in scores.notes[0]


@pytest.mark.parametrize(("rows", "said"), [(10, "1 validation example:"), (60, "6 validation examples:")])
def test_ranks_among_a_handful_say_so(rows: int, said: str, tmp_path: Path) -> None:
    few = fitted(X[:rows], tmp_path / "run", **SMALL | {"steps": 3})
    scores = few.score(X[100:104], oddity=True)
    assert any(said in note for note in scores.notes)
    assert np.isfinite(scores.percentile).all()
    assert np.isfinite(scores.oddity).all()  # its units are those of all known rows of the table


def test_each_row_has_the_pareto_shape_of_its_own_weights(tmp_path: Path) -> None:
    many = fitted(X, tmp_path / "run", **SMALL, evaluation__num_samples=100)
    new = X[:20].copy()
    new[7] *= -30.0
    scores = many.score(new)
    batch = given_as(many.store, new[7:8])[0].batch(torch.arange(1))
    with torch.no_grad(), keyed("evaluate", 0, 0):
        terms = Model.infer(many.model, batch, 100)
    assert scores.khat is not None and scores.khat[7] == pytest.approx(
        float(pareto_k(terms.log_w.double())[0]), abs=1e-3
    )
    assert scores.khat[7] > 0.7 and np.median(scores.khat) < scores.khat[7]
    np.save(tmp_path / "new.npy", new)
    assert main(["score", str(many.path), str(tmp_path / "new.npy"), "-o", str(tmp_path / "s.csv")]) == 0
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", "log_px", "stderr", "percentile", "khat"]
    assert float(rows[7]["khat"]) == scores.khat[7]


def test_where_no_draws_are_weighed_there_is_no_pareto_shape(run: Run, tmp_path: Path) -> None:
    exact = fitted(X, tmp_path / "run", model="linear_gaussian", latent=2, steps=5)
    assert exact.score(X[:5]).khat is None and run.score(X[:5]).khat is None  # closed form; ten draws are too few
