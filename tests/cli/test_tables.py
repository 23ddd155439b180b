"""Results as files: every number comes back, and what cannot be written is refused before the work."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.output import exports as tables
from unveil.output.exports import TABLES, check_target, csv, interleaved, write_pairs, write_table

VALUES = np.array([0.1, 1 / 3, -np.pi * 1e-300, 5e-324, 1e22, 123456789.123456789])


def test_csv_has_every_digit() -> None:
    text = csv({"a": VALUES, "b": VALUES.astype(np.float32), "row": np.arange(len(VALUES))}).decode()
    found = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1)
    assert text.startswith("a,b,row\n0.1,0.10000000149011612,0\n")
    assert found[:, 0].tolist() == VALUES.tolist() and np.array_equal(
        np.float32(found[:, 1]), VALUES.astype(np.float32)
    )


@pytest.mark.parametrize("suffix", [".npy", ".NPZ", ".parquet", ".csv"])
def test_a_file_is_replaced_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"before")
    write_table(path, {"a": VALUES}, {"a": VALUES})
    first = path.read_bytes()
    write_table(path, {"a": VALUES}, {"a": VALUES})
    assert path.read_bytes() == first != b"before" and list(tmp_path.iterdir()) == [path]


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "x.npz"
    np.savez(source, x=VALUES)
    assert check_target(tmp_path / "z.npz", TABLES, str(source)) == tmp_path / "z.npz"
    for name in (str(source), f"{source}:x"):
        with pytest.raises(RequestError, match="source itself"):
            check_target(source, TABLES, name)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_target(tmp_path / "z.parquet", TABLES)
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="unveil\\[table\\]"):
        check_target(tmp_path / "z.parquet", TABLES)


def test_pairs_alternate_row_by_row() -> None:
    above = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    assert interleaved(above, above + 10, 3).ravel().tolist() == [0, 1, 2, 10, 11, 12, 3, 4, 255, 13, 14, 255]


def test_x_and_reconstruction_share_one_grey_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grids = []
    monkeypatch.setattr(tables, "write_grid", lambda path, images, columns: grids.append(images))
    x = np.array([0.0, 10.0]).reshape(2, 1, 1)
    write_pairs(tmp_path / "r.png", x, np.array([5.0, 5.0]).reshape(2, 1, 1), Domain("real", (1, 1)))
    assert grids[0].ravel().tolist() == [0, 255, 128, 128]
