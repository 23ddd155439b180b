"""Of a model without latents nothing is asked that latents would have to answer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import unveil
from quick import QUICK
from unveil.output.diagnosis_table import print_diagnosis


def test_a_diagnosis_of_a_model_without_latents_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draws = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draws.integers(0, 9, 60), "b": draws.choice(["x", "y"], 60)})
    run = unveil.fit(frame, out=tmp_path / "run", model="any_order", steps=1, options=QUICK, show=False)
    found = run.diagnose()
    assert [row["name"] for row in found["bracket"]["rows"]] == ["exact"]
    assert {"gap", "aggregate", "collapse", "structure"} <= set(found["why"])
    print_diagnosis(found, run.path / "report.html")
    assert "gap, aggregate, collapse, structure were left out: any_order has no latents" in capsys.readouterr().out
    page = run.report().read_text(encoding="utf-8")
    assert "This model has no latents" in page and "is computed exactly, so no bound is needed" in page
    assert "an integral over z" not in page and "Is z used?" not in page
