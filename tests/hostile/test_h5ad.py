"""HDF5 of strangers: no link is followed, nothing unwritten or overflowing is unpacked, each refusal is a sentence."""

from __future__ import annotations

import resource
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hostile.fuzzing import require_sentence
from hostile.readers import REAL
from unveil.data import load
from unveil.data.h5ad import read_h5ad
from unveil.errors import RequestError

N, D = 24, 3
PTR = np.arange(N + 1)
ONES = np.ones(N)
Make = Callable[[Any, Path], None]


def frame(file: Any) -> None:
    for name, axis in (("obs", N), ("var", D)):
        file[f"{name}/_index"] = np.array([f"{name}{i}" for i in range(axis)], "S")
        file[name].attrs["_index"] = "_index"
    file["obs/kind"] = np.arange(N) % 2


def x(values: Any = None, **options: Any) -> Make:
    """The dataset X, by its values or as `create_dataset` makes it."""
    return lambda file, folder: file.create_dataset("X", data=values, **options)


def with_x(change: Make) -> Make:
    def make(file: Any, folder: Path) -> None:
        file["X"] = REAL
        change(file, folder)

    return make


def put(name: str, values: Any = None, **options: Any) -> Make:
    """Another dataset in the place of one."""

    def change(file: Any, folder: Path) -> None:
        del file[name]
        file.create_dataset(name, data=values, **options)

    return with_x(change)


def kinds(codes: Any, categories: Any) -> Make:
    def change(file: Any, folder: Path) -> None:
        del file["obs/kind"]
        file["obs/kind/codes"], file["obs/kind/categories"] = codes, categories

    return with_x(change)


def csr(data: Any = ONES, indices: Any = PTR[:-1] % D, indptr: Any = PTR, shape: Any = (N, D)) -> Make:
    def make(file: Any, folder: Path) -> None:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "shape": shape})
        group["data"], group["indices"], group["indptr"] = data, indices, indptr

    return make


def other(folder: Path) -> str:
    """Another file, of which nothing is to be seen."""
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"] = REAL
    return str(folder / "other.h5")


def external(file: Any, folder: Path) -> None:
    file["X"] = h5py.ExternalLink(other(folder), "/x")


def through(file: Any, folder: Path) -> None:
    file["e"] = h5py.ExternalLink(other(folder), "/")
    file["X"] = h5py.SoftLink("/e/x")


def soft(file: Any, folder: Path) -> None:
    file["Y"], file["X"] = REAL, h5py.SoftLink("/Y")


def loop(file: Any, folder: Path) -> None:
    file["X"] = h5py.SoftLink("/X")


def linked_obs(file: Any, folder: Path) -> None:
    del file["obs"]
    file["obs"] = h5py.ExternalLink(other(folder), "/")


def stored_elsewhere(file: Any, folder: Path) -> None:
    (folder / "raw").write_bytes(REAL.tobytes())
    file.create_dataset("X", (N, D), "f8", external=[(str(folder / "raw"), 0, REAL.nbytes)])


