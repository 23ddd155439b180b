"""Columns that a quick look takes for something else: years of two digits, zeros in front, numbers too large."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from unveil.data import load

ROWS = 60


def written(path: Path, **columns: list[Any]) -> str:
    """A file of text with these columns."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def measures() -> list[float]:
    return np.random.default_rng(0).normal(size=ROWS).round(3).tolist()


def column(data: Any, name: str) -> Any:
    return next(column for column in data.table.columns if column.name == name)


def test_years_of_two_digits_are_no_later_than_the_present(tmp_path: Path) -> None:
    born = [f"{1 + i % 28:02d}.03.{50 + i % 50:02d}" for i in range(ROWS - 1)] + ["01.01.00"]
    data = load(written(tmp_path / "t.csv", born=born, m=measures()))
    years = column(data, "born").values(data.train.x[:, 0].numpy()).astype("datetime64[Y]").astype(int) + 1970
    assert years.min() >= 1950 and years.max() <= 2000
    now = datetime.now().year
    assert any(f"years of two digits: they are taken as {now - 99} to {now}" in note for note in data.notes)
    assert column(data, "born").texts(data.train.x[:, 0].numpy())[0] in born
