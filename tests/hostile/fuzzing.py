"""Files that nobody wrote on purpose: what changes bytes, the readers that take them, and what may come of it.

`register(name, corpus, read)` enters a reader: each case is one text of its corpus, changed, written to a file called
`name` in an empty folder, and handed to `read`. That may return whatever it likes or refuse with a sentence of ours;
any other exception is a fault. Everything is drawn from `random.Random`: a case is repeated by its seed.
"""

from __future__ import annotations

import json
import random
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.errors import RequestError, WorkError

SIZES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
NUMBERS = (
    b"", b"0", b"-0", b"-1", b"1e999", b"-1e308", b"1e-320", b"nan", b"inf", b"9" * 40, b"7" * 5000, b"0x1F", b"1_0",
    b"18446744073709551615", b"-9223372036854775809", b"1,5", b"1.5.2", b"1e", "٣".encode(), b"true", b"null",
)  # fmt: skip
WORDS = (
    b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"{", b"}", b"[", b"]", b":", b"(", b"%", b"\\", b"..", b"/", b"$(x)", b"\x1b[2J", "\u202e".encode(), b"[" * 3000,
)  # fmt: skip
KEYS = ("new", "kind", "name", "class", "domain")
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 3, 7, 64, 0.5, 10**6, 2**31, 2**62, 2**70, 1e300, -1e300, "", "x", "vae", "auto",
    "levels", "real", "iwae", "exact", "cuda", "\x1b[2J", "\udcff", "a" * 5000, [], [1], [[1]], {}, {"a": 1},
)  # fmt: skip
MOST = 1 << 16  # bytes that a change adds, at most


@dataclass(frozen=True)
class Reader:
    """A way to read a file.

    Arguments: name, of the file, whose ending may matter; corpus, whole files; read, of the file's path; wrap, what
    makes a file of a changed text: a compression, or checksums that are right again.
    """

    name: str
    corpus: list[bytes]
    read: Callable[[Path], object]
    wrap: Callable[[bytes], bytes] = bytes


READERS: dict[str, Reader] = {}


def register(
    name: str,
    corpus: list[bytes],
    read: Callable[[Path], object],
    *,
    wrap: Callable[[bytes], bytes] = bytes,
    key: str = "",
) -> None:
    """Enter a reader under its file's name, or under `key` where several read such a file."""
    READERS[key or name] = Reader(name, corpus, read, wrap)


def flip(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def insert(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 30)))


def remove(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 30, 300))]


def duplicate(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    at, size = rng.randrange(len(data)), rng.choice((1, 4, 30, 300))
    piece = bytes(data[at : at + size])
    data[at:at] = piece * min(rng.choice((1, 2, 50)), MOST // len(piece))


def splice(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    other = rng.choice(corpus)
    start = rng.randrange(len(other))
    piece, at = other[start : start + rng.choice((8, 100, 1000))], rng.randrange(len(data))
    data[at : at + rng.choice((0, len(piece)))] = piece


def resize(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    """Another number where a length may stand, of 1, 2, 4 or 8 bytes and in either order."""
    code = rng.choice("BHIQ")
    width = struct.calcsize(code)
    at, value = rng.randrange(len(data)), rng.choice((*SIZES, len(data), len(data) + 1)) % 256**width
    data[at : at + width] = struct.pack(rng.choice("<>") + code, value)


def renumber(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    """Another number in place of one that is written in digits."""
    if found := list(re.finditer(rb"[0-9][0-9.]*", data)):
        start, end = rng.choice(found).span()
        data[start:end] = rng.choice(NUMBERS)


def reword(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.choice((0, 1))] = rng.choice(WORDS)


def revalue(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    """Another value at a place of JSON, or none, or one more; data that is no JSON stays as it is."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return
    if found := list(holders(whole)):
        held = rng.choice(found)
        place = rng.choice(list(held) if isinstance(held, dict) else range(len(held)))
        if rng.random() < 0.2:
            del held[place]
        elif rng.random() < 0.1 and isinstance(held, dict):
            held[rng.choice(KEYS)] = rng.choice(VALUES)
        else:
            held[place] = rng.choice(VALUES)
        data[:] = json.dumps(whole).encode()


def holders(value: Any) -> Iterator[Any]:
    """Objects and lists that hold something, from the outermost inwards."""
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from holders(inner)


CHANGES = (flip, truncate, insert, remove, duplicate, splice, resize, renumber, reword, revalue)


def case(reader: Reader, seed: int) -> bytes:
    """The file of a seed: a text of the corpus with one to four changes."""
    rng = random.Random(f"{reader.name} {seed}")
    data = bytearray(rng.choice(reader.corpus))
    for _ in range(rng.choice((1, 1, 2, 4))):
        if data:
            rng.choice(CHANGES)(data, rng, reader.corpus)
    return reader.wrap(bytes(data))


def attempt(reader: Reader, content: bytes, folder: Path) -> tuple[str, str]:
    """("read" or "refused", what was said): any other exception passes through, and a warning is one."""
    path = folder / reader.name.replace(".", "-") / reader.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader.read(path)
    except (RequestError, WorkError) as error:
        require_sentence(str(error))
        return "refused", str(error)
    return "read", ""


def require_sentence(said: str) -> None:
    """A refusal is short, on one line, and can be printed."""
    assert said[:1].isprintable() and len(said.splitlines()) == 1, f"no sentence: {said[:300]!r}"
    assert len(said) < 4000, f"{len(said)} characters: {said[:300]!r}"
