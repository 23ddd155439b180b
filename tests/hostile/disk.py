"""A disk with faults: every call that writes below a folder is counted, and one of them fails, or ends the process.

What stands between a program and its disk here is `os`: open for writing, write, fsync, ftruncate, replace, unlink,
mkdir and rmdir.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CALLS = ("open", "write", "fsync", "ftruncate", "replace", "unlink", "mkdir", "rmdir")
FAULTS = ("ENOSPC", "EIO", "full", "read-only", "killed before", "killed after", "killed within")


@dataclass
class Disk:
    """What is to happen at one call.

    Arguments:
        folder: below which calls count.
        number: of the call, from 1; 0 for none.
        fault: "ENOSPC" or "EIO", that it fails with once; "full" or "read-only", what the disk is from there on;
            "killed before", "killed after" or, of a write, "killed within".
        calls: those that were made, each as its name and its file.
    """

    folder: Path
    number: int = 0
    fault: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    struck: bool = False
    _paths: dict[int, str] = field(default_factory=dict)

    def met(self, name: str, path: str) -> bool:
        """Count a call, and say whether it is the one; calls elsewhere are not counted."""
        if not (path + "/").startswith(f"{self.folder}/"):
            return False
        self.calls.append((name, os.path.relpath(path, self.folder)))
        return len(self.calls) == self.number or (self.struck and self.fault in ("full", "read-only"))

    def strike(self, name: str, act: Any, half: Any) -> Any:
        """Meet the call.

        Arguments: act, the call; half, a part of it, for a write.
        """
        self.struck = True
        if self.fault.startswith("killed"):
            {"killed before": lambda: None, "killed after": act, "killed within": half}[self.fault]()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "full" and name in ("unlink", "rmdir", "replace", "fsync", "ftruncate"):
            return act()  # a full disk lets files go, and renames them
        if self.fault in ("ENOSPC", "full"):
            half()
        number = {"EIO": errno.EIO, "read-only": errno.EROFS}.get(self.fault, errno.ENOSPC)
        raise OSError(number, os.strerror(number))

    def path_of(self, target: Any, dir_fd: int | None) -> str:
        if isinstance(target, int):
            return self._paths.get(target, "")
        base = self._paths.get(dir_fd, "") if dir_fd is not None else os.getcwd()
        return os.path.join(base, os.fspath(target))


@contextmanager
def standing_between(disk: Disk) -> Iterator[Disk]:
    """All calls inside the block go by the disk."""
    kept = {name: getattr(os, name) for name in (*CALLS, "close")}

    def opened(path: Any, flags: int, *args: Any, dir_fd: int | None = None) -> int:
        def act() -> int:
            handle: int = kept["open"](path, flags, *args, dir_fd=dir_fd)
            disk._paths[handle] = where
            return handle

        where = disk.path_of(path, dir_fd)
        if flags & WRITES and disk.met("open", where):
            return int(disk.strike("open", act, lambda: None))
        return act()

    def closed(handle: int) -> None:
        disk._paths.pop(handle, None)
        kept["close"](handle)

    def of_one(name: str) -> Any:
        def call(target: Any, *args: Any, dir_fd: int | None = None, **more: Any) -> Any:
            given = {**more, **({} if dir_fd is None else {"dir_fd": dir_fd})}

            def act() -> Any:
                return kept[name](target, *args, **given)

            def half() -> None:
                if name == "write":
                    kept[name](target, bytes(args[0])[: len(args[0]) // 2])

            return disk.strike(name, act, half) if disk.met(name, disk.path_of(target, dir_fd)) else act()

        return call

    def replaced(one: Any, other: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        def act() -> None:
            kept["replace"](one, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        met = disk.met("replace", disk.path_of(other, dst_dir_fd))
        disk.strike("replace", act, lambda: None) if met else act()

    own = {"open": opened, "close": closed, "replace": replaced}
    for name in (*CALLS, "close"):
        setattr(os, name, own.get(name) or of_one(name))
    try:
        yield disk
    finally:
        for name, function in kept.items():
            setattr(os, name, function)
