"""Paths of strangers: no home, too long, with zero bytes, not in UTF-8, in a loop; each is read or said on one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hostile.fuzzing import require_sentence
from hostile.readers import PNG
from unveil.data import load, read_array
from unveil.data.filetree import Pictures
from unveil.data.folders import read_pictures
from unveil.errors import RequestError

X = np.random.default_rng(0).normal(size=(24, 3))
ODD = os.fsdecode(b"caf\xe9-\xff")


def refused(source: str | Path) -> str:
    with pytest.raises(RequestError) as caught:
        load(source)
    require_sentence(str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("~nosuchuser/x.csv", "no home folder '~nosuchuser'"),
        ("x" * 300 + ".npy", "304 of them in one part"),
        ("/".join(["x" * 100] * 60) + ".csv", "at most 4,096"),
        ("x\0y.npy", "zero byte"),
        ("\ud800.npy", "cannot be read"),
        (f"nowhere/{ODD}.npy", "There is no file"),
        ("x.npy/y.npy", "There is no file"),
    ],
)
def test_a_path_that_no_file_has_is_said(source: str, said: str) -> None:
    assert said in refused(source)


def test_a_loop_of_links_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.npy").symlink_to(tmp_path / "b.npy")
    (tmp_path / "b.npy").symlink_to(tmp_path / "a.npy")
    assert "cannot be read" in refused(tmp_path / "a.npy")


def test_a_name_that_is_not_utf8_is_read_and_printable(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    np.save(folder / f"{ODD}.npy", X)
    assert np.array_equal(read_array(folder / f"{ODD}.npy")[0], X)
    (folder / f"{ODD}.png").write_bytes(PNG[0])
    (folder / f"{ODD}.npy").unlink()
    raw = read_pictures(folder, Pictures())
    assert all(note.encode() for note in raw.notes)  # no surrogate is left in what is said
    (folder / f"{ODD}.png").write_bytes(b"no picture")
    refused(folder).encode()


@pytest.mark.parametrize("kind", ["npy", "csv", "h5ad", "parquet"])
def test_a_refusal_of_such_a_file_can_be_printed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{ODD}.{kind}"
    path.write_bytes(b"1,2\n3\n")
    refused(path).encode()
