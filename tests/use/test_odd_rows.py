"""The odd row is what a person looks for: it gets its own lowest rank, and the other rows their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unveil
from quick import QUICK
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(120, 3))
FEW = RNG.integers(0, 6, (120, 4))
COUNTS = RNG.poisson(400, (120, 4))


def fitted(x: Any, folder: Path, **options: Any) -> unveil.Run:
    return unveil.fit(x, steps=10, out=folder / "run", show=False, options=QUICK | options)


def with_odd(x: Any, value: float) -> Any:
    odd = x[:5].astype(np.result_type(x, type(value)))
    odd[3, 1] = value
    return odd


@pytest.mark.parametrize("value", [1e6, 1e12, 1e25, 1e38, -1e30])
def test_an_absurd_number_is_the_least_likely_and_no_other_row_suffers(value: float, tmp_path: Path) -> None:
    run = fitted(REAL, tmp_path)
    scores, plain = run.score(with_odd(REAL, value)), run.score(REAL[:5])
    assert scores.log_px.argmin() == 3 and scores.percentile[3] == 0
    np.testing.assert_array_equal(np.delete(scores.log_px, 3), np.delete(plain.log_px, 3))
    assert not np.isnan(scores.log_px).any()
    assert np.isfinite(np.asarray(run.encode(with_odd(REAL, value)))).all()


def test_what_cannot_be_computed_is_said(tmp_path: Path) -> None:
    scores = fitted(REAL, tmp_path).score(with_odd(REAL, 1e30))
    assert np.isneginf(scores.log_px[3]) and np.isnan(scores.stderr[3])
    assert any("rows (3) lie so far from all of training" in note for note in scores.notes)


@pytest.mark.parametrize(("x", "value"), [(FEW, 9), (FEW, -1), (FEW, 2.5), (COUNTS, -3)], ids=str)
def test_a_value_that_cannot_be_has_probability_0(x: Any, value: float, tmp_path: Path) -> None:
    run = fitted(x, tmp_path)
    scores = run.score(with_odd(x, value))
    assert np.isneginf(scores.log_px[3]) and scores.stderr[3] == 0 and scores.percentile[3] == 0
    assert np.isfinite(np.delete(scores.log_px, 3)).all()
    assert any(f"the first {value:g} in row 3, column 1" in note for note in scores.notes)
    assert any("nearest value inside" in note for note in run.encode(with_odd(x, value)).notes)


def test_a_row_with_one_is_filled_and_the_odd_value_stays(tmp_path: Path) -> None:
    x = pd.DataFrame(FEW, columns=list("abcd")).astype("Int64")
    run = fitted(x, tmp_path, **{"data.domain": "levels"})
    new = x.head(5).copy()
    new.loc[3, "b"], new.loc[3, "c"] = 99, pd.NA
    with pytest.warns(UserWarning, match="column 'b'"):
        full = run.impute(new)
    assert full.loc[3, "b"] == 99 and 0 <= full.loc[3, "c"] <= 5


def test_x_of_another_kind_is_refused_whole(tmp_path: Path) -> None:
    run = fitted(FEW, tmp_path)
    with pytest.raises(RequestError, match="outside this run's domain"):
        run.score(FEW[:5] + 100)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint8])
def test_whole_numbers_leave_room_above_the_largest_of_training(dtype: Any, tmp_path: Path) -> None:
    x = RNG.integers(0, 140, (120, 4)).astype(dtype)
    run = fitted(x, tmp_path, **{"data.domain": "levels"})
    scores = run.score(with_odd(x, dtype(146)))
    assert run.data.domain.levels == 256 and np.isfinite(scores.log_px).all()
