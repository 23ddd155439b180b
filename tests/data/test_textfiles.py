"""Files of text as people have them: read right and said, or refused with a remedy that works as it is printed."""

from __future__ import annotations

import codecs
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from asnumbers import load, read_table
from quick import fitted
from unveil.cli import main
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = RNG.normal(10, 3, (40, 3)).round(2)
LINES = [",".join(map(str, row)) for row in X]
COMMAS = [line.replace(",", ";").replace(".", ",") for line in LINES]
TABS = [line.replace(",", "\t") for line in LINES]
H = "a,b,c"
TEXT = "\n".join([H, *LINES]) + "\n"


def written(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode())
    return path


READ: dict[str, tuple[list[str], str]] = {  # the lines, and what is said of them
    "of a spreadsheet": (["sep=;", "a;b;c", *COMMAS], "separated by ';'"),
    "of a spreadsheet, quoted": (['"sep=;"', "a;b;c", *COMMAS], "separated by ';'"),
    "of a spreadsheet, tabs": (["sep=\t", "a\tb\tc", *TABS], "separated by"),
    "comments": (["# station 5", "# lat, lon: 3.2, 5", H, *LINES], "2 lines above the table in t.csv are left out"),
    "comments of another kind": (["% made by hand", H, *LINES], "1 line above the table in t.csv is left out"),
    "comments, the last of them names": (["# made by numpy", "#a,b,c", *LINES], "1 line above the table"),
    "empty lines first": (["", "", H, *LINES], ""),
    "units in brackets": ([H, "[m],[kg],[]", *LINES], "Line 2 of t.csv holds units"),
    "units": ([H, "m,,kg", *LINES], "Line 2 of t.csv holds units"),
    "units below comments": (["# x", H, "(m),(kg),-", *LINES], "Line 3 of t.csv holds units"),
    "a total": ([H, *LINES, "Total,400.3,401.2"], "Line 42 of t.csv is taken as a total of the rows above"),
    "a mean below comments": (["# x", H, *LINES, "Mean:,9.9,10.1", ""], "Line 43 of t.csv is taken as a total"),
}


@pytest.mark.parametrize("kind", READ)
def test_lines_that_are_no_rows_are_left_out_and_said(tmp_path: Path, kind: str) -> None:
    lines, said = READ[kind]
    if kind == "a total":
        lines = [*lines[:-1], "Total,400.3,401.2"]
    for end in ("\n", "\r\n"):
        raw = read_table(written(tmp_path / "t.csv", *lines, end=end))
        np.testing.assert_array_equal(raw.x, X)
        assert [name.strip("#") for name in raw.columns or ()] == ["a", "b", "c"]
        assert said in " ".join(raw.notes)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    np.testing.assert_array_equal(read_table(tmp_path / "t.csv.gz").x, X)


@pytest.mark.parametrize(
    "rows",
    [
        ["#a,b,c", *LINES], [H, "1,2,3", *LINES], [H, ",unknown,", *LINES], [H, "NA,?,-", *LINES], [H, *LINES, "1,2,3"],
        ["# sum,b,c", *LINES],
    ],
    ids=["names that begin with a mark", "a row", "a word", "gaps", "no total", "a name of a total"],
)  # fmt: skip
def test_lines_that_are_rows_or_names_stay(tmp_path: Path, rows: list[str]) -> None:
    try:
        assert len(read_table(written(tmp_path / "t.csv", *rows)).x) == len(rows) - 1
    except RequestError as error:
        assert "'unknown'" in str(error)


def test_a_name_that_comes_before_is_no_total(tmp_path: Path) -> None:
    rows = [f"{('Sum', 'Kim')[i % 2]},{line}" for i, line in enumerate(LINES)]
    raw = read_table(written(tmp_path / "t.csv", "name,a,b,c", *rows, "Sum,1,2,3"), label="name")
    assert len(raw.x) == 41 and raw.classes == ("Kim", "Sum")


