"""What columns of frames have in common, whichever library they come from."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unveil.data import tablecolumns
from unveil.data.tablecolumns import listed, narwhals

CELLS = ["up", None, "down", "up", "", "down", "up"]


@pytest.mark.parametrize(
    "make",
    [pd.Series, pl.Series, lambda cells: pa.chunked_array([cells[:3], cells[3:]])],
    ids=["pandas", "polars", "pyarrow"],
)
def test_texts_are_listed_as_they_are_and_each_is_held_once(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tablecolumns, "PIECE", 2)
    found = listed(narwhals().from_native(make(CELLS), series_only=True))
    assert [None if pd.isna(cell) else cell for cell in found] == CELLS
    assert len({id(cell) for cell in found if cell == "up"}) == 1
