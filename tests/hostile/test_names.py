"""Paths and names that are not UTF-8, hold control characters or have no end are read, shown, typed and written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from unveil.errors import RequestError
from unveil.files import write_json
from unveil.legible import quoted, readable, shortened
from unveil.output.exports import check_target, write_table
from unveil.output.streams import print_rows
from unveil.runs.paths import check_new

NOT_UTF8 = os.fsdecode(b"caf\xe9")
ODD = ["a b", "it's", '"x"', "-n", "--out", "~", "$HOME", "*", "a\\b", "line\nend", "\x1b[2J", "é猫🙂", NOT_UTF8, "a;b"]


@pytest.mark.parametrize("name", ODD)
def test_a_path_in_a_command_works_when_it_is_typed(name: str) -> None:
    typed = quoted(name)
    assert typed.isprintable()
    told = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, check=True).stdout
    assert told == os.fsencode(f"./{name}" if name.startswith("-") else name)
    assert shlex.split(typed) or "$'" in typed


def test_what_cannot_be_encoded_is_shown_in_other_letters() -> None:
    assert readable(NOT_UTF8) == "caf\\xe9" and readable("猫 ± 1", "ascii") == "? +- 1" and readable("é") == "é"
    assert readable("\ud800") == "\\ud800" and readable("é", "no-such-encoding") == "?"


def test_a_long_name_is_shown_by_its_ends() -> None:
    assert shortened("a" * 50 + "b" * 50, 10) == "aaaaaa…bbb" and shortened("abc", 3) == "abc"


def test_tables_and_json_are_utf8_whatever_a_name_is(tmp_path: Path) -> None:
    columns = {"file": np.array([NOT_UTF8, "é\nx"], object), NOT_UTF8: np.arange(2)}
    for suffix in ("csv", "parquet", "npz"):
        write_table(tmp_path / f"t.{suffix}", columns, {"names": columns["file"].astype(str)})
    assert "caf\\xe9" in (tmp_path / "t.csv").read_text(encoding="utf-8")
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table.column("file").to_pylist() == ["caf\\xe9", "é\nx"] and table.column_names == ["file", "caf\\xe9"]
    with np.load(tmp_path / "t.npz") as found:
        assert len(found["names"]) == 2
    write_json(tmp_path / "config.json", {"format": "f", "where": NOT_UTF8})
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["where"] == NOT_UTF8


def test_a_run_whose_weights_no_library_could_open_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the name of a run is UTF-8"):
        check_new(tmp_path / NOT_UTF8)


def test_an_output_may_have_a_name_of_249_characters(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 245 + ".csv")
    write_table(check_target(path, (".csv",)), {"a": np.arange(2)}, {})
    assert path.read_text(encoding="utf-8") == "a\n0\n1\n" and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_cell_of_a_table_is_one_line_that_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([("run", "a\nb"), ("x" * 100_000, "é")])
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2 and len(shown) < 2000
