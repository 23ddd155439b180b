"""The mark before fractions, which the columns of a table tell together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asnumbers import load
from unveil.data import read_new
from unveil.data.reading import read
from unveil.domain import Domain
from unveil.errors import RequestError

HALVES = [f"{i},5" for i in range(40)]
POINTS = [f"{i}.5" for i in range(40)]
GROUPS = [f"{1 + i}.{100 + 7 * i}" if i % 2 else str(900 + i) for i in range(40)]
THOUSANDS = [float(text.replace(".", "")) for text in GROUPS]


def written(folder: Path, columns: dict[str, list[str]], separator: str = ";", name: str = "t.csv") -> Path:
    pd.DataFrame(columns).to_csv(folder / name, sep=separator, index=False)
    return folder / name


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_a_decimal_comma_beside_them_makes_thousands_of_points(tmp_path: Path, separator: str) -> None:
    raw = read(written(tmp_path, {"a": HALVES, "b": HALVES[::-1], "c": GROUPS}, separator))
    assert raw.x[:, 2].tolist() == THOUSANDS and raw.x[1].tolist() == [1.5, 38.5, 2107.0]
    assert any("'c' holds numbers as text, with a decimal comma and '.' between" in note for note in raw.notes)


def test_one_row_in_the_german_way_is_read_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("umsatz;menge;x\n21.831,91;5.668;1010,20\n")
    assert read(tmp_path / "t.csv").x.tolist() == [[21831.91, 5668.0, 1010.2]]


@pytest.mark.parametrize("separator", [";", ","])
def test_a_decimal_point_beside_them_makes_thousands_of_commas(tmp_path: Path, separator: str) -> None:
    commas = [text.replace(".", ",") for text in GROUPS]
    raw = read(written(tmp_path, {"a": POINTS, "c": commas, "d": [f"{v}.250" for v in range(1, 41)]}, separator))
    assert raw.x[:, 1].tolist() == THOUSANDS and raw.x[3].tolist() == [3.5, 4121.0, 4.25]


@pytest.mark.parametrize(
    "columns", [{"c": GROUPS, "n": list(map(str, range(40)))}, {"a": HALVES, "b": POINTS, "c": GROUPS}]
)
def test_what_no_column_proves_is_refused_with_both_readings(tmp_path: Path, columns: dict[str, list[str]]) -> None:
    path = written(tmp_path, columns)
    with pytest.raises(RequestError, match=r"'2\.107' is 2\.107 or 2107") as refused:
        load(path)
    assert "data.decimal=. takes it as 2.107; data.decimal=, takes it as 2107" in str(refused.value)
    at = list(columns).index("c")
    assert read(path, decimal=",").x[:, at].tolist() == THOUSANDS
    assert read(path, decimal=".").x[1, at] == 2.107


def test_points_in_a_file_with_commas_between_cells_are_decimal(tmp_path: Path) -> None:
    raw = read(written(tmp_path, {"c": GROUPS, "n": list(map(str, range(40)))}, ","))
    assert raw.x[1, 0] == 2.107


@pytest.mark.parametrize("told", ["auto", ".", ","])
def test_a_new_file_is_read_as_it_proves_whatever_the_run_was_told(tmp_path: Path, told: str) -> None:
    domain, columns = Domain("real", (2,)), ["a", "c"]
    comma = written(tmp_path, {"a": HALVES, "c": GROUPS}, name="comma.csv")
    point = written(tmp_path, {"a": POINTS, "c": [f"{v}.250" for v in range(1, 41)]}, name="point.csv")
    assert read_new(comma, domain, columns=columns, decimal=told).x[:, 1].tolist() == THOUSANDS
    assert read_new(point, domain, columns=columns, decimal=told).x[3].tolist() == [3.5, 4.25]


def test_a_new_file_that_proves_nothing_is_refused_by_a_run_that_was_not_told(tmp_path: Path) -> None:
    path = written(tmp_path, {"c": GROUPS[1:4], "n": ["1", "2", "3"]})
    with pytest.raises(RequestError, match="without a mark between thousands") as refused:
        read_new(path, Domain("real", (2,)), columns=["c", "n"])
    assert "data." not in str(refused.value)


def test_columns_of_text_of_a_frame_are_read_together() -> None:
    frame = pd.DataFrame({"a": HALVES, "c": GROUPS, "d": POINTS})
    assert read(frame[["a", "c"]]).x[:, 1].tolist() == THOUSANDS
    assert read(frame[["c", "d"]]).x[1, 0] == 2.107
    with pytest.raises(RequestError, match="two ways"):
        read(frame)


def test_a_header_and_cells_of_several_lines_do_not_shift_them(tmp_path: Path) -> None:
    cells = {"a\nb": HALVES, "c": GROUPS, "t": [f"1\n{i}" if i == 3 else "x" for i in range(40)]}
    raw = read(written(tmp_path, cells), drop="t")
    assert np.array_equal(raw.x[:, 1], THOUSANDS)


def test_semicolons_are_found_where_each_cell_has_one_comma(tmp_path: Path) -> None:
    rows = [f"{i}{',5' if i % 9 else ',0'};{i % 7},25" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    raw = read(tmp_path / "t.csv")
    assert raw.x.shape == (60, 2) and raw.x[10].tolist() == [10.5, 3.25]
    (tmp_path / "u.csv").write_text("\n".join(["a,b", *(f"{i}.5,x;{i}" for i in range(60))]) + "\n")
    assert read(tmp_path / "u.csv", drop="b").x.shape == (60, 1)
