"""Files that are whole or not there: written under a temporary name, flushed to the disk, renamed."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from .errors import RequestError, WorkError


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` so that a reader finds the old file or the new one, whatever happens in between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkError(f"{path} could not be written: {error.strerror or error}.") from error


def sync_directory(path: Path) -> None:
    """Flush a directory's entries to the disk (nothing to do where the system has no such call)."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON; a non-finite number is an error here, it must be null with a `why`."""
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, format: str) -> dict[str, Any]:
    """Read an object whose "format" is `format`; older code refuses a newer format in a sentence."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RequestError(f"{path} could not be read as JSON ({type(error).__name__}).") from error
    came = found.get("format") if isinstance(found, dict) else None
    if came != format:
        raise RequestError(f"{path} has the format {came!r} and this version reads {format!r}.", "Update unveil.")
    return dict(found)


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
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_output(path: Path) -> Path:
    """Refuse, before any work, an output file whose folder is missing or cannot be written."""
    path = Path(path)
    folder = path.parent if str(path.parent) else Path(".")
    if path.is_dir():
        raise RequestError(f"{path} is a directory; the output must be a file.")
    if not folder.is_dir():
        raise RequestError(f"The folder {folder} does not exist; create it first.")
    if not os.access(folder, os.W_OK):
        raise RequestError(f"There is no permission to write in {folder}; choose another place.")
    return path


def check_space(folder: Path, needed: int) -> None:
    """Refuse, before any work, when the disk has less free space than `needed` bytes."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RequestError(f"{folder} has {free / 1e6:.0f} MB free and the run needs {needed / 1e6:.0f} MB; make room.")
