"""Workbooks: their first sheet or another, cells of each kind, and files that ask for more than they hold."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from unveil.data import load, sheets
from unveil.data.reading import read
from unveil.data.sheets import read_sheet
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(40, 2)), 3)
ROWS = [["a", "b"], *X.tolist()]


def book(path: Path, **named: Sequence[Sequence[Any]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in named.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    made.save(path)
    return path


def changed(path: Path, name: str, old: str, new: str) -> Path:
    """A workbook with a text of one of its parts replaced."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    assert old.encode() in parts[name]
    parts[name] = parts[name].replace(old.encode(), new.encode(), 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    path.write_bytes(buffer.getvalue())
    return path


def refusal(source: object) -> str:
    with pytest.raises(RequestError) as refused:
        load(source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ["t.xlsx", "T.XLSX", "t.xlsm"])
def test_the_first_sheet_is_read_and_another_by_its_name(tmp_path: Path, name: str) -> None:
    path = book(tmp_path / name, One=ROWS)
    raw = read(path)
    assert np.array_equal(raw.x, X) and raw.columns == ("a", "b") and raw.notes == ()
    book(path, One=ROWS, **{"a b": [["u"], *([v] for v in X[:, 0])]})
    assert read(path).notes == (f"The first sheet of {name}, 'One', is read; {name}:NAME takes another of 'a b'.",)
    other = read(f"{path}:a b")
    assert other.columns == ("u",) and not other.notes and read(other.source).columns == ("u",)
    assert load(other.source).name.lower() == "t"
    assert "holds no sheet 'One '" in refusal(f"{path}:One ")


def test_a_sheet_is_read_as_a_table_of_text_is(tmp_path: Path) -> None:
    rows = [["A report"], [], *ROWS, [], ["Source: a survey"]]
    path = book(tmp_path / "t.xlsx", s=rows)
    assert "data.header=3" in refusal(path)
    assert np.array_equal(read(path, header=3).x, X)
    moved = read(book(path, s=[[], *([None, None, *row] for row in ROWS), []]))
    assert moved.columns == ("a", "b") and np.array_equal(moved.x, X)
    bare = read(book(path, s=X.tolist()))
    assert bare.columns == ("0", "1") and np.array_equal(bare.x, X) and "is a row" in bare.notes[0]
    holes = read(
        book(path, s=[["a", "b", "c"], *([a, None if i % 3 else "?", b] for i, (a, b) in enumerate(X))]), drop="b"
    )
    assert np.array_equal(holes.x, X)


def test_cells_keep_what_they_are(tmp_path: Path) -> None:
    day, moment = datetime.date(2020, 1, 31), datetime.datetime(2020, 1, 31, 12, 30, 15)
    cells = [day, moment, datetime.time(7, 5), True, 5, 0.1, "0012", None, "#N/A", datetime.timedelta(hours=36)]
    rows, said = read_sheet(book(tmp_path / "t.xlsx", s=[["n"] * len(cells), cells]))
    assert said == () and rows[1][:8] == [
        "2020-01-31",
        "2020-01-31 12:30:15",
        "07:05:00",
        "True",
        "5",
        "0.1",
        "0012",
        "",
    ]
    assert rows[1][8] == "#N/A"


def test_of_a_formula_the_value_is_read_that_was_kept(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", s=[["a", "b"], [1, "=A2+1"], [2, "=A3+1"]])
    assert read_sheet(path)[0] == [["a", "b"], ["1", ""], ["2", ""]]
    with zipfile.ZipFile(path) as archive:
        empty = "<v />" if b"<v />" in archive.read("xl/worksheets/sheet1.xml") else "<v></v>"
    changed(path, "xl/worksheets/sheet1.xml", empty, "<v>7.5</v>")
    assert read_sheet(path)[0] == [["a", "b"], ["1", "7.5"], ["2", ""]]


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml"])
@pytest.mark.parametrize("entity", [BOMB, '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'])
def test_entities_are_refused(tmp_path: Path, part: str, entity: str) -> None:
    root = {"workbook": "<workbook", "sheet1": "<worksheet", "styles": "<styleSheet"}[Path(part).stem]
    path = changed(book(tmp_path / "t.xlsx", s=ROWS), part, root, entity + root)
    assert "declares entities" in refusal(path)


def test_a_workbook_that_costs_more_than_it_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "t.xlsx", s=[["a"], [1.0], [2.0]])
    far = changed(path, "xl/worksheets/sheet1.xml", 'r="A3"', 'r="XFD3"')
    changed(far, "xl/worksheets/sheet1.xml", 'r="3"', 'r="1048576"')
    monkeypatch.setattr(sheets, "FREE", 1000)
    assert "stand far apart" in refusal(far)
    monkeypatch.undo()
    monkeypatch.setattr("unveil.data.limits.FREE", 0)
    monkeypatch.setattr(sheets, "TEXT_EXPANSION", 0)
    assert "a damaged or hostile file" in refusal(book(path, s=ROWS))


def test_workbooks_name_what_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "t.xlsx", s=ROWS)
    for name in ("t.xls", "t.ods"):
        (tmp_path / name).write_bytes(b"x")
        assert "save it as such" in refusal(tmp_path / name)
    (tmp_path / "u.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    assert "cannot be read as .xlsx" in refusal(tmp_path / "u.xlsx")
    monkeypatch.setattr(sheets, "NEEDED", ("openpyxl", "no_such_module"))
    assert "pip install 'unveil[excel]'" in refusal(path)
