"""The rate–distortion curve: what falls with β, what is marked at its ends, and its picture."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from untouched import contents, trained
from unveil.api import Run
from unveil.errors import RequestError
from unveil.report.sweep import curve, sweep_page, write_sweep
from unveil.trials.sweep import BETAS, HEADS, Sweep, sweep

VALUES = (50.0, 0.01, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    x = load_digits().images[:500].astype(np.uint8)
    sizes = {"model__latent": 4, "model__width": 48, "train__batch_size": 32, "train__lr": 0.003}
    return trained(x, tmp_path_factory.mktemp("sweep") / "run", train__steps=60, **sizes)


@pytest.fixture(scope="module")
def told() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def before(run: Run) -> dict[str, Any]:
    return contents(run.path)


@pytest.fixture(scope="module")
def swept(run: Run, before: dict[str, Any], told: list[tuple[str, int, int]]) -> Sweep:
    """Three β, with the test examples poisoned."""
    return sweep(run.store, values=VALUES, steps=100, progress=lambda *each: told.append(each))


def test_the_rate_falls_with_beta_and_the_ends_are_marked(swept: Sweep) -> None:
    low, one, high = swept.points
    assert [point.beta for point in swept.points] == sorted(VALUES)
    assert low.judged.rate > 2 * one.judged.rate > 20 * high.judged.rate
    assert low.judged.distortion < one.judged.distortion < high.judged.distortion
    assert low.judged.drop > one.judged.drop > high.judged.drop
    assert high.marks == ("collapse",) and "collapse" not in low.marks + one.marks
    assert low.aggregate.auc > one.aggregate.auc > high.aggregate.auc
    assert swept.best is one
    for point in swept.points:
        assert point.judged.elbo == pytest.approx(-point.judged.rate - point.judged.distortion)


def test_nothing_is_left_behind_and_progress_counts_every_step(
    swept: Sweep, run: Run, before: dict[str, Any], told: list[tuple[str, int, int]]
) -> None:
    assert contents(run.path) == before
    assert [made for _, made, _ in told] == list(range(1, 301)) and {total for *_, total in told} == {300}
    assert [told[i][0] for i in (0, 100, 299)] == ["β = 0.01", "β = 1", "β = 50"]


def test_it_says_what_it_found(swept: Sweep, run: Run) -> None:
    said = json.loads(json.dumps(swept.to_json(), allow_nan=False))
    assert said["format"] == "unveil-sweep-1" and said["name"] == "beta" and said["split"] == "valid"
    assert [point["beta"] for point in said["points"]] == sorted(VALUES) and said["before"]["beta"] is None
    assert said["num_examples"] == len(run.data.valid) and said["steps"] == 100 and said["own_steps"] == 60
    assert [row[0] for row in swept.rows()] == ["the run", "0.01", "1", "50"]
    assert {len(row) for row in swept.rows()} == {len(HEADS)}
    assert "The ELBO is highest at β = 1" in swept.lines()[1]
    assert swept.lines()[3].endswith("at β = 50.")


def test_what_cannot_be_swept_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="'gamma'; only beta"):
        sweep(run.store, "gamma", steps=2)
    with pytest.raises(RequestError, match="at least two"):
        sweep(run.store, values=(1.0, 1.0), steps=2)
    with pytest.raises(RequestError, match=r"objective\.beta is -1"):
        sweep(run.store, values=(-1.0, 1.0), steps=2)
    x = np.random.default_rng(0).normal(size=(60, 3))
    closed = trained(x, tmp_path / "run", model="linear_gaussian", model__latent=2, train__steps=2)
    with pytest.raises(RequestError, match="closed form"):
        sweep(closed.store, steps=2)


def test_an_interrupt_leaves_nothing_behind(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    def stop(name: str, made: int, total: int) -> None:
        if made == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = contents(run.path)
    with pytest.raises(KeyboardInterrupt):
        sweep(run.store, steps=2, progress=stop)
    assert contents(run.path) == before and not list(tmp_path.iterdir())


def test_the_page_shows_points_marks_and_the_best_line(swept: Sweep, tmp_path: Path) -> None:
    html = write_sweep(swept, tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert html == sweep_page(swept) and 'data-figure="curve"' in html and "http-equiv" in html
    layout, traces = curve(swept)["layout"], curve(swept)["data"]
    assert [note["text"] for note in layout["annotations"]] == [
        " · ".join([f"β = {point.name}", *point.marks]) for point in swept.points
    ]
    line = next(trace for trace in traces if trace["name"].startswith("rate + distortion"))
    assert [x + y for x, y in zip(line["x"], line["y"], strict=True)] == pytest.approx([-swept.best.judged.elbo] * 2)
    shown = {
        (x, y) for trace in traces if trace["mode"] == "markers" for x, y in zip(trace["x"], trace["y"], strict=True)
    }
    assert len(shown) == 4


def test_points_on_top_of_each_other_share_a_label(swept: Sweep) -> None:
    low, one, high = swept.points
    found = curve(replace(swept, points=(low, one, replace(high, beta=10.0, marks=()), high)))
    assert found["layout"]["annotations"][-1]["text"] == "β = 10<br>β = 50 · collapse"


def test_the_default_betas_reach_both_ends() -> None:
    assert min(BETAS) <= 0.01 and max(BETAS) >= 50 and 1.0 in BETAS and list(BETAS) == sorted(BETAS)
