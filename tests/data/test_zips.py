"""Tables in archives: the only one, one of several, and archives that hold none or mean harm."""

from __future__ import annotations

import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest

from unveil.data import load
from unveil.data.reading import read
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(40, 2)), 3)
TABLE = "a,b\n" + "".join(f"{a},{b}\n" for a, b in X)


def packed(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def refusal(source: object) -> str:
    with pytest.raises(RequestError) as refused:
        load(source)
    return str(refused.value)


@pytest.mark.parametrize("name", ["t.zip", "T.ZIP", "t.csv.zip"])
def test_the_only_table_in_an_archive_is_read(tmp_path: Path, name: str) -> None:
    raw = read(packed(tmp_path / name, **{"data/t.csv": TABLE, "__MACOSX/data/._t.csv": "x", "data/.DS_Store": "x"}))
    assert np.array_equal(raw.x, X) and raw.columns == ("a", "b") and raw.notes == ()
    assert load(raw.source).name.lower() == "t" and np.array_equal(read(raw.source).x, X)


def test_a_table_beside_other_files_is_read_and_said(tmp_path: Path) -> None:
    raw = read(packed(tmp_path / "t.zip", **{"readme.txt": "about", "t.csv": TABLE}))
    assert np.array_equal(raw.x, X) and raw.notes == ("t.zip holds 2 files, of which 't.csv' is read.",)


def test_one_of_several_is_named_as_it_is_printed(tmp_path: Path) -> None:
    path = packed(tmp_path / "it's.zip", **{"a b.csv": TABLE, "c.tsv": TABLE.replace(",", "\t").replace("a", "u")})
    said = refusal(path)
    assert "holds 2 tables: a b.csv, c.tsv" in said
    (source,) = shlex.split(re.split("such as ", said)[1])
    assert read(source).columns == ("a", "b") and load(source).name == "it's"
    assert read(f"{path}:c.tsv").columns == ("u", "b") and read(read(f"{path}:c.tsv").source).columns == ("u", "b")
    assert "holds no file 'd.csv'" in refusal(f"{path}:d.csv")


@pytest.mark.parametrize("name", ["../t.csv", "/t.csv", "x/../../t.csv"])
def test_a_name_that_leads_out_of_an_archive_reads_what_is_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text("no\n")
    path = packed(tmp_path / "t.zip", **{name: TABLE, "u.csv": "u\n1\n"})
    found = refusal(path).partition("tables: ")[2].partition(", u.csv")[0]
    assert np.array_equal(read(f"{path}:{found}").x, X)


def test_archives_without_a_table_are_one_sentence(tmp_path: Path) -> None:
    assert "no table of text (.csv, .tsv), but a.txt, b.png" in refusal(
        packed(tmp_path / "t.zip", **{"a.txt": "x", "b.png": "x"})
    )
    assert "but nothing" in refusal(packed(tmp_path / "t.zip"))
    assert "two files of one name" in refusal(packed(tmp_path / "t.zip", **{"t.csv": TABLE, "./t.csv": TABLE}))
    (tmp_path / "t.zip").write_bytes(b"PK\x03\x04 no archive")
    assert "cannot be read as .zip" in refusal(tmp_path / "t.zip")
    packed(tmp_path / "t.zip", **{"t.csv": "a\n" + "1\n" * 60_000_000})
    assert "damaged or hostile file" in refusal(tmp_path / "t.zip")
