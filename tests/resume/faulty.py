"""Run the command line with a fault: the process kills itself, as by `kill -9`, at the n-th call of a function.

Usage: python faulty.py FUNCTION N ARGUMENTS…, FUNCTION out of write, fsync, rename. Calls are counted from the first
validation on, so that a checkpoint is being written when the fault strikes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import unveil.train.checkpoint as checkpoint
from unveil.cli import main


def fatal(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return wrapped


def half_written(number: int) -> Callable[..., Any]:
    """`write_atomic` that dies with half of the bytes in its file."""
    whole, calls = checkpoint.write_atomic, 0

    def write(path: Any, content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            with open(path.with_name(f".{path.name}.half.tmp"), "wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        whole(path, content)

    return write


if __name__ == "__main__":
    name, number, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if name == "write":
        checkpoint.write_atomic = half_written(number)
    elif name == "fsync":
        os.fsync = fatal(os.fsync, number)
    else:
        os.replace = fatal(os.replace, number)
    sys.exit(main(arguments))
