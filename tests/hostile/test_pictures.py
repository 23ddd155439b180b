"""Pictures of strangers: headers that declare too much, texts that unpack without end, frames without number."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hostile.fuzzing import require_sentence
from hostile.readers import PNG, moving, picture
from unveil.data import images, load
from unveil.data.filetree import Pictures
from unveil.data.folders import read_pictures
from unveil.data.published import read_idx
from unveil.errors import RequestError


def chunk(kind: bytes, held: bytes) -> bytes:
    return struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))


def png(width: int, height: int, extra: bytes = b"") -> bytes:
    """A PNG whose header declares what it likes."""
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress((b"\0" + bytes(3 * min(width, 8))) * min(height, 8))
    return b"\x89PNG\r\n\x1a\n" + start + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def unpacking(kind: bytes, before: bytes) -> bytes:
    return png(8, 8, chunk(kind, before + zlib.compress(bytes(2**24))))


BAD = {
    "99 megapixels": (png(9950, 9950), "more than 64 megapixels"),
    "10^9 pixels": (png(2**16 - 2, 2**16 - 2), "megapixels"),
    "a strip": (png(10**6, 1), "a side of more than 65,535"),
    "no pixels": (png(0, 5), "not a picture"),
    "a packed text": (unpacking(b"zTXt", b"a\0\0"), "too large"),
    "a packed profile": (unpacking(b"iCCP", b"a\0\0"), "too large"),
    "a drawing": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
    "cut off": (PNG[0][:-40], "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_picture_that_costs_too_much_is_refused_from_its_header(name: str, tmp_path: Path) -> None:
    content, said = BAD[name]
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(RequestError, match=said) as caught:
        read_pictures(tmp_path, Pictures())
    require_sentence(str(caught.value))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_many_frames_the_first_is_decoded_alone(kind: str, tmp_path: Path) -> None:
    (tmp_path / f"x.{kind.lower()}").write_bytes(moving(kind))
    x = read_pictures(tmp_path, Pictures()).x
    assert x.shape == (1, 9, 8, 3) and x[..., 0].min() > 200 and x[..., 1:].max() < 60


def test_a_large_picture_with_holes_is_made_smaller_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LARGE", 1000)
    x = np.full((600, 600, 4), (200, 40, 40, 255), np.uint8)
    x[:300, :, 3] = 0
    Image.fromarray(x).save(tmp_path / "x.png")
    found = read_pictures(tmp_path, Pictures(size=16)).x[0]
    assert np.abs(found[9:].astype(int) - (200, 40, 40)).max() <= 2 and found[:7].min() >= 253


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
def test_a_jpeg_is_read_in_any_mode(mode: str, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(picture("JPEG", mode))
    assert read_pictures(tmp_path, Pictures()).x.shape[:3] == (1, 9, 8)


def test_a_folder_of_a_drawing_alone_says_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_bytes(b"<svg/>")
    with pytest.raises(RequestError, match="no images, but 1 other file"):
        load(tmp_path)


IDX = {
    "another magic": (b"\1\2\3\4", "not an idx file"),
    "an unknown type": (b"\0\0\7\1" + bytes(8), "not an idx file"),
    "no size": (b"\0\0\10\0", "0 dimensions"),
    "more than it holds": (b"\0\0\10\1" + struct.pack(">I", 9) + bytes(8), "does not hold the 9 bytes"),
    "less than it holds": (b"\0\0\10\1" + struct.pack(">I", 7) + bytes(8), "does not hold the 7 bytes"),
    "a terabyte": (b"\0\0\10\3" + struct.pack(">III", 10**4, 10**4, 10**4), "are stored for them"),
    "255 sizes": (b"\0\0\10\377" + struct.pack(">255I", *[1] * 255) + b"\1", "255 dimensions"),
}


@pytest.mark.parametrize("name", IDX)
def test_an_idx_file_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    content, said = IDX[name]
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    with pytest.raises(RequestError, match=said) as caught:
        read_idx(tmp_path / "x.gz")
    require_sentence(str(caught.value))


def test_every_mirror_is_reached_over_tls() -> None:
    from unveil.data.published import Published
    from unveil.registry import load_all

    found = [getattr(source, "published", None) for source in load_all("source").values()]
    mirrors = [mirror for held in found if isinstance(held, Published) for mirror in held.mirrors]
    assert mirrors and all(mirror.startswith("https://") for mirror in mirrors)
