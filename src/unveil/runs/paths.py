"""Where a run may be written, and which runs are near a path."""

import os
import re
from itertools import count
from pathlib import Path

from ..errors import RequestError
from ..legible import quoted
from ..plainfiles import TEMPORARY, require_folder, require_plain

OWN = (
    "config.json", "data.json", "result.json", "diagnosis.json", "continuations.json", "metrics.jsonl", "pack.json",
    "weights.safetensors", "scores.safetensors", "texts.safetensors", "report.html", ".lock", ".lock.json",
)  # fmt: skip
LOCK, HOLDER = OWN[-2:]
BEGUN = ("config.json", "data.json", "texts.safetensors", HOLDER, LOCK)  # what the beginning of a run writes


def check_new(path: Path) -> None:
    """Refuse to write a run where anything is, or under a name that its weights cannot be read by."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"The run came as {path}; the name of a run is UTF-8.", "Choose another --out.") from error
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not is_begun(path)):
        held = missing_file(path) is None
        hint = f"Choose another --out{f', or go on with it: unveil resume {quoted(path)}' if held else '.'}"
        what = "holds a run" if held else "is not empty"
        raise RequestError(f"{path} {what}, and a run is never overwritten.", hint)
    check_writable(path)


def is_begun(path: Path) -> bool:
    """Whether a folder holds only what a killed fit left that had not come to its config.json."""
    names = {each.name for each in path.iterdir()}
    return LOCK in names and all(name in BEGUN[1:] or TEMPORARY.fullmatch(name) for name in names)


def check_writable(path: Path) -> None:
    """Refuse a path whose nearest existing folder cannot be written in."""
    folder = path
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise RequestError(
            f"There is no permission to write in {folder}, where {path} would be.", "Choose another --out."
        )


def default_path(source_name: str, model_name: str) -> Path:
    """runs/<source>-<model>-<n>, n the first free number."""
    stem = re.sub(r"[^\w.-]+", "_", f"{source_name}-{model_name}").strip("_")
    paths = (Path("runs") / f"{stem}-{number}" for number in count(1))
    return next(path for path in paths if not path.exists())


def require_own(path: Path) -> None:
    """Refuse a run of whose files one is a link, a FIFO or a device: it could lead out of the folder."""
    for name in OWN:
        require_plain(path / name)
    require_folder(path / "state")


def missing_file(path: Path) -> str | None:
    """The name of a file that every run and pack has and this folder lacks."""
    return next((name for name in ("config.json", "data.json") if not (path / name).is_file()), None)


def runs_in(folder: Path) -> list[Path]:
    """The runs in a folder, the oldest first."""
    found = sorted(folder.glob("*/config.json"), key=lambda p: p.stat().st_mtime) if folder.is_dir() else []
    return [path.parent for path in found]


def nearby_runs(path: Path) -> str:
    """A hint that names runs near a path that is none."""
    found = sorted(runs_in(path if path.is_dir() else path.parent))[:3]
    return f"Runs there: {', '.join(map(str, found))}." if found else "Make one with: unveil fit SOURCE"
