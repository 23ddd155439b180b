"""The report shows the pairs of columns that go together, not the first ones."""

from pathlib import Path

import numpy as np
import pandas as pd

import unveil
from quick import QUICK


def test_pairs_that_go_together_are_shown(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    a, b, c, d = draws.normal(size=(4, 200)).round(2)
    frame = pd.DataFrame(
        {"a": a, "b": b, "yes": draws.integers(0, 2, 200), "c": c, "d": d, "a again": -(a**3).round(2)}
    )
    run = unveil.fit(frame, out=tmp_path / "run", model="vae", steps=1, options=QUICK, show=False)
    html = run.report().read_text(encoding="utf-8")
    assert "pair_0_5" in html and "pair_0_1" not in html


def test_pairs_may_be_of_columns_beyond_those_that_are_shown_by_themselves(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": draws.normal(size=200).round(2) for i in range(14)})
    frame["last"] = (2 * frame["c12"]).round(2)
    run = unveil.fit(frame, out=tmp_path / "run", model="vae", steps=1, options=QUICK, show=False)
    assert "pair_12_14" in run.report().read_text(encoding="utf-8")