def virtual(file: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout((N, D), "f8")
    layout[:] = h5py.VirtualSource(other(folder), "x", (N, D))
    file.create_virtual_dataset("X", layout)


def unknown_filter(file: Any, folder: Path) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((N, D))
    made.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
    h5py.h5d.create(file.id, b"X", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((N, D)), made)


def overflowing(file: Any, folder: Path) -> None:
    """A block of 72 values that unpacks to 96 MiB."""
    packed = zlib.compress(bytes(96 * 2**20), 1)
    made = file.create_dataset("X", (N, D), "f8", chunks=(N, D), compression="gzip")
    made.id.write_direct_chunk((0, 0), packed)


def obs_as_values(file: Any, folder: Path) -> None:
    file["X"] = REAL
    del file["obs"]
    file["obs"] = np.zeros(N, [("kind", "i4")])


def without(name: str) -> Make:
    def change(file: Any, folder: Path) -> None:
        del file[name]

    return with_x(change)


def index(value: Any) -> Make:
    return with_x(lambda file, folder: file["var"].attrs.__setitem__("_index", value))


VLEN = h5py.vlen_dtype(np.int32)
CASES: dict[str, tuple[Make, str]] = {
    "text": (x(np.full((N, D), b"a")), "X holds text"),
    "text of any length": (x(shape=(N, D), dtype=h5py.string_dtype()), "X holds text"),
    "lists": (x(shape=(N, D), dtype=VLEN), "lists of different lengths"),
    "references": (x(shape=(N, D), dtype=h5py.ref_dtype), "X holds references"),
    "records": (x(np.zeros((N, D), [("a", "f4")])), "records with fields"),
    "opaque": (x(np.zeros((N, D), "V8")), "opaque bytes"),
    "complex": (x(REAL + 1j), "complex128"),
    "arrays": (x(shape=(N,), dtype=np.dtype(("f4", (D,)))), "shape"),
    "one number": (x(3.0), r"shape \(\)"),
    "three dimensions": (x(np.zeros((N, D, 2))), r"shape \(24, 3, 2\)"),
    "no values": (x(h5py.Empty("f4")), "shape None"),
    "external link": (external, "link to another file"),
    "soft link to an external one": (through, "link to another place"),
    "soft link": (soft, "link to another place"),
    "loop": (loop, "link to another place"),
    "obs of another file": (with_x(linked_obs), "obs is a link to another file"),
    "external storage": (stored_elsewhere, "keeps its values in another file"),
    "virtual": (virtual, "keeps its values in another file"),
    "unknown filter": (unknown_filter, "filter 32015 .* not installed"),
    "overflowing block": (overflowing, "unpacks to more than it declares"),
    "never written": (x(shape=(N, D), dtype="f8", maxshape=(None, D), chunks=(10**8, D)), "0 bytes are stored"),
    "a terabyte": (x(shape=(N, 10**12), dtype="f8", chunks=(1, 10**6)), "var names 3 variables"),
    "names without end": (put("var/_index", shape=(10**9,), dtype="S4", chunks=(9,)), "0 bytes are stored"),
    "names of gigabytes": (put("var/_index", shape=(D,), dtype="S2000000000", chunks=(1,)), "0 bytes are stored"),
    "names as numbers": (put("var/_index", np.arange(D)), "must hold text"),
    "names not in UTF-8": (put("var/_index", np.array([b"\xff", b"b", b"c"])), "utf-8"),
    "too few names": (put("var/_index", np.array([b"a", b"b"])), "var names 2 variables, and X has 3"),
    "no obs": (without("obs"), "obs is missing"),
    "no var": (without("var"), "var is missing"),
    "obs as values": (obs_as_values, "obs holds values"),
    "index elsewhere": (index("/X"), "is missing"),
    "index a number": (index(5), "does not say which column"),
    "index a large attribute": (index(np.zeros(8000)), "does not say which column"),
    "few labels": (put("obs/kind", np.arange(5)), r"shape \(5,\) for 24"),
    "many labels": (put("obs/kind", np.arange(99)), r"shape \(99,\) for 24"),
    "labels in a square": (put("obs/kind", np.zeros((N, 2), int)), r"shape \(24, 2\)"),
    "one label": (put("obs/kind", 3), r"shape \(\)"),
    "labels as records": (put("obs/kind", np.zeros(N, [("a", "i4")])), "records with fields"),
    "labels as lists": (put("obs/kind", shape=(N,), dtype=VLEN), "lists of different lengths"),
    "labels never written": (put("obs/kind", shape=(10**11,), dtype="i8", chunks=(9,)), "0 bytes are stored"),
    "codes too large": (kinds(np.full(N, 9), np.array([b"a", b"b"])), "codes 9 to 9 of 2 categories"),
    "codes below": (kinds(np.full(N, -2), np.array([b"a", b"b"])), "codes -2 to -2"),
    "codes as text": (kinds(np.full(N, b"a"), np.array([b"a", b"b"])), "must hold integers"),
    "codes beyond int64": (kinds(np.full(N, 2**64 - 1, "u8"), np.array([b"a"])), "no place in an array"),
    "categories in a square": (kinds(np.zeros(N, int), np.zeros((2, 2))), "both are"),
    "sparse: negative": (csr(indices=-PTR[:-1]), "damaged"),
    "sparse: outside": (csr(indices=np.full(N, 7)), "damaged"),
    "sparse: rising no more": (csr(indptr=PTR[::-1]), "damaged"),
    "sparse: beyond the end": (csr(indptr=np.append(PTR[:-1], 2**63 - 1)), "damaged"),
    "sparse: beyond int64": (csr(indices=np.full(N, 2**64 - 1, "u8")), "no place in an array"),
    "sparse: fractions": (csr(indices=PTR[:-1] / 2), "must hold integers"),
    "sparse: text": (csr(data=np.full(N, b"a")), "X/data holds text"),
    "sparse: in a square": (csr(data=np.ones((N, 1))), "damaged"),
    "sparse: wide": (csr(shape=(N, 10**12)), "no shape of two sizes"),
    "sparse: negative shape": (csr(shape=(N, -D)), "no shape of two sizes"),
    "sparse: shape as text": (csr(shape="many"), "no shape of two sizes"),
    "sparse: rows that end before they begin": (
        csr(np.ones(3), np.zeros(3, int), np.array([0, 3, 1, 3]), (3, D)), "does not rise from 0"
    ),
    "sparse: zeros without end": (csr([], np.zeros(0, int), np.zeros(4, int), (2 * 10**9, D)), "of memory are free"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_matrix_is_refused_by_name(name: str, tmp_path: Path) -> None:
    make, said = CASES[name]
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        frame(file)
        make(file, tmp_path)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(RequestError, match=said) as caught:
        load(tmp_path / "x.h5ad", label="kind")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000 and time.monotonic() - start < 5
    require_sentence(str(caught.value))
    assert "x.h5ad" in str(caught.value)


@pytest.mark.parametrize("make", [with_x(lambda *_: None), csr(), x(REAL > 0), x(REAL.astype(">f4"))])
def test_what_is_one_is_read(make: Make, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5ad", "w", userblock_size=512) as file:
        frame(file)
        make(file, tmp_path)
    assert load(tmp_path / "x.h5ad", label="kind").classes == ("0", "1")


def test_a_heap_of_texts_that_never_ends_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        frame(file)
        csr()(file, tmp_path)
    held = bytearray((tmp_path / "x.h5ad").read_bytes())
    heap = held.index(b"GCOL")
    size = int.from_bytes(held[heap + 24 : heap + 32], "little")  # of "csr_matrix", the first of its texts
    free = heap + 32 + size + -size % 8
    assert load(tmp_path / "x.h5ad").columns
    while held[free : free + 2] != b"\0\0":
        size = int.from_bytes(held[free + 8 : free + 16], "little")
        free += 16 + size + -size % 8
    held[free + 8 : free + 16] = bytes(8)
    (tmp_path / "x.h5ad").write_bytes(held)
    with pytest.raises(RequestError, match="damaged, in the texts"):
        load(tmp_path / "x.h5ad")


def test_attributes_as_r_and_others_write_them_are_read(tmp_path: Path) -> None:
    """A text of fixed length, and one in a list of one."""
    path = tmp_path / "r.h5ad"
    dense = np.array([[0, 1, 0], [2, 0, 0]], np.float32)
    with h5py.File(path, "w") as file:
        var, obs, X = (file.create_group(name) for name in ("var", "obs", "X"))
        var.attrs["_index"] = np.bytes_("gene/name")
        var["gene/name"] = np.array([b"a", b"b", b"c"])
        obs.attrs["_index"] = np.array(["cell"], object)
        obs["cell"] = np.array([b"1", b"2"])
        group = obs.create_group("kind")
        group.attrs["encoding-type"] = "nullable-integer"
        group["values"], group["mask"] = np.array([3, 4]), np.array([False, True])
        X.attrs["encoding-type"] = np.array([b"csr_matrix"])
        X.attrs["shape"] = np.array([2, 3])
        X["data"], X["indices"], X["indptr"] = np.array([1, 2], np.float32), np.array([1, 0]), np.array([0, 1, 2])
    found = read_h5ad(path, label="kind")
    np.testing.assert_array_equal(found.x, dense)
    assert found.columns == ("a", "b", "c") and found.y is not None and found.y.tolist() == [0, -1]
