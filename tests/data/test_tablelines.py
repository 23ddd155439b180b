"""Lines of a table of text that are no rows, separators too many, names that come twice; and files that hold none."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pytest

from unveil.data.reading import read
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(40, 3)), 3)
LINES = [",".join(map(str, row)) for row in X]
TABLE = "\n".join(["a,b,c", *LINES]) + "\n"
HALVES = ["\n".join(LINES[:20]) + "\n", "\n".join(LINES[20:]) + "\n"]


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


ODD = {
    "separators behind every row": (TABLE.replace("\n", ",\n").replace("a,b,c,", "a,b,c"), ""),
    "a separator behind the names": (TABLE.replace("a,b,c", "a,b,c,"), ""),
    "separators behind all": (TABLE.replace("\n", ",\n"), "without a name and without values"),
    "separators behind one row": (TABLE + "1,2,3,,\n", ""),
    "a remark in the table": (f"a,b,c\n{HALVES[0]}# a remark, here\n{HALVES[1]}", "'# a remark,  here'"),
    "a remark below": (TABLE + "# made, by, hand, today\n", "1 line in the table in t.csv is left out"),
    "a remark behind an empty line": (f"a,b,c\n{HALVES[0]}\n% said\n\n{HALVES[1]}", "'% said'"),
    "words below": (TABLE + "\nSource: a survey, 2020\nof, all, that, came\n", "2 lines below the table in t.csv"),
    "words below in a sheet": (TABLE + ",,\n,,\nData from: a survey,,\nLast changed: today,,\n", "2 lines below"),
    "names again": (f"a,b,c\n{HALVES[0]}a,b,c\n{HALVES[1]}a,b,c\n", "Line 22 of t.csv and 1 more holds the names"),
    "an end of DOS": (TABLE + "\x1a", ""),
    "empty lines": (f"a,b,c\n\n{HALVES[0]}\n\n{HALVES[1]}\n\n", ""),
    "two marks of UTF-8": (codecs.BOM_UTF8 * 2 + TABLE.encode(), ""),
    "32 bits": (TABLE.encode("utf-32"), ""),
    "32 bits, big end first": (codecs.BOM_UTF32_BE + TABLE.encode("utf-32-be"), ""),
    "carriage returns": (TABLE.replace("\n", "\r"), ""),
    "returns of every kind": (f"a,b,c\r\n{HALVES[0]}".replace("\n", "\r") + HALVES[1], ""),
}


@pytest.mark.parametrize("kind", ODD)
def test_the_rows_are_those_of_the_plain_table(tmp_path: Path, kind: str) -> None:
    text, said = ODD[kind]
    raw = read(written(tmp_path, text))
    assert raw.columns == ("a", "b", "c") and np.array_equal(raw.x[:40], X)
    assert len(raw.x) == 40 + (kind == "separators behind one row")
    assert any(said in note for note in raw.notes) if said else not raw.notes
    cells = list(raw.frame.text.cells())
    assert [cell for row in cells[:40] for cell in row[:3]] == [cell for line in LINES for cell in line.split(",")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"a,b,c\n{HALVES[0]}1,2\n{HALVES[1]}", 22),  # cut off
        (f"a,b,c\n{HALVES[0]}\nwords\n{HALVES[1]}", 23),  # not below
        (f"a,b,c\n#1,2,3\n{HALVES[0]}#2,4\n{HALVES[1]}", 23),  # a row that begins so
        (TABLE + "1,2,3,4\n", 42),
        (TABLE + "words\n", 42),  # right below
    ],
)
def test_a_line_that_may_be_a_row_is_not_left_out(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(RequestError, match=f"Line {line} of .* cell"):
        read(written(tmp_path, text))


def test_columns_of_one_name_are_told_apart_and_said(tmp_path: Path) -> None:
    raw = read(written(tmp_path, TABLE.replace("a,b,c", "a,a,a.1")))
    assert raw.columns == ("a", "a.2", "a.1") and np.array_equal(raw.x, X)
    assert any("'a' in place 1 is taken as 'a.2'" in note for note in raw.notes)
    assert raw.frame.text.header == ["a", "a", "a.1"]
    assert read(written(tmp_path, TABLE.replace("a,b,c", "a,a,a.1")), drop="a.2").columns == ("a", "a.1")


def test_columns_without_a_name_are_kept(tmp_path: Path) -> None:
    assert read(written(tmp_path, TABLE.replace("a,b,c", "a,,c"))).columns == ("a", "", "c")
    assert read(written(tmp_path, TABLE.replace("a,b,c", "a,,"))).columns == ("a", "", "Unnamed: 2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t.csv is empty"),
        ("\n\n\n", "no line but empty ones"),
        ("a,b,c\n", "0 rows"),
        ("".join(f"line {i} of a log\n" for i in range(3000)) + TABLE, "data.header=3001"),
        ("a report\n\n" + TABLE, "data.header=3"),
        (TABLE.replace(",", ":"), "separated by ':'"),
        ("\n".join(f'"{line}"' for line in TABLE.splitlines()), "in quotes as a whole"),
    ],
    ids=["nothing", "empty lines", "names alone", "a log above", "a title above", "colons", "lines in quotes"],
)
def test_a_file_without_a_table_of_rows_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(written(tmp_path, text))
    assert said in str(refused.value) and "\n" not in str(refused.value)
