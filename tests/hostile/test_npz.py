"""Archives of strangers: values of no size or of gigabytes, text that is none, names that come twice or never end."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostile.fuzzing import require_sentence
from hostile.readers import GREY, npy
from unveil.data import load
from unveil.errors import RequestError


def declared(shape: str, descr: str, more: str = "") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, {more}}}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as made:
        warnings.simplefilter("ignore")  # of a name that comes twice
        for name, content in members:
            made.writestr(f"{name}.npy", content)
    return buffer.getvalue()


X = npy(GREY)
ARRAYS = {
    "S0": (declared("(10**12,)".replace("10**12", "1000000000000"), "'|S0'"), "values of no size"),
    "U0": (declared("(24, 3)", "'<U0'"), "values of no size"),
    "V0": (declared("(24, 3)", "'|V0'"), "values of no size"),
    "S2000000000": (declared("(24, 3)", "'|S2000000000'"), "cut off or altered"),
    "nothing, wide": (declared("(0, 1000000000000)", "'|S2000000000'"), "too big"),
    "3,000 sizes": (declared("(" + "1," * 3000 + ")", "'|u1'") + b"\0", "shape of 3,000 sizes"),
    "no characters": (declared("(12,)", "'<U1'") + struct.pack("<12I", *[0x110000] * 12), "code points"),
    "a literal without end": (declared("(2, 2)", "'|u1'", "'x': " + "-" * 9000 + "1") + bytes(4), "cannot be read"),
}


def refused(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        load(path)
    require_sentence(str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("kind", ["npy", "npz"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_are_none_are_refused(name: str, kind: str, tmp_path: Path) -> None:
    content, said = ARRAYS[name]
    assert re.search(said, refused(content if kind == "npy" else archive(("x", content)), tmp_path / f"x.{kind}"))


def test_splits_of_no_dimension_and_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    one = npy(np.array(3.0))
    assert "row an example" in refused(archive(("x_train", one), ("x_test", one)), tmp_path / "x.npz")
    assert "2 arrays called 'x'" in refused(archive(("x", X), ("x", X)), tmp_path / "x.npz")


def test_names_without_end_are_shown_in_part(tmp_path: Path) -> None:
    many = [(f"a{i}", X) for i in range(300)]
    said = refused(archive(("\x1b[2J", X), ("n" * 60_000, X), *many), tmp_path / "x.npz")
    assert "'\\x1b[2J'" in said and "282 more" in said and len(said) < 1000


LABELS: dict[str, Any] = {
    "no characters": declared("(24,)", "'<U1'") + struct.pack("<24I", *[0x110000] * 24),
    "no size": declared("(24,)", "'|S0'"),
    "one": npy(np.array(3)),
    "beyond 64 bits": npy(np.full(24, 1e300)),
    "records": npy(np.zeros(24, [("a", "f4")])),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_none_are_left_out_and_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(archive(("x", X), ("y", LABELS[name])))
    data = load(tmp_path / "x.npz")
    assert data.classes is None and any("y was not taken as labels" in note for note in data.notes)


def test_latents_beyond_float32_are_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(archive(("x", X), ("z", npy(np.full((24, 2), 1e300)))))
    assert any("z was not taken as known latents" in note for note in load(tmp_path / "x.npz").notes)


def test_a_name_outside_the_folder_is_only_a_name(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(archive(("../../x", X)))
    assert len(load(tmp_path / "x.npz").train) == 20 and sorted(tmp_path.iterdir()) == [tmp_path / "x.npz"]
