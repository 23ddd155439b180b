"""metrics.jsonl of a run: a line for each point of its curves, in a plain file that only grows or is cut."""

import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ..errors import RequestError
from ..files import plain
from ..plainfiles import opened, read_plain, write_all, write_atomic, writing
from ..records import parsed
from .schemas import Row

MOST_BYTES = 128 * 2**20
PLACES = {"stage", "time"}  # the others of a row are numbers


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows, in order; none where there is no file. What is no row is left out, and that is said."""
    if not path.is_file():
        return []
    lines = _content(path).splitlines()
    rows = [row for line in lines if (row := _row(line)) is not None]
    if len(rows) < len(lines):
        told = f"{len(lines) - len(rows):,} of {len(lines):,} lines of {path} are no rows of curves; they are left out."
        warnings.warn(told, stacklevel=3)
    return rows


def _content(path: Path) -> bytes:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise RequestError(
            f"{path} has {size / 1e6:,.0f} MB, and at most {MOST_BYTES >> 20} MB of curves are read.",
            "Move it away to go without curves.",
        )
    return read_plain(path)


def _row(line: bytes) -> dict[str, Any] | None:
    """A row without what was not finite, or None where a line is no row."""
    try:
        found = parsed(line)
        msgspec.convert(found, Row)
    except (ValueError, RecursionError):
        return None
    held = {name: value for name, value in found.items() if value is not None}
    return held if all(type(held[name]) in (int, float) for name in held.keys() - PLACES) else None


def append_metrics(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, the whole of it or nothing; a number that is not finite is null."""
    with writing(path), opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
        size = os.fstat(handle).st_size
        try:
            write_all(handle, (json.dumps(plain(row), allow_nan=False) + "\n").encode())
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise


def sync_metrics(path: Path) -> int:
    """Bring the rows to the disk, and say how many bytes they are: a checkpoint counts on them."""
    with writing(path), opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
        os.fsync(handle)
        return os.fstat(handle).st_size


def cut_metrics(path: Path, size: int) -> None:
    """Bring the rows back to a checkpoint, after which they are made again.

    What was written after `size` bytes goes, and so do a half line and lines that are no rows. A file that lost rows is
    not filled up to `size`: that is said, since the curves have a gap then.
    """
    with writing(path), opened(path, os.O_RDWR | os.O_CREAT) as handle:
        found = os.fstat(handle).st_size
        with os.fdopen(os.dup(handle), "rb") as file:
            content = file.read(min(size, found))
        lines = content.splitlines(keepends=True)
        kept = b"".join(line for line in lines if line.endswith(b"\n") and _row(line) is not None)
        if content.startswith(kept):
            os.ftruncate(handle, len(kept))
    if len(kept) < size:
        told = f"{path} has lost {size - len(kept):,} of {size:,} bytes: its curves have a gap. Training is unchanged."
        warnings.warn(told, stacklevel=3)
    if not content.startswith(kept):
        write_atomic(path, kept)
