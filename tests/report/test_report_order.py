"""A test set that is sorted: what a report and a limit show of it comes from all over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.report.explorer.scene import chosen
from unveil.report.sections import groups
from unveil.report.sections.columns import HELD_OUT, pair
from unveil.report.subject import Subject

N, D = 25_000, 3
X = np.sort(np.random.default_rng(0).normal(size=N))[:, None] + np.zeros(D)
X = (X + 0.1 * np.random.default_rng(1).normal(size=(N, D))).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(X, tmp_path_factory.mktemp("sorted") / "run", latent=2, model__width=16, steps=100)


def test_columns_show_the_whole_range_and_how_many(run: Run) -> None:
    subject = Subject.of(run.store)
    test = subject.test.x.numpy()
    assert len(test) > HELD_OUT
    for shown in (subject.held_out(), run.reconstruct(num_examples=200)[0], chosen(subject)[0].x.numpy()):
        assert abs(shown[:, 0].mean() - test[:, 0].mean()) < 0.1 and abs(shown[:, 0].std() - test[:, 0].std()) < 0.1
    cloud = pair(subject.held_out()[:, :2], subject.held_out()[:, :2], ("a", "b"))["data"][1]["x"]
    assert abs(np.mean(cloud) - test[:, 0].mean()) < 0.1
    assert f"Grey bars are {HELD_OUT:,} of the {len(test):,} test examples." in groups(subject)["columns"].words


def test_a_limit_is_spread_over_the_split_and_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    whole = run.evaluate(estimator="elbo")
    part = run.evaluate(estimator="elbo", limit=500)
    assert abs(part["log_px"] - whole["log_px"]) < 4 * part["stderr"]
    assert part["num_examples"] == 500 and part["drawn_from"] == whole["num_examples"] == len(run.data.test)
    assert part["log_px"] != run.evaluate(estimator="elbo", limit=500, seed=1)["log_px"]
    assert main(["evaluate", str(run.path), "--limit", "500", "--estimator", "elbo", "--data", _saved(run.path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"({len(run.data.test):,} in all; these were drawn with seed 0)." in printed


def _saved(folder: Path) -> str:
    np.save(folder.parent / "x.npy", X)
    return str(folder.parent / "x.npy")
