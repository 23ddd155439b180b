"""Gaps that hang on the values: what a run says of them from the command line to imputation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unveil
from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError
from unveil.fitting.prepare import prepare

RNG = np.random.default_rng(0)
N = 1000
SEEN = RNG.normal(size=N)
VALUE = 0.8 * SEEN + 0.6 * RNG.normal(size=N)
GONE = RNG.random(N) < 1 / (1 + np.exp(-4 * (VALUE - 0.5)))
TABLE = pd.DataFrame({
    "seen": SEEN.round(3),
    "kind": np.where(RNG.random(N) < 0.4, "a", "b"),
    "hidden": pd.Series(VALUE.round(3)).where(~GONE),
})  # fmt: skip
INFORMATIVE = {"data__missing": "informative"}
BRIEF: dict[str, Any] = {"model": "table_mixture", "model__num_components": 8, "train__lr": 0.05, "steps": 200}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gaps")
    TABLE.to_csv(path / "t.csv", index=False)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return fitted(str(folder / "t.csv"), folder / "run", baselines=True, **BRIEF, **INFORMATIVE)


def bias(run: Run, **how: Any) -> float:
    return float((run.impute(TABLE, **how)["hidden"].to_numpy() - VALUE)[GONE].mean())


def test_imputation_knows_that_large_values_are_missing(run: Run, folder: Path) -> None:
    """A third is missing, mostly above 0.5, and lies at 0.93 on average."""
    ignored = fitted(str(folder / "t.csv"), folder / "ignored", **BRIEF)
    assert bias(ignored, mean=True) < -0.6 and bias(ignored) < -0.6
    assert abs(bias(run, mean=True)) < 0.2 and abs(bias(run)) < 0.2
    with pytest.raises(RequestError, match=r"models which cells are missing and .*ignored leaves that out"):
        unveil.compare([run, ignored])
    observed = run.impute(TABLE, mean=True)["hidden"].to_numpy()[~GONE]
    np.testing.assert_array_equal(observed, TABLE["hidden"].to_numpy()[~GONE])


def test_a_loaded_run_scores_rows_to_the_same_numbers(run: Run, folder: Path) -> None:
    loaded = Run.load(folder / "run")
    assert loaded.domain == run.domain and [c.may_be_missing for c in run.domain.columns or ()] == [False, False, True]
    first, second = run.score(TABLE.head(100)), loaded.score(str(folder / "t.csv"))
    np.testing.assert_allclose(first["log_px"], second.log_px[:100], rtol=1e-5)
    valid = run.score(TABLE.iloc[run.data.valid.rows.numpy()])["log_px"]
    np.testing.assert_allclose(valid, run.store.scores("valid"), rtol=1e-4)


def test_rows_with_gaps_are_ranked_with_all_others(run: Run, folder: Path) -> None:
    scores, valid = run.score(TABLE), np.sort(run.store.scores("valid"))
    expected = 100 * np.searchsorted(valid, scores["log_px"] - 1e-5) / len(valid)
    np.testing.assert_allclose(scores["percentile"], expected, atol=2)
    assert any("log p(x, mask)" in note for note in run.score(str(folder / "t.csv")).notes)
    new = run.score(TABLE.head(4).assign(seen=[np.nan, 0.1, 0.2, 0.3]))
    assert np.isnan(new["percentile"]).tolist() == [True, False, False, False]  # training had no such gap
    nothing = run.score(TABLE.head(1).assign(seen=np.nan, kind=None, hidden=np.nan))["log_px"]
    assert float(nothing.iloc[0]) == pytest.approx(np.log(GONE.mean()), abs=0.2)


def test_the_result_says_what_it_is_of_and_so_does_the_baseline(run: Run) -> None:
    assert run.result["sentences"][0].startswith("log p(x, mask) is exactly ")
    assert run.result["gaps"] == "informative" and run.result["observed"] == 1
    assert any(
        note.startswith("Missingness is modelled: log p is that of the row and of") for note in run.store.config.notes
    )
    (alone,) = run.result["baselines"]
    assert 0 < run.result["log_px"] - alone["log_px"] < 1.5  # in one quantity: a mask more or less would be 0.6


def test_what_hides_cells_is_refused(run: Run) -> None:
    with pytest.raises(RequestError, match="hidden column counts as missing"):
        run.score(TABLE.head(2), explain=True)
    with pytest.raises(RequestError, match="Simulated rows have no gaps"):
        run.evaluate(simulate=10)


def test_conditions_on_samples_hide_nothing(folder: Path) -> None:
    small: dict[str, Any] = {
        "model": "any_order",
        "model__width": 24,
        "model__depth": 1,
        "train__lr": 0.02,
        "steps": 150,
    }
    run = fitted(str(folder / "t.csv"), folder / "any_order", **small, **INFORMATIVE)
    drawn = run.sample(400, where="kind=a")
    hidden = drawn[:, 2] if isinstance(drawn, np.ndarray) else drawn["hidden"].to_numpy()
    whole = run.sample(400)
    beside = whole[:, 2] if isinstance(whole, np.ndarray) else whole["hidden"].to_numpy()
    assert abs(hidden.mean() - beside.mean()) < 0.25  # the draws of what is missing lie 0.9 above
    assert bias(run, mean=True) > -0.5


def test_gaps_are_modelled_of_mixed_tables_with_gaps_alone() -> None:
    whole, numbers = TABLE.drop(columns="hidden"), TABLE[["seen", "hidden"]]
    for source, options, said in (
        (whole, {}, "no training row of this one has a gap; leave it out"),
        (numbers, {"data__domain": "real"}, "x is no table of mixed columns but real; leave it out"),
        (
            np.where(RNG.random((80, 3)) < 0.2, np.nan, RNG.normal(size=(80, 3))),
            {},
            "no table of mixed columns but real",
        ),
    ):
        with pytest.raises(RequestError, match=said):
            prepare(source, **INFORMATIVE, **options)
    with pytest.raises(RequestError, match=r"it takes ignored or informative.*told by data.na_values=-999"):
        unveil.load_data(TABLE, missing="-999")


def test_the_command_line_takes_it(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(folder)
    words = ["fit", "t.csv", "data.missing=informative", "--model", "table_mixture", "--steps", "3", "--dry-run"]
    assert main(words) == 0
    assert (
        "Missingness is modelled: log p is that of the row and of which of its cells are missing"
        in capfd.readouterr().err
    )
    TABLE.drop(columns="hidden").to_csv("whole.csv", index=False)
    assert main(["fit", "whole.csv", "data.missing=informative"]) == 2
    assert "no training row of this one has a gap" in capfd.readouterr().err
    assert main(["fit", "t.csv", "data.missing=-999"]) == 2
    assert "it takes ignored | informative" in capfd.readouterr().err