ENCODED: dict[str, tuple[bytes, str]] = {
    "utf-8": (codecs.BOM_UTF8 + TEXT.encode(), ""),
    "utf-16": (TEXT.encode("utf-16"), ""),
    "utf-16-be": (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), ""),
    "utf-16 without a mark": (TEXT.encode("utf-16-le"), "utf-16-le"),
    "cp1252": (TEXT.replace("a", "größe in €", 1).encode("cp1252"), "cp1252"),
    "latin-1": (TEXT.replace("a", "\x81ö", 1).encode("latin-1"), "latin-1"),
    "gb18030": (TEXT.replace("a", "城市（上海、北京）与人口的年龄", 1).encode("gb18030"), "gb18030"),
    "cp949": (TEXT.replace("a", "도시와 인구의 나이는 서울시와 부산시에서 똠방", 1).encode("cp949"), "cp949"),
    "cp949 of few letters": (TEXT.replace("a", "도시", 1).encode("cp949"), "cp1252"),
    "russian": (TEXT.replace("a", "город и население АБВГ КМОР ПСТУ ФХЦЧ ШЩЫЬ", 1).encode("cp1251"), "cp1252"),
    "koi8": (TEXT.replace("a", "москва омск казань самара тула пенза", 1).encode("koi8-r"), "cp1252"),
    "greek": (TEXT.replace("a", "ΑΒΓΔ ΕΖΗΘ ΚΛΜΝ ΞΟΠΡ ΣΤΥΦ ΧΨΩΑ", 1).encode("cp1253"), "cp1252"),
    "accents": (TEXT.replace("a", "ÉCOLE élève créée ÄÖ äöü ßß ÄÖÜÄ ÖÄÜÖ ÄÖÄÖ ÜÄÖÜ", 1).encode("cp1252"), "cp1252"),
    "euc-jp": (TEXT.replace("a", "名前と都市は東京と大阪と京都のどれかである", 1).encode("euc-jp"), "cp1252"),
    "utf-16 with tabs": ("\n".join(["sep=\t", "a\tb\tc", *TABS]).encode("utf-16"), ""),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_other_encodings_are_read_and_said(tmp_path: Path, kind: str) -> None:
    content, said = ENCODED[kind]
    (tmp_path / "t.csv").write_bytes(content)
    raw = read_table(tmp_path / "t.csv")
    np.testing.assert_array_equal(raw.x, X)
    told = [note for note in raw.notes if "is read as" in note]
    assert bool(told) == bool(said) and all(f"is read as {said}" in note or "latin-1" in note for note in told)
    assert kind != "cp1252" or raw.columns == ("größe in €", "b", "c")
    assert kind != "gb18030" or raw.columns == ("城市（上海、北京）与人口的年龄", "b", "c")


def test_a_letter_deep_in_a_large_file_tells_of_its_encoding(tmp_path: Path) -> None:
    rows = [f"{i},{i / 2},é" for i in range(3)] + [f"{i},{i / 2},e" for i in range(60_000)] + ["1,2,ö"]
    (tmp_path / "t.csv").write_bytes("\n".join(["a,b,c", *rows]).encode("latin-1"))
    raw = read_table(tmp_path / "t.csv", drop="c")
    assert len(raw.x) == len(rows) and "is read as cp1252" in raw.notes[0]


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(RequestError) as found:
        load(path, **options)
    return str(found.value)


def test_zero_bytes_are_refused_by_their_line_and_taken_out_as_it_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "it's.csv"
    for content in (TEXT.encode() + b"\0" * 100, TEXT.encode().replace(b"\n", b"\0\n", 3)):
        path.write_bytes(content)
        said = refused(path)
        assert f"Line {42 if content.endswith(bytes(9)) else 1} of" in said
        exec(said.partition("takes them out: ")[2])
        np.testing.assert_array_equal(read_table(tmp_path / "clean-it's.csv").x, X)


@pytest.mark.parametrize("above", [["Monthly report", ""], ["Monthly report,,", ""], ["A report: x; y", "by us", ""]])
def test_the_line_that_names_the_columns_is_told_as_it_is_printed(tmp_path: Path, above: list[str]) -> None:
    for rows in ([H, *LINES], ["a;b;c", *COMMAS]):
        path = written(tmp_path / "t.csv", *above, *rows)
        said = refused(path)
        line = len(above) + 1
        assert f"line {line} names the columns" in said and f"data.header={line}" in said
        np.testing.assert_array_equal(read_table(path, header=line).x, X)
    if above == ["Monthly report", ""]:
        assert main(["fit", str(path), "--steps", "1", "--dry-run", f"data.header={line}"]) == 0


