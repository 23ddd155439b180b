"""Tables of text: as many rows as Python's own reader finds, or a sentence with the line; cells again as they stand."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnumbers import load, read_table
from unveil.data import read_new
from unveil.domain import Domain
from unveil.errors import RequestError

NUMBERS = [f"{a:.4f},{b:.4f}\n" for a, b in np.random.default_rng(0).normal(size=(30_000, 2))]


def written(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("row", ['"1,2\n', '1,"2\n', '"1" x,2\n'], ids=["first", "last", "closed too early"])
def test_a_quote_that_does_not_end_loses_no_rows_in_silence(tmp_path: Path, row: str) -> None:
    lines = [*NUMBERS]
    lines[2000] = row
    with pytest.raises(RequestError, match=r"line 2002 of .*t.csv has a quote that does not end.*Write a quote"):
        read_table(written(tmp_path, "a,b\n" + "".join(lines)))


@pytest.mark.parametrize(("row", "said"), [("1,2,3\n", "3 cells"), ("1\n", "1 cell,")])
def test_a_row_of_another_length_is_refused_by_its_line(tmp_path: Path, row: str, said: str) -> None:
    lines = [*NUMBERS]
    lines[20_000] = row
    with pytest.raises(RequestError, match=rf"Line 20002 of .*t.csv has {said}"):
        read_table(written(tmp_path, "a,b\n" + "".join(lines)))


def test_cells_of_several_lines_are_read_in_a_large_file_too(tmp_path: Path) -> None:
    rows = [f'"line one\nline two, {i}",{line}' for i, line in enumerate(NUMBERS)]
    raw = read_table(written(tmp_path, "note,a,b\n" + "".join(rows)), drop="note")
    np.testing.assert_array_equal(raw.x, np.loadtxt(NUMBERS, delimiter=","))


def test_an_empty_line_is_a_missing_value_where_there_is_one_column_and_no_row_elsewhere(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_table(written(tmp_path, "a\n1\n\n3\n")).x, [[1], [np.nan], [3]])
    np.testing.assert_array_equal(read_table(written(tmp_path, "a,b\n1,2\n\n3,4\n\n")).x, [[1, 2], [3, 4]])


def test_a_long_cell_comes_back_whole(tmp_path: Path) -> None:
    long = 200_000 * "x"  # above what Python's reader takes by itself
    path = written(tmp_path, f"note,a\n{long},1\nshort,2\n")
    raw = read_table(path, drop="note")
    np.testing.assert_array_equal(raw.x, [[1], [2]])
    assert raw.frame.text.names == ["note", "a"] and list(raw.frame.text.cells()) == [[long, "1"], ["short", "2"]]


pieces = st.lists(st.sampled_from(["1", "2.5", ",", "\n", '"', " ", "x", "\r\n", '""', ""]), max_size=40)


@given(pieces)
def test_rows_are_those_of_pythons_own_reader_or_the_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    text = "a,b\n" + "".join(pieces)
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        raw = read_table(path)
    except RequestError:
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = [row for row in reader if row and reader.line_num not in raw.frame.text.others]
    theirs = [row[:2] if len(row) > 2 and not any(row[2:]) else row for row in rows]
    assert len(raw.x) == len(theirs) - 1
    assert [raw.frame.text.names, *raw.frame.text.cells()] == theirs


def test_rows_without_a_value_are_counted_and_stay_rows(tmp_path: Path) -> None:
    rows = [f"{i}.5,{i % 7}.25,u{i}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,name", *rows, *[",,"] * 19, ",,left"]) + "\n")
    frame = pd.read_csv(tmp_path / "t.csv")
    for source in (tmp_path / "t.csv", frame):
        data = load(source, drop="name")
        (said,) = [note for note in data.notes if "no value of x" in note]
        assert said.startswith("20 of 80 rows hold no value of x (the first is row 60)")
        assert sum(map(len, (data.train, data.valid, data.test))) == 80
    new = read_new(tmp_path / "t.csv", Domain("real", (2,)), columns=["a", "b"], drop="name")
    assert len(new.x) == 80
    x = np.where(np.arange(60)[:, None] == 7, np.nan, np.random.default_rng(0).normal(size=(60, 3)))
    assert any(note.startswith("1 of 60 rows holds no value of x (row 7)") for note in load(x).notes)
    x[7, 0] = 0.5
    assert not any("no value of x" in note for note in load(x).notes)
