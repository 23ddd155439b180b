"""The memory that this process can still get: of the machine, of its control group, and of its address space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

GROUPS, MINE = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
FILES = {"": ("memory.max", "memory.current"), "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes")}


def available() -> tuple[float, str]:
    """(bytes, what sets the limit in words, "" for the machine itself)."""
    found = [
        (float(psutil.virtual_memory().available), ""),
        *((left, "the limit of its control group") for left in _left_in_groups()),
        *((left, "the limit of this process, ulimit -v") for left in _left_in_space()),
    ]
    least, why = min(found)
    return max(0.0, least), why


def _left_in_space() -> Iterator[float]:
    """Where the address space of this process is limited, what is left of it."""
    try:
        import resource
    except ImportError:  # no such limit in this system
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield float(limit - psutil.Process().memory_info().vms)


def _left_in_groups() -> Iterator[float]:
    """What is left to each control group that this process is in, and that has a limit."""
    for line in _read(MINE).splitlines():
        _, controllers, path = line.split(":", 2)
        name = "memory" if "memory" in controllers.split(",") else ""
        if name or not controllers:
            yield from _left_below(GROUPS / name, path, *FILES[name])


def _left_below(root: Path, path: str, limit: str, used: str) -> Iterator[float]:
    """Of a group and those above it; inside of a container the path may be one that is seen from outside."""
    folder = root / path.lstrip("/")
    for group in (folder, *folder.parents):
        if not group.is_relative_to(root):
            return
        most, now = _read(group / limit).strip(), _read(group / used).strip()
        if most.isdecimal() and now.isdecimal():
            yield float(int(most) - int(now) + _droppable(group))


def _droppable(group: Path) -> int:
    """Bytes of files that the system keeps in memory and lets go where others need it."""
    told = dict(line.split(maxsplit=1) for line in _read(group / "memory.stat").splitlines() if " " in line)
    return int(told.get("inactive_file", 0)) + int(told.get("active_file", 0))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # another system, or a group that cannot be seen from here
        return ""
