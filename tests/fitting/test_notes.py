"""What is decided about somebody's data is said before the first step: on the terminal, or as a Python warning."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unveil
from quick import QUICK
from unveil.data import load
from unveil.fitting.prepare import prepare

RNG = np.random.default_rng(0)
WHOLE = np.column_stack([RNG.integers(0, 3, 60), RNG.normal(size=60)])
LABELS = {"model__condition": "label"}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "channels first": ({"source": RNG.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)}, "transpose"),
    "divided by 255": ({"source": (RNG.integers(0, 256, (60, 6, 6)) / 255).astype(np.float32)}, "divided by 255"),
    "labels unknown": ({"source": RNG.normal(size=(60, 2)), "y": np.arange(60) % 3 - 1}, "20 of 60 labels"),
    "labels are ids": (
        {"source": RNG.normal(size=(60, 2)), "y": np.arange(60), **LABELS},
        "60 of the 60 classes of the label have one row",
    ),
    "floats of levels": ({"source": RNG.integers(0, 9, (60, 4)).astype(float)}, "data.domain=real takes it as real"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_decision_is_a_warning_where_nothing_is_shown(case: str, tmp_path: Path) -> None:
    options, said = CASES[case]
    with pytest.warns(UserWarning, match=said):
        unveil.fit(**options, steps=2, model__width=8, out=tmp_path / "run", show=False, options=QUICK)


@pytest.mark.parametrize("case", CASES)
def test_a_decision_is_a_line_before_the_first_step(case: str, tmp_path: Path, capfd: Any) -> None:
    options, said = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unveil.fit(**options, steps=2, model__width=8, out=tmp_path / "run", show=True, options=QUICK)
    before, _, _ = capfd.readouterr().err.partition("step ")
    assert any(line.startswith("Note") and said in line for line in before.splitlines())


def test_a_fact_is_no_warning(tmp_path: Path) -> None:
    run = unveil.fit(RNG.normal(size=(60, 2)), steps=2, model__width=8, out=tmp_path / "run", show=False, options=QUICK)
    assert run.data.notes == ("x is float64 and not a scale of 0 to 255: real.",)


def test_classes_that_no_training_example_has_are_named(tmp_path: Path) -> None:
    x, y = RNG.normal(size=(80, 2)).astype(np.float32), np.arange(80) % 2
    rows = load(x).test.rows.numpy()
    y[rows[:2]], y[rows[2]] = 7, 8
    for condition, expected in ((LABELS, True), ({}, False)):
        notes = prepare(x, y=y, out=tmp_path / "run", steps=2, options=QUICK, **condition).data.notes
        said = "2 of the classes ('7', '8') are in validation or test, and in no training example: log p(x|label) of"
        assert any(note.startswith(f"{said} these 3 rows") for note in notes) == expected
        assert not any("have one row" in note for note in notes)
