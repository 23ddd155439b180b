"""Values far from all others of their column are not observed, and said; long tails and units are left alone."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unveil
from asnumbers import load
from quick import QUICK
from unveil.data.stray import stray

RNG = np.random.default_rng(0)
USUAL = RNG.normal(size=(300, 3))


def planted(value: float, rows: list[int], column: int = 1) -> Any:
    x = USUAL.copy()
    x[rows, column] = value
    return x


@pytest.mark.parametrize("value", [1e4, -9999.0, 1e9, 1e20, 1e30, -1e38])
@pytest.mark.parametrize("rows", [[7], [7, 11, 90]])
def test_a_fill_value_is_not_observed(value: float, rows: list[int]) -> None:
    found = stray(planted(value, rows), None)
    assert np.argwhere(found).tolist() == [[row, 1] for row in rows]


def test_a_fill_value_may_fill_much_of_a_column_and_other_values_may_not() -> None:
    rows = list(range(60))
    assert stray(planted(-99999.0, rows), None).sum() == 60
    x = USUAL.copy()
    x[:60, 1] = 1e6 * (1 + RNG.random(60))
    assert not stray(x, None).any()


@pytest.mark.parametrize(
    "column",
    [
        np.exp(3 * RNG.normal(size=20_000)),
        RNG.standard_cauchy(20_000),
        np.where(RNG.random(5000) < 0.8, 0.0, RNG.gamma(0.5, 1e5, 5000)),
        (RNG.random(5000) < 0.002).astype(float),
        1e30 * RNG.normal(size=500),
        1e-19 * RNG.normal(size=500),
        np.r_[RNG.normal(size=250), 1e6 + RNG.normal(size=250)],
        np.zeros(500),
    ],
    ids=["lognormal", "cauchy", "zeros and amounts", "indicator", "1e30", "1e-19", "two groups", "constant"],
)
def test_what_a_column_may_well_hold_is_left_alone(column: Any) -> None:
    assert not stray(column[:, None], None).any()


def test_gaps_stay_gaps_and_pictures_are_one_column() -> None:
    x = planted(1e20, [7]).reshape(300, 3)
    observed = np.ones(x.shape, bool)
    observed[7, 1] = False
    assert not stray(x, observed).any()
    maps = RNG.normal(size=(40, 5, 5))
    maps[3, 2, 2] = 1e20
    assert np.argwhere(stray(maps, None)).tolist() == [[3, 2, 2]]


def test_it_is_said_by_column_and_row() -> None:
    data = load(pd.DataFrame(planted(1e20, [7, 9]), columns=["a", "b", "c"]))
    said = next(note for note in data.notes if note.startswith("Far from all other values"))
    assert "1e+20 in column 'b', row 7 (2 values such as this)" in said
    whole = [data.train.observed, data.valid.observed, data.test.observed]
    assert sum(int((~o).sum()) for o in whole if o is not None) == 2


def test_a_fit_with_one_is_the_fit_without(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run = unveil.fit(planted(1e9, [7]), steps=30, out=tmp_path / "run", show=False, options=QUICK)
    assert abs(run.result["log_px"] - 3 * -0.5 * (math.log(2 * math.pi) + 1)) < 0.6


UNITS: dict[str, Any] = {"steps": 30, "show": False, "options": QUICK, "model__width": 16}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> unveil.Run:
    return unveil.fit(USUAL, out=tmp_path_factory.mktemp("usual") / "run", **UNITS)


@pytest.mark.parametrize("unit", [1e-19, 1e-12, 1e12, 1e30])
def test_log_px_in_other_units_is_less_by_their_logarithm(unit: float, usual: unveil.Run, tmp_path: Path) -> None:
    """No square leaves float32 on the way."""
    x = USUAL.copy()
    x[:, 0] *= unit
    other = unveil.fit(x, out=tmp_path / "other", **UNITS)
    assert other.result["log_px"] == pytest.approx(usual.result["log_px"] - math.log(unit), abs=0.01)
    assert np.isfinite(other.sample(5)).all()
    assert np.abs(other.sample(200)[:, 0]).max() < 10 * unit