def test_a_line_that_is_not_there_and_none(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", H, *LINES)
    assert "data.header=99 came, and" in refused(path, header=99)
    assert "first, none or the number of a line" in refused(path, header=0)
    ragged = written(tmp_path / "u.csv", "# x", H, *LINES, "1,2")
    assert "Line 43 of" in refused(ragged) and "line 2 3" in refused(ragged) and "data.header" not in refused(ragged)


def test_a_first_line_of_r_lacks_the_name_of_the_names_of_rows(tmp_path: Path) -> None:
    lines = ['"a","b","c"', *(f'"{i}",{line}' for i, line in enumerate(LINES))]
    lines[3] = f'"2",,{lines[3].partition(",")[2].partition(",")[2]}'
    path = written(tmp_path / "t.csv", *lines)
    run = fitted(path, tmp_path / "run", model="linear_gaussian", latent=1, steps=3)
    assert run.columns == ["a", "b", "c"]
    assert main(["impute", str(run.path), str(path), "-o", str(tmp_path / "full.csv")]) == 0
    found = (tmp_path / "full.csv").read_text().splitlines()
    assert found[0] == "a,b,c" and found[1] == f"0,{LINES[0]}" and found[3].startswith("2,") and ",," not in found[3]


def test_lines_with_a_cell_too_many_are_no_names_of_rows(tmp_path: Path) -> None:
    lines = [f"{i % 3},{line}" for i, line in enumerate(LINES)]
    assert "Line 2 of" in refused(written(tmp_path / "t.csv", H, *lines))


NOT_TEXT = {  # how a file begins, and what is said
    "workbook": (b"PK\x03\x04\x14\0\x06\0", "a workbook of Excel"), "page": (b"<!DOCTYPE html>\n<html>", "a web page"),
    "json lines": (b'{"a": 1, "b": 2}\n{"a": 2, "b": 5}\n', "JSON"), "json": (b'[{"a": 1, "b": 2}]', "JSON"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "a pointer of Git LFS"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_TEXT)
def test_what_is_no_table_of_text_is_told_by_how_it_begins(tmp_path: Path, kind: str) -> None:
    content, what = NOT_TEXT[kind]
    (tmp_path / "t.csv").write_bytes(content)
    said = refused(tmp_path / "t.csv")
    assert f"t.csv is {what}" in said
    if what == "JSON":
        exec(re.search(r"pandas\.read_json.*", said)[0], {"pandas": pandas})
        assert (tmp_path / "new-t.csv").read_text().startswith("a,b\n1,2\n")


def test_a_parquet_file_by_another_name_is_written_as_it_is_printed(tmp_path: Path) -> None:
    pandas.DataFrame(X, columns=list("abc")).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").rename(tmp_path / "t.csv")
    exec(re.search(r"pandas\.read_parquet.*", refused(tmp_path / "t.csv"))[0], {"pandas": pandas})
    np.testing.assert_array_equal(read_table(tmp_path / "new-t.csv").x, X)


@pytest.mark.parametrize(
    "lines", [[line.replace(",", "   ") for line in LINES], [f"  {line.replace(',', ' ')}" for line in LINES]]
)
def test_cells_between_spaces_are_written_with_commas_as_it_is_printed(tmp_path: Path, lines: list[str]) -> None:
    path = written(tmp_path / "t.csv", "a b  c", *lines)
    exec(re.search(r"pandas\.read_csv.*index=False\)", refused(path))[0], {"pandas": pandas})
    np.testing.assert_array_equal(read_table(tmp_path / "new-t.csv").x, X)


def test_two_lines_of_names_are_told_by_the_second(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "2020,,2021", "q1,q2,q3", *LINES)
    assert "If line 2 names the columns: data.header=2" in refused(path)
    np.testing.assert_array_equal(read_table(path, header=2).x, X)


def test_what_stands_around_a_table_stays_where_its_gaps_are_filled(tmp_path: Path) -> None:
    rows = [line if i % 9 else f",{line.partition(',')[2]}" for i, line in enumerate(LINES)]
    lines = ["sep=,", "# station 5", H, "[m],[kg],[s]", *rows, "Total,400.3,401.2"]
    path, run = tmp_path / "t.csv", str(tmp_path / "run")
    path.write_bytes("\n".join(lines).encode("utf-16"))
    fitted(path, tmp_path / "run", model="linear_gaussian", latent=1, steps=3)
    assert main(["impute", run, str(path), "-o", str(tmp_path / "full.csv")]) == 0
    found = (tmp_path / "full.csv").read_text().splitlines()
    assert len(found) == len(lines)
    for before, after in zip(lines, found, strict=True):
        assert after == before or (before.startswith(",") and after.endswith(before))
    bare = written(tmp_path / "new.csv", H, *LINES[:5])
    assert main(["score", run, str(bare), "-o", str(tmp_path / "s.csv")]) == 0
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 6


def test_a_new_file_needs_no_lines_above_its_table(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "A report", "", H, *LINES)
    run = fitted(path, tmp_path / "run", model="linear_gaussian", latent=1, steps=3, data__header=3)
    bare = written(tmp_path / "new.csv", H, *LINES[:12])
    assert len(run.score(str(bare)).log_px) == 12 and len(run.score(str(path)).log_px) == 40
