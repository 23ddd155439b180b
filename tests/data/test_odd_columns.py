"""Columns that a quick look takes for something else: years of two digits, zeros in front, numbers too large."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unveil.data import load
from unveil.data.tablefiles import read_table
from unveil.errors import RequestError

ROWS = 60


def written(path: Path, **columns: list[Any]) -> str:
    """A file of text with these columns."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def measures() -> list[float]:
    return np.random.default_rng(0).normal(size=ROWS).round(3).tolist()


def loaded(source: Any, **options: Any) -> Any:
    return load(source, **options)


def column(data: Any, name: str) -> Any:
    return next(column for column in data.table.columns if column.name == name)


def test_years_of_two_digits_are_no_later_than_the_present(tmp_path: Path) -> None:
    born = [f"{1 + i % 28:02d}.03.{50 + i % 50:02d}" for i in range(ROWS - 1)] + ["01.01.00"]
    data = loaded(written(tmp_path / "t.csv", born=born, m=measures()))
    years = column(data, "born").values(data.train.x[:, 0].numpy()).astype("datetime64[Y]").astype(int) + 1970
    assert years.min() >= 1950 and years.max() <= 2000
    now = datetime.now().year
    assert any(f"years of two digits: they are taken as {now - 99} to {now}" in note for note in data.notes)
    assert column(data, "born").texts(data.train.x[:, 0].numpy())[0] in born


def test_digits_with_zeros_in_front_are_text(tmp_path: Path) -> None:
    codes = [f"{[1067, 1069, 10115][i % 3]:05d}" for i in range(ROWS)]
    phones = [f"0462{i * 7919:06d}" for i in range(ROWS)]
    path = written(tmp_path / "t.csv", zip=codes, phone=phones, num=[i % 2 * 0.5 for i in range(ROWS)], m=measures())
    data = loaded(path)
    found = column(data, "zip")
    assert found.kind == "category" and set(found.levels) == {"01067", "01069", "10115"}
    assert "digits with zeros in front" in found.why and column(data, "num").is_number
    assert "digits with zeros in front" in data.table.left_out["phone"]
    asked = loaded(path, kinds="zip=category,phone=whole")
    assert set(column(asked, "zip").levels) == set(found.levels) and column(asked, "phone").kind == "whole"
    assert column(loaded(pd.read_csv(path, dtype={"zip": str})), "zip").levels == found.levels


def test_names_of_columns_that_begin_with_zero_make_no_text(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"a": list("xy") * 30, "01": [i % 7 for i in range(ROWS)]}
    data = loaded(written(tmp_path / "t.csv", **columns))
    assert column(data, "01").is_number


def odd_frame() -> pd.DataFrame:
    start = pd.Period("2020-01", "M")
    return pd.DataFrame(
        {
            "empty": [None] * ROWS,
            "month, of": [start + i % 3 for i in range(ROWS)],
            "took": [pd.Timedelta(hours=i % 3) for i in range(ROWS)],
            "m": measures(),
        }
    )


def test_what_is_left_out_can_be_taken_as_the_note_says(tmp_path: Path) -> None:
    data = loaded(odd_frame())
    note = next(note for note in data.notes if "left out" in note)
    assert "'data.kinds=\"month, of=category\"' takes" in note
    asked = loaded(odd_frame(), kinds='"month, of=category",took=category')
    assert column(asked, "month, of").levels == ("2020-01", "2020-02", "2020-03") and column(asked, "took").levels
    file = written(tmp_path / "t.csv", at=[f"{8 + i % 3:02d}:30:00" for i in range(ROWS)], m=measures())
    assert "data.kinds=at=category takes it all the same" in " ".join(loaded(file).notes)
    assert set(column(loaded(file, kinds="at=category"), "at").levels) == {"08:30:00", "09:30:00", "10:30:00"}
    nothing = loaded(odd_frame()[["empty", "m"]], domain="mixed")
    assert "left out" in " ".join(nothing.notes) and "all the same" not in " ".join(nothing.notes)


def test_inf_can_be_missing(tmp_path: Path) -> None:
    file = written(tmp_path / "t.csv", a=["inf", "-inf", *measures()[2:]], b=[i % 3 for i in range(ROWS)])
    with pytest.raises(RequestError, match=r"data\.na_values=inf,-inf takes them as missing"):
        loaded(file)
    for options in ({}, {"domain": "real"}):
        data = loaded(file, na_values="inf,-inf", **options)
        parts = [part.observed for part in (data.train, data.valid, data.test) if part.observed is not None]
        assert sum(int((~seen).sum()) for seen in parts) == 2
    with pytest.raises(RequestError, match=r"data\.na_values=inf,-inf takes"):
        loaded(file, domain="real")


def test_numbers_beyond_float32_are_refused_with_what_to_do() -> None:
    frame = pd.DataFrame({"a": np.logspace(-300, 300, ROWS), "b": [i % 3 for i in range(ROWS)]})
    with pytest.raises(RequestError, match=r"'a' of the table holds .*e\+2.*data.kinds=a=drop"):
        loaded(frame)
    assert loaded(frame, kinds="a=drop").table.names == ("b",)


def test_whole_numbers_that_are_too_large_to_be_told_apart_are_left_out() -> None:
    large = np.random.default_rng(0).integers(2**63, 2**64, ROWS, dtype=np.uint64)
    frame = pd.DataFrame({"a": large, "b": [i % 3 for i in range(ROWS)], "ns": 2**60 + np.arange(ROWS) % 7})
    data = loaded(frame)
    assert data.table.left_out["a"] == "its whole numbers are too large to be told apart"
    assert column(data, "ns").values(np.arange(-3.0, 4.0)).tolist() == (2**60 + np.arange(7)).tolist()
    with pytest.raises(RequestError, match="takes a as whole, and its whole numbers are too large to be told apart"):
        loaded(frame, kinds="a=whole")
    assert set(column(loaded(frame, kinds="a=category"), "a").levels) == {str(int(v)) for v in large}


@pytest.mark.parametrize("is_file", [True, False])
def test_a_word_for_missing_is_a_level_of_a_category_that_was_asked_for(tmp_path: Path, is_file: bool) -> None:
    lands = [["NA", "ZA", "BW", ""][i % 4] for i in range(ROWS)]
    held = [i % 3 if i % 5 else "NA" for i in range(ROWS)]
    path = written(tmp_path / "t.csv", land=lands, rooms=held, m=measures())
    source = path if is_file else pd.DataFrame({"land": lands, "m": measures()})
    assert set(column(loaded(source), "land").levels) == {"ZA", "BW"}
    data = loaded(source, kinds="land=category" + ",rooms=category" * is_file)
    found = column(data, "land")
    assert set(found.levels) == {"NA", "ZA", "BW"} and found.missing == pytest.approx(0.25)
    note = "Column 'land' holds 'NA' in 15 rows, taken as a level; data.na_values=NA takes it as missing"
    assert note in " ".join(data.notes)
    assert set(column(loaded(source, kinds="land=category", na_values="NA"), "land").levels) == {"ZA", "BW"}
    if is_file:
        assert set(column(data, "rooms").levels) == {"0", "1", "2"}
        again = read_table(tmp_path / "t.csv", columns=data.table.names, table=data.table)
        assert again.observed is not None and again.observed[:, 0].mean() == pytest.approx(0.75)
