"""JSON files, sums of files, and what is checked of an output before any work."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from .errors import RequestError
from .plainfiles import at_home, opened, write_atomic


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON; a non-finite number is an error here, it must be null with a `why`.

    What is no UTF-8 in a path is written as JSON escapes it (`\\udcff`), and read back as it was.
    """
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomic(path, text.encode(errors="backslashreplace"))


def finite(value: float | None) -> float | None:
    """A number for JSON: null when it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


class Plain:
    """A dataclass that JSON holds field by field, without the fields that its repr leaves out."""

    def to_json(self) -> dict[str, Any]:
        return {f.name: plain(getattr(self, f.name)) for f in fields(cast(Any, self)) if f.repr}


def plain(value: Any) -> Any:
    """A value for JSON: what is `Plain`, mappings and sequences piece by piece, a number that is not finite as null."""
    if isinstance(value, Plain):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return finite(value) if isinstance(value, float) else value


def sha256_of(path: Path) -> str:
    with opened(path, os.O_RDONLY) as handle, os.fdopen(handle, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_output(path: Path) -> Path:
    """Refuse, before any work, an output file whose folder is missing or cannot be written."""
    path = at_home(path)
    folder = path.parent if str(path.parent) else Path(".")
    if path.is_dir():
        raise RequestError(f"{path} is a directory; the output must be a file.")
    if not folder.is_dir():
        raise RequestError(f"The folder {folder} does not exist; create it first.")
    through = path.exists() and not path.is_file()  # a FIFO or a device is written itself
    if not os.access(path if through else folder, os.W_OK):
        raise RequestError(f"There is no permission to write in {path if through else folder}; choose another place.")
    return path


def check_space(folder: Path, needed: int) -> None:
    """Refuse, before any work, when the disk has less free space than `needed` bytes."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RequestError(f"{folder} has {free / 1e6:.0f} MB free and the run needs {needed / 1e6:.0f} MB; make room.")
