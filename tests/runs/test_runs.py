"""Runs that earlier versions saved are opened by this one, and say the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import unveil
from runs.make import RUNS, says
from unveil.registry import load_all

HERE = Path(__file__).parent
SAVED = sorted(path.parent for path in HERE.glob("*/*/expected.json"))


@pytest.mark.parametrize("path", SAVED, ids=["-".join(path.parts[-2:]) for path in SAVED])
def test_a_saved_run_says_what_it_said(path: Path) -> None:
    expected = json.loads((path / "expected.json").read_text())
    x = np.array(expected.pop("x"), dtype=float)  # what was missing comes back as NaN
    for name, value in says(unveil.Run.load(path), x).items():
        np.testing.assert_allclose(value, expected.pop(name), rtol=1e-4, atol=1e-4, err_msg=name)
    assert not expected


def test_this_version_has_saved_each_of_its_models() -> None:
    here = {path.name for path in SAVED if path.parent.name == unveil.__version__}
    assert here == set(RUNS) and {name.split("-")[0] for name in here} == set(load_all("model"))
