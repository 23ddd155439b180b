"""Rows with gaps are ranked among validation examples of which the same columns are taken."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from quick import fitted
from unveil.api import Run
from unveil.use import masks

RNG = np.random.default_rng(0)
X = (RNG.random((400, 5)) < RNG.random((400, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("masks")
    np.save(folder / "x.npy", X)
    return fitted(str(folder / "x.npy"), folder / "run", model="mixture", steps=10)


def hidden(x: np.ndarray, *columns: int) -> np.ma.MaskedArray:
    found = np.ma.masked_array(x, mask=np.zeros(x.shape, bool))
    found.mask[:, list(columns)] = True
    return found


@pytest.mark.parametrize("columns", [(0,), (1, 3)])
def test_both_are_log_p_of_the_same_columns(run: Run, columns: tuple[int, ...]) -> None:
    scores = run.score(hidden(X[:20], *columns))
    among = run.score(hidden(run.data.valid.x.numpy(), *columns)).log_px
    np.testing.assert_allclose(scores.percentile, 100 * (scores.log_px[:, None] > among + 1e-4).mean(1), atol=3)
    whole = run.score(run.data.valid.x.numpy()).log_px  # of more columns, and so lower
    assert (scores.percentile < 100 * (scores.log_px[:, None] > whole).mean(1) - 5).any()
    assert any("20 of 20 rows have gaps, in 1 pattern: each is ranked among" in note for note in scores.notes)


def test_a_percentile_is_that_of_the_row_whatever_stands_beside_it(run: Run) -> None:
    both = np.ma.concatenate([hidden(X[:3], 0), hidden(X[3:6], 2), hidden(X[6:9])])
    together = run.score(both).percentile
    alone = np.concatenate([run.score(both[first : first + 3]).percentile for first in (0, 3, 6)])
    np.testing.assert_array_equal(together, alone)
    assert np.isfinite(together).all()


def test_a_rare_pattern_is_ranked_by_the_columns_of_a_frequent_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "SCORED", 2 * masks.LEAST)  # two masks
    rows = np.ma.concatenate([hidden(X[:3], 0, 1), hidden(X[3:5], 0, 4), hidden(X[5:6], 4), hidden(X[6:7], 1, 2, 3)])
    scores = run.score(rows)
    fewer = run.score(hidden(X[5:6], 0, 4))  # the columns 1, 2 and 3: within what is observed of row 5
    assert scores.percentile[5] == fewer.percentile[0] and scores.log_px[5] < fewer.log_px[0]
    assert np.isnan(scores.percentile[6])  # the columns 0 and 4 hold neither mask
    (note,) = (note for note in scores.notes if "have gaps" in note)
    assert "1 of a rare pattern are ranked by fewer of their columns." in note and "1 have no percentile" in note


def test_validation_examples_with_gaps_stand_for_what_is_observed_of_them(tmp_path: Path) -> None:
    x = np.ma.masked_array(X, mask=np.zeros(X.shape, bool))
    x.mask[::4, 0] = True  # a quarter of the rows, and of the validation examples
    run = fitted(x, tmp_path / "run", model="mixture", steps=5)
    valid = run.data.valid
    assert valid.observed is not None
    scores = run.score(hidden(X[:9], 1))
    known = valid.observed[:, 0].numpy()
    among = run.score(hidden(valid.x.numpy()[known], 1)).log_px
    np.testing.assert_allclose(scores.percentile, 100 * (scores.log_px[:, None] > among + 1e-4).mean(1), atol=4)


def test_where_few_can_be_compared_or_the_data_is_gone_there_is_none(run: Run, tmp_path: Path) -> None:
    few = fitted(X[:60], tmp_path / "few", model="mixture", steps=3)
    scores = few.score(hidden(X[:4], 1))
    assert np.isnan(scores.percentile).all() and any("4 have no percentile: fewer than 20" in n for n in scores.notes)
    shutil.copytree(run.path.parent, tmp_path / "moved")
    other = tmp_path / "moved" / "run"
    text = (other / "config.json").read_text(encoding="utf-8").replace(str(run.path.parent), str(tmp_path / "gone"))
    (other / "config.json").write_text(text, encoding="utf-8")
    gone = Run.load(other).score(hidden(X[:4], 1))
    assert np.isnan(gone.percentile).all() and any("which takes the data of the run." in note for note in gone.notes)


def test_gaps_everywhere_leave_every_row_a_percentile(tmp_path: Path) -> None:
    """Of 12 columns with a third of gaps hardly a validation example holds what another does."""
    rng = np.random.default_rng(1)
    x = rng.integers(3, size=(300, 12)).astype(float)
    x[rng.random(x.shape) < 0.33] = np.nan
    options = {"data__domain": "mixed"}
    run = fitted(x, tmp_path / "run", **options, model="any_order", model__width=8, model__depth=1, steps=5)
    percentile = run.score(x[:30]).percentile
    assert np.isfinite(percentile).all() and 25 < percentile.mean() < 75
