"""metrics.jsonl of a run: a line for each point of its curves, in a plain file that only grows or is cut."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..plainfiles import opened, read_plain, write_all, writing


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows, in order; none where there is no file."""
    return [json.loads(line) for line in read_plain(path).decode().splitlines()] if path.is_file() else []


def append_metrics(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, the whole of it or nothing."""
    with writing(path), opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
        size = os.fstat(handle).st_size
        try:
            write_all(handle, (json.dumps(row) + "\n").encode())
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
    """Drop the rows after a checkpoint, which are made again. A file that lost rows is not filled up to `size`."""
    with writing(path), opened(path, os.O_RDWR | os.O_CREAT) as handle:
        kept = min(size, os.fstat(handle).st_size)
        with os.fdopen(os.dup(handle), "rb") as file:
            whole = file.read(kept).rfind(b"\n") + 1  # a line that was being written is dropped
        os.ftruncate(handle, whole)
