"""Many levels: a column of them is a category whose rarest share a number; new ones are counted in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quick import fitted
from unveil.api import Run
from unveil.data import load

RNG = np.random.default_rng(2)
NAMES = [f"L{i}" for i in range(1000)]
QUICK: dict[str, Any] = {"model": "vae", "model__width": 8, "latent": 2, "steps": 2}


def frame(levels: Any) -> pd.DataFrame:
    return pd.DataFrame({"l": levels, "v": RNG.normal(size=len(levels)).round(2)})


@pytest.mark.parametrize("levels", [RNG.permutation(NAMES * 2), RNG.choice(NAMES, 2000)], ids=["twice", "by chance"])
def test_a_thousand_levels_in_two_thousand_rows_are_a_category(levels: Any, tmp_path: Path) -> None:
    frame(levels).to_csv(tmp_path / "t.csv", index=False)
    data = load(tmp_path / "t.csv")
    assert data.table is not None and [c.kind for c in data.table.columns] == ["category", "decimal"]
    (note,) = [note for note in data.notes if "rarest" in note]
    assert "Column 'l' is taken as category" in note and "share one number" in note


@pytest.mark.parametrize("name", ["L{}", "ID{}", "pat{}"])
def test_names_of_rows_that_end_in_digits_are_left_out(name: str) -> None:
    data = load(frame([name.format(i) for i in RNG.permutation(300)]))
    assert data.table is not None and data.table.left_out == {"l": "each row has a text of its own"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(frame(RNG.choice(NAMES[:40], 300)), tmp_path_factory.mktemp("levels") / "run", **QUICK)


def test_three_unknown_levels_are_listed_and_the_others_counted(run: Run) -> None:
    came = frame([*NAMES[:20], *(f"M{i:02}" for i in range(15))])
    with pytest.warns(UserWarning, match="had none of") as told:
        run.encode(came)
    said = [str(warning.message) for warning in told]
    assert said == [
        "Levels came that training had none of ('l': 'M00', 'M01', 'M02' and 12 more): they are taken as missing."
    ]


def test_a_column_of_which_no_level_is_known_may_be_another(run: Run) -> None:
    with pytest.warns(UserWarning) as told:
        run.encode(frame([f"M{i:02}" for i in range(15)]))
    assert str(told[1].message) == (
        "No value of 'l' is known to the run, so the column tells nothing. It may be another column than the one of "
        "that name in training."
    )


def test_unknown_levels_of_an_array_are_said_as_those_of_a_frame(tmp_path: Path) -> None:
    x = np.c_[RNG.integers(0, 4, 200), RNG.normal(size=200).round(2)]
    run = fitted(x, tmp_path / "run", **QUICK, data__domain="mixed", data__kinds="0=category")
    told = run.encode(np.r_[x, [[7, 0.5]]]).notes
    assert "Levels came that training had none of ('0': '7'): they are taken as missing." in told
