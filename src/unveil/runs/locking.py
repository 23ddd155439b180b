"""One writer at a time: a lock that the system drops with its process, and a note of who holds it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from ..errors import RequestError
from ..files import write_json
from ..plainfiles import make_folder, remove_temporary, require_plain, writing
from ..records import Count, Text, read_record
from .paths import BEGUN, HOLDER, LOCK, check_new

FORMAT = "unveil-holder-1"
PATIENCE, EVERY = 0.3, 0.02  # seconds that a holder may take to be gone, and between two looks
SLACK = 2.0  # seconds by which two clocks may differ on when a process began


class HolderFile(Struct):
    """.lock.json: the process that holds a run, since when, and when the process began."""

    format: Text
    pid: Count
    host: Text
    since: Annotated[float, Meta(ge=0, le=4e9)]
    begun: Annotated[float, Meta(ge=0, le=4e9)]


@contextlib.contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Keep a second process out of a run while this one writes in it; the second is told who this one is."""
    from filelock import FileLock, Timeout  # here, so that a packed model opens without it

    require_plain(run / LOCK)
    lock = FileLock(run / LOCK)
    with writing(run / LOCK):
        try:
            lock.acquire(timeout=PATIENCE, poll_interval=EVERY)
        except Timeout as error:
            raise RequestError(f"{holder(run) or 'Another process'} is working on {run}.", _advice(run)) from error
    try:
        remove_temporary(run)
        write_json(run / HOLDER, _self())
        yield
    finally:
        with contextlib.suppress(OSError):  # a note that stays is told from a true one by its process
            (run / HOLDER).unlink(missing_ok=True)
        lock.release()


def holder(run: Path) -> str:
    """Who is working on a run, in words; "" where nobody is known to be."""
    found = _noted(run)
    if found is None:
        return ""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["since"]))
    return f"Another process ({found['pid']} on {found['host']}, since {since})"


def _advice(run: Path) -> str:
    found = _noted(run)
    here = found is not None and found["host"] == socket.gethostname()
    return f"Wait for it, or stop it: kill {found['pid']}" if found and here else "Wait for it, or stop it."


def _self() -> dict[str, Any]:
    begun = {"since": round(time.time(), 3), "begun": _begun(os.getpid())}
    return {"format": FORMAT, "pid": os.getpid(), "host": socket.gethostname()} | begun


def _noted(run: Path) -> dict[str, Any] | None:
    """What the holder wrote of itself; None where the process that wrote it is gone, as after `kill -9`."""
    try:
        found = read_record(run / HOLDER, FORMAT, HolderFile)
    except (OSError, RequestError):  # there is none, or another version wrote it
        return None
    pid, begun, since = found["pid"], found["begun"], found["since"]
    host = re.sub(r"[^\w.-]", "?", found["host"])[:64]
    if host == socket.gethostname() and abs(_begun(pid) - begun) > SLACK:
        return None
    return {"pid": pid, "host": host, "since": since}


def _begun(pid: int) -> float:
    """When a process began, in seconds; 0 where there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


@contextlib.contextmanager
def made_alone(path: Path, numbered: bool = False) -> Iterator[Path]:
    """A folder for a new run that no other process makes or fills in the meantime; it goes where the work fails.

    Arguments: numbered, whether a name that is taken means the next number.
    """
    make_folder(path.parent)
    made = _made(path)
    while numbered and not made:
        path = _next(path)
        made = _made(path)
    check_new(path)
    try:
        with only_one(path):
            check_new(path)  # another may have filled it before this one held it
            try:
                yield path
            except BaseException:
                _empty(path)
                raise
    except BaseException:
        if made:
            with contextlib.suppress(OSError):  # it is not empty: another process has it
                path.rmdir()
        raise


def _made(path: Path) -> bool:
    """Whether the folder was made just now, by this process; not where the name is taken."""
    with writing(path):
        try:
            path.mkdir()
        except FileExistsError:
            return False
    return True


def _empty(path: Path) -> None:
    """Remove what the beginning of a run wrote."""
    with contextlib.suppress(OSError):
        for name in BEGUN:
            (path / name).unlink(missing_ok=True)


def _next(path: Path) -> Path:
    return path.with_name(re.sub(r"\d+$", lambda number: str(int(number[0]) + 1), path.name))
