"""Every reader of data with a small corpus, made here, for `fuzzing`."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pyarrow
import pyarrow.parquet
from PIL import Image
from scipy import sparse

from hostile.fuzzing import register
from unveil.data import load, read_array
from unveil.data.filetree import Pictures
from unveil.data.folders import read_pictures
from unveil.data.published import read_idx

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 17, (24, 4, 3), dtype=np.uint8)
REAL = RNG.normal(size=(24, 3))


def table(separator: str, decimal: str = ".", kinds: str = "") -> str:
    """Columns of numbers, and of labels where `kinds` gives two."""
    lines = [["a", "b", "c d", *["kind"] * bool(kinds)]]
    for i, (a, b, c) in enumerate(REAL):
        cells = [f"{a:.3f}".replace(".", decimal), f"{100 * b:.0f}", f"{c:.2e}".replace(".", decimal)]
        lines.append([*cells, *[kinds[i % 2 : i % 2 + 1]] * bool(kinds)])
    return "\n".join(separator.join(cells) for cells in lines) + "\n"


CSV = [
    table(",").encode(),
    ("\ufeff# said\n" + table(";", ",")).replace("\n", "\r\n").encode(),
    table(",").replace("-", "").replace("c d", '"x, ""y"""').encode("utf-16"),
    b"u,v,w\n" + b"1,2.5,NA\n3,?,7\n-2,1e3,5%\n" * 9,
]
LABELLED = [table(",", kinds="uv").encode(), table(";", ",", "01").replace("0\n", '"x, ""y"""\n').encode("utf-16")]
TSV = [table("\t").encode(), table("\t").replace("c d", "é").encode("cp1252")]


def npy(x: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, x, **options)
    return buffer.getvalue()


NPY = [npy(GREY), npy(REAL.astype(">f4")), npy(np.asfortranarray(REAL)), npy(np.array(["1.5", "x"] * 6))]


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def packed(inner: bytes, name: str = "x.npy") -> bytes:
    """Bytes as the one member of an archive, whose checksums are right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, inner)
    return buffer.getvalue()


def arrow() -> list[bytes]:
    """Parquet of numbers, of text as numbers, and of what is none."""
    plain = {"a": REAL[:, 0], "b": GREY[:, 0, 0]}
    labelled = {"a": REAL[:, 0], "b": GREY[:, 0, 0], "kind": ["u", "v"] * 12}
    mixed = {"a": pyarrow.array(list(map(str, GREY[:, 0, 0]))), "b": pyarrow.array([True, None] * 12), "c": REAL[:, 1]}
    nested = {"a": pyarrow.array([[1, 2], None] * 12), "b": pyarrow.array([{"u": 1}] * 24), "c": REAL[:, 2]}
    made = ((plain, "snappy"), (labelled, "none"), (mixed, "zstd"), (nested, "gzip"))
    return [in_parquet(columns, compression) for columns, compression in made]


def in_parquet(columns: dict[str, Any], compression: str) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink, compression=compression)
    return sink.getvalue().to_pybytes()


def workbook(*sheets: str) -> bytes:
    """A workbook with a sheet of the cells of each text."""
    made = openpyxl.Workbook()
    for text in sheets:
        sheet = made.create_sheet()
        for line in text.splitlines():
            sheet.append([float(cell) if cell[-1:].isdigit() else cell for cell in line.split(",")])
    made.remove(made.worksheets[0])
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def unpacked(book: bytes, part: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return archive.read(part)


def with_part(part: str) -> Callable[[bytes], bytes]:
    """Puts bytes into a workbook in place of one of its parts."""

    def put(inner: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(BOOKS[0])) as old, zipfile.ZipFile(buffer, "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, inner if info.filename == part else old.read(info))
        return buffer.getvalue()

    return put


BOOKS = [workbook(table(",")), workbook(table(",", kinds="uv"), table(","))]
PARTS = ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml")


def h5ad(x: Any) -> bytes:
    """A small file of AnnData, written by hand."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if sparse.issparse(x):
            group = file.create_group("X")
            group.attrs.update({"encoding-type": f"{x.format}_matrix", "shape": x.shape})
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(x, name)
        else:
            file.create_dataset("X", data=x, chunks=True, compression="gzip")
        for name, axis in (("obs", 0), ("var", 1)):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group["_index"] = np.array([f"{name}{i}" for i in range(x.shape[axis])], "S")
        kinds = file["obs"].create_group("kind")
        kinds["codes"] = np.arange(x.shape[0], dtype=np.int8) % 3 - 1
        kinds["categories"] = np.array([b"u", b"v"])
    return buffer.getvalue()


H5AD = [
    h5ad(REAL), h5ad(GREY.reshape(24, -1).astype(np.float32)),
    h5ad(sparse.csr_matrix(GREY[:, :, 0])), h5ad(sparse.csc_matrix(GREY[:, :, 0].astype(float))),
]  # fmt: skip


def idx(x: Any, code: int) -> bytes:
    return bytes((0, 0, code, x.ndim)) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()


