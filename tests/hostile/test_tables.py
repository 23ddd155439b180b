"""Tables of strangers: rows and texts that are repeated without end, columns without number, cells that go on."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hostile.fuzzing import require_sentence
from unveil.data import limits, load
from unveil.errors import RequestError

N = 60
X = np.random.default_rng(0).normal(size=(N, 2))
PLAIN = {"a": X[:, 0], "b": X[:, 1]}
LINES = "\n".join(f"{a:.4f},{b:.4f}" for a, b in X)


def refused(path: Path, **options: Any) -> str:
    start = time.monotonic()
    with pytest.raises(RequestError) as caught:
        load(path, **options)
    require_sentence(str(caught.value))
    assert time.monotonic() - start < 5
    return str(caught.value)


def parquet(folder: Path, columns: Any, **options: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "t.parquet", **options)
    return folder / "t.parquet"


def repeated(size: int, times: int) -> Any:
    return pyarrow.array(["x" * size]).take(pyarrow.array(np.zeros(times, int)))


def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has one MiB left."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**20))


def test_one_text_that_is_repeated_is_counted_before_it_is_spread_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_memory(monkeypatch)
    rows = {name: np.tile(column, 20) for name, column in PLAIN.items()}
    path = parquet(tmp_path, {**rows, "t": repeated(20_000, 20 * N)}, compression="zstd")
    before = pyarrow.total_allocated_bytes()
    assert "column 't'" in (said := refused(path)) and "data.drop=t" in said
    data = load(path, drop="t")
    assert data.columns == ("a", "b") and pyarrow.total_allocated_bytes() - before < 2**20


def test_rows_that_are_repeated_are_counted_from_the_footer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, {name: np.zeros(10**7) for name in "ab"})
    little_memory(monkeypatch)
    assert "of memory are free" in refused(path)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "two of a name": (lambda: pyarrow.table([X[:, 0], X[:, 1]], ["a", "a"]), "same name, 'a'"),
    "no columns": (lambda: pyarrow.table({}), "0 columns"),
    "no rows": (lambda: pyarrow.table({"a": pyarrow.array([], pyarrow.float64())}), "0 rows"),
    "lists": (lambda: pyarrow.table({**PLAIN, "c": [[1]] * N}), "data.drop=c"),
    "records": (lambda: pyarrow.table({**PLAIN, "c": [{"u": 1}] * N}), "data.drop=c"),
    "bytes": (lambda: pyarrow.table({**PLAIN, "c": [b"\xff"] * N}), "data.drop=c"),
    "times": (lambda: pyarrow.table({**PLAIN, "c": pyarrow.array([1] * N, pyarrow.time64("ns"))}), "data.drop=c"),
    "infinite": (lambda: pyarrow.table({**PLAIN, "c": [np.inf] * N}), "inf came"),
    "uint64": (lambda: pyarrow.table({**PLAIN, "c": pyarrow.array([2**64 - 1] * N, pyarrow.uint64())}), "constant"),
    "not in UTF-8": (lambda: pyarrow.table({**PLAIN, "c": not_text()}), "UTF8"),
    "a long name": (lambda: pyarrow.table({**PLAIN, "n" * 5000: X[:, 0]}), "name of 5,000 characters"),
    "a long label": (lambda: pyarrow.table({**PLAIN, "k": ["u" * 2000, "v"] * (N // 2)}), "text of 2,000 characters"),
}


def not_text() -> Any:
    offsets = pyarrow.array(range(N + 1), pyarrow.int32()).buffers()[1]
    return pyarrow.Array.from_buffers(pyarrow.string(), N, [None, offsets, pyarrow.py_buffer(b"\xff" * N)])


@pytest.mark.parametrize("name", BAD)
def test_parquet_that_is_no_table_of_numbers_is_refused(name: str, tmp_path: Path) -> None:
    make, said = BAD[name]
    assert said in refused(parquet(tmp_path, make()), label="k" if "label" in name else "", domain="real")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_have_a_limit_that_is_said(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_COLUMNS", 100)
    path = parquet(tmp_path, {f"c{i}": X[:, 0] for i in range(101)})
    if kind == "csv":
        path = tmp_path / "t.csv"
        path.write_text("\n".join(",".join(f"{row}{i}" for i in range(101)) for row in ("c", "1", "2")))
    assert "has 101 columns; a table has at most 100" in refused(path)


def test_each_column_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading was quadratic in columns: each of them asked for the names of all."""
    from unveil.data import frames

    asked = []
    names_of = frames._by_text
    monkeypatch.setattr(frames, "_by_text", lambda frame: asked.append(1) or names_of(frame))
    (tmp_path / "t.csv").write_text("\n".join([",".join(f"c{i}" for i in range(40)), *wide(40)]))
    load(tmp_path / "t.csv")
    assert len(asked) < 6


def wide(columns: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [",".join(f"{value:.3f}" for value in rng.normal(size=columns)) for _ in range(20)]


CELLS = {
    "a cell of megabytes": ("a,b\n" + LINES + "\n1," + "x" * 1_100_000, "more than 1,000,000 characters"),
    "a quote that never ends": ('a,b\n"' + LINES * 1200, "more than 1,000,000 characters"),
    "a name of megabytes": ("a," + "b" * 1_100_000 + "\n" + LINES, "more than 1,000,000 characters"),
    "a line of megabytes": ("1," * 600_000, "characters|columns"),
    "zero bytes": ("a,b\n" + LINES + "\n1,\0", "zero bytes"),
    "5,000 digits": ("a,b\n" + "\n".join("1," + "7" * 5000 for _ in range(20)), "inf came"),
    "1e999": ("a,b\n" + LINES + "\n1,1e999", "inf came"),
    "-1e999 with a comma": ("a;b\n" + LINES.replace(",", ";").replace(".", ",") + "\n1;-1e999", "inf came"),
    "digits beside words": ("a,b\n" + LINES + "\n1," + "7" * 20_000 + "%\n1,x", "not numeric"),
    "digits in one of a few words": ("a,b\n" + "1,5%\n2,x y\n" * 9 + "1," + "7 " * 9_000 + "-", "not numeric"),
    "quotes alone": ('"' * 100_000, "cannot be read"),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_that_are_none_are_refused(name: str, tmp_path: Path) -> None:
    text, said = CELLS[name]
    (tmp_path / "t.csv").write_text(text)
    assert re.search(said, refused(tmp_path / "t.csv", domain="real"))


def test_labels_of_5000_digits_are_refused(tmp_path: Path) -> None:
    lines = "\n".join(f"{line},{'7' * 5000}" for line in LINES.split())
    (tmp_path / "t.csv").write_text(f"a,b,k\n{lines}")
    assert "5,000 characters" in refused(tmp_path / "t.csv", label="k")


@pytest.mark.parametrize("packed", [gzip, bz2, lzma])
def test_a_packed_table_that_unpacks_without_end_is_refused(
    packed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE", 2**18)
    path = tmp_path / f"t.csv.{ {gzip: 'gz', bz2: 'bz2', lzma: 'xz'}[packed] }"
    path.write_bytes(packed.compress(b"1,2\n" * 2**18))
    assert "are stored for them" in refused(path)
