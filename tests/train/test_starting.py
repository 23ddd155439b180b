"""The rows that weights start from: rare values of a table are among them, so that no column is called constant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from quick import QUICK
from unveil.data import load
from unveil.errors import RequestError
from unveil.fitting.prepare import prepare
from unveil.train.starting import STARTING, starting_rows

N = 60_000
RARE = np.zeros(N)
RARE[[5, 17_338, 28_000, 46_671]] = 1
SEEN = np.where(np.isin(np.arange(N), (3, 5000, 20_001, 47_000, 59_999)), np.arange(N) / N, np.nan)


@pytest.mark.filterwarnings("ignore:Column:UserWarning")
@pytest.mark.parametrize("model", ["vae", "linear_gaussian", "mixture"])
@pytest.mark.parametrize("kind", ["rare", "seldom seen"])
def test_a_column_with_a_few_other_values_is_not_called_constant(tmp_path: Path, model: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=N), "flag": RARE if kind == "rare" else SEEN})
    data = load(frame)
    rows = starting_rows(data.train)
    assert STARTING < len(rows) < STARTING + 9
    x, seen = data.train.x[rows, 1], data.train.observed
    seen = torch.ones(len(data.train), dtype=torch.bool) if seen is None else seen[:, 1]
    assert len(x[seen[rows]].unique()) == len(data.train.x[:, 1][seen].unique())
    prepare(frame, steps=5, out=tmp_path / "run", model=model, options=QUICK)


def test_few_rows_are_all_taken_and_a_column_without_a_second_value_is_refused_by_name_as_a_number() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(100, 2)), columns=["a", "b"])
    assert sorted(starting_rows(load(frame).train).tolist()) == list(range(80))
    with pytest.raises(RequestError, match=r"Column 'c' is constant in the training rows.*data\.drop=c"):
        load(frame.assign(c=1.0), domain="real")