IDX = [idx(GREY, 8), idx(GREY[:, 0, 0], 8), idx(REAL.astype(">f8"), 14)]


def picture(kind: str, mode: str, **options: Any) -> bytes:
    x = RNG.integers(0, 256, (9, 8, 4), dtype=np.uint8)
    image = Image.fromarray(x[:, :, 0].astype(np.uint16) * 200 if mode == "I;16" else x)
    buffer = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(buffer, kind, **options)
    return buffer.getvalue()


def moving(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 9), colour) for colour in ("red", "green", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def exif() -> Image.Exif:
    held = Image.Exif()
    held[0x0112], held[0x010E] = 6, "turned"
    return held


PNG = [
    picture("PNG", "RGB"), picture("PNG", "RGBA"), picture("PNG", "I;16"), picture("PNG", "P", transparency=3),
    picture("PNG", "L", exif=exif()), moving("PNG"),
]  # fmt: skip
JPEG = [picture("JPEG", "RGB"), picture("JPEG", "CMYK"), picture("JPEG", "L", exif=exif(), progressive=True)]
OTHERS = {
    "x.tif": [picture("TIFF", "RGB"), picture("TIFF", "I;16", compression="tiff_lzw"), moving("TIFF")],
    "x.gif": [picture("GIF", "P"), moving("GIF")],
    "x.bmp": [picture("BMP", "RGB"), picture("BMP", "P")],
    "x.webp": [picture("WEBP", "RGB"), picture("WEBP", "RGBA", lossless=True)],
    "x.ppm": [picture("PPM", "RGB"), picture("PPM", "L"), b"P2 2 3 99\n1 2 3 4 5 99\n"],
    "x.jp2": [picture("JPEG2000", "RGB")],
}


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold now, as far as its lengths can be followed."""
    found, at = bytearray(data), 8
    while at + 12 <= len(found):
        end = at + 8 + int.from_bytes(found[at : at + 4], "big")
        if end + 4 > len(found):
            break
        found[end : end + 4] = zlib.crc32(found[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(found)


def in_folder(path: Path) -> Any:
    """A folder of one picture, read as it is and by a run of 16 bits."""
    read_pictures(path.parent, Pictures(skip_broken=True))
    return read_pictures(path.parent, Pictures(shape=(4, 5, 3), keeps_depth=len(path.read_bytes()) % 2 == 0))


def with_labels(path: Path) -> Any:
    return load(path, label="kind", domain="real")


def as_new(path: Path) -> Any:
    from unveil.data import read_new
    from unveil.domain import Domain

    return read_new(path, Domain("real", (2,)), columns=("a", "b"), drop="kind")


def members(path: Path) -> Any:
    return read_array(f"{path}:x")


def enter() -> None:
    """Register all of them."""
    register("t.csv", CSV, load)
    register("t.csv", LABELLED, with_labels, key="t.csv with labels")
    register("t.csv", [*CSV, *LABELLED], as_new, key="t.csv for a run")
    register("t.tsv", TSV, load)
    register("t.csv.gz", CSV, load, wrap=gzip.compress)
    register("t.csv.bz2", LABELLED, with_labels, wrap=bz2.compress)
    register("t.csv.zip", CSV, load, wrap=lambda inner: packed(inner, "t.csv"))
    register("bare.csv.gz", [gzip.compress(text) for text in CSV], load)
    register("bare.csv.zip", [packed(text, "t.csv") for text in CSV], load)
    register("t.zip", [packed(text, "t.csv") for text in CSV], load)
    register("t.xlsx", BOOKS, load)
    for part in PARTS:
        register("t.xlsx", [unpacked(BOOKS[0], part)], load, wrap=with_part(part), key=f"t.xlsx, {Path(part).stem}")
    register("t.parquet", arrow(), load)
    register("t.parquet", arrow(), with_labels, key="t.parquet with labels")
    register("t.parquet", arrow(), as_new, key="t.parquet for a run")
    register("x.npy", NPY, load)
    register("x.npz", NPY, load, wrap=packed, key="x.npz, inside")
    register("x.npz", [npz(x_train=GREY, y_train=GREY[:, 0, 0], x_test=GREY[:3]), npz(x=REAL, y=REAL[:, 0])], load)
    register("x.npz", [packed(text) for text in NPY], members, key="x.npz, one member")
    register("x.h5ad", H5AD, load)
    register("x.h5ad", H5AD, with_labels, key="x.h5ad with labels")
    register("x.gz", IDX, read_idx, wrap=gzip.compress, key="x.idx")
    register("x.gz", [gzip.compress(text) for text in IDX], read_idx, key="x.idx, bare")
    register("x.png", PNG, in_folder)
    register("x.png", PNG, in_folder, wrap=with_checksums, key="x.png with checksums")
    register("x.jpg", JPEG, in_folder)
    for name, corpus in OTHERS.items():
        register(name, corpus, in_folder)
    register("x.zip", [packed(b"text", "a.txt")], load)
    register("x.txt", [b"1 2 3\n4 5 6\n"], load)
