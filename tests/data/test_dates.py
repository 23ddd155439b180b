"""Dates in columns: how they are written, the zone that they are in, and those that stand for none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from quick import fitted
from unveil.api import Run
from unveil.data import load
from unveil.data.columns import Column

RNG = np.random.default_rng(0)
N = 60
OTHER = RNG.normal(size=N)
DAYS = pd.Series(pd.Timestamp("2023-06-01") + pd.to_timedelta(RNG.integers(0, 400, N), unit="D"))
WHOLE = DAYS.dt.strftime("%Y%m%d").astype("int64")


def read(values: Any, **options: Any) -> tuple[Column, tuple[str, ...]]:
    """What a column beside a measured one is taken for, and what is said."""
    data = load(pd.DataFrame({"when": values, "other": OTHER}), **options)
    assert data.table is not None
    return next(found for found in data.table.columns if found.name == "when"), data.notes


def quick(frame: Any, out: Path, **options: Any) -> Run:
    return fitted(frame, out, model="any_order", steps=2, model__width=8, model__depth=1, **options)


def types(frame: Any) -> dict[str, Any]:
    """The types of the columns, as the library has them."""
    return (
        dict(zip(frame.schema.names, frame.schema.types, strict=True))
        if isinstance(frame, pa.Table)
        else dict(frame.dtypes if isinstance(frame, pd.DataFrame) else frame.schema)
    )


def with_gap(values: list[Any]) -> list[Any]:
    return [None if i == 3 else value for i, value in enumerate(values)]


@pytest.mark.parametrize(
    "values",
    [WHOLE, WHOLE.astype("Int32"), WHOLE.astype(float), WHOLE.astype(str), WHOLE.astype(object)],
    ids=["int64", "Int32", "float64", "text", "objects"],
)
def test_whole_numbers_that_are_days_are_dates(values: Any) -> None:
    found, notes = read(values)
    assert found.kind == "date" and "YYYYMMDD" in found.why and found.unit == "D"
    said = next(note for note in notes if "YYYYMMDD" in note)
    other = said.rpartition("data.kinds=")[2].partition(" takes")[0]
    assert read(values, kinds=other)[0].kind == "whole" and read(values, kinds="when=date")[0].kind == "date"


def test_whole_numbers_that_are_no_days_stay_such() -> None:
    for values in (RNG.integers(10**7, 10**8, N), [20240101, 20240102] * (N // 2), WHOLE + 10**8):
        assert read(values)[0].kind == "whole"


def test_numbers_among_days_that_stand_for_none_are_missing_and_said() -> None:
    found, notes = read(WHOLE.where(WHOLE.index != 5, 0))
    assert found.gaps == ("0",) and any("0 in 1 row: taken as missing" in note for note in notes)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"when": pd.array(with_gap(WHOLE.tolist()), "Int64"), "other": OTHER}),
        pd.DataFrame({"when": WHOLE.astype(float).where(WHOLE.index != 3), "other": OTHER}),
        pl.DataFrame({"when": with_gap(WHOLE.tolist()), "other": OTHER}),
        pa.table({"when": pa.array(with_gap(WHOLE.tolist()), pa.int32()), "other": OTHER}),
    ],
    ids=["Int64", "float64", "polars", "pyarrow"],
)
def test_days_in_whole_numbers_are_written_as_they_came(frame: Any, tmp_path: Path) -> None:
    run = quick(frame, tmp_path / "run")
    for new in (run.sample(9), run.impute(frame)):
        assert type(new) is type(frame) and types(new)["when"] == types(frame)["when"]
        values = new["when"].to_pylist() if isinstance(new, pa.Table) else new["when"].to_list()
        assert len(pd.to_datetime([str(int(value)) for value in values], format="%Y%m%d")) == len(values)


def test_days_in_whole_numbers_of_a_file_are_written_as_they_stand_there(tmp_path: Path) -> None:
    rows = [f"{'' if i == 3 else day},{OTHER[i]:.4f}" for i, day in enumerate(WHOLE)]
    (tmp_path / "t.csv").write_text("\n".join(["when,other", *rows]))
    run = quick(tmp_path / "t.csv", tmp_path / "run")
    full = run.impute(str(tmp_path / "t.csv"))["when"].to_pylist()
    assert all(found == day for i, (found, day) in enumerate(zip(full, WHOLE, strict=True)) if i != 3)
    assert WHOLE.min() <= full[3] <= WHOLE.max()
    where = run.sample(5, where={"when": ">=20240101"})["when"].tolist()
    assert all(20240101 <= day <= WHOLE.max() for day in where)
