"""Faults for a process that carries out a command: it kills itself, as by `kill -9`, at the n-th call of a function.

Calls are counted from the first validation on, so that a checkpoint is being written when the fault strikes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import unveil.fitting.carry_out as carry_out
import unveil.train.checkpoint as checkpoint


def plain() -> None:
    """A fit is compared with nothing and gets no report, neither of which is resumed."""
    carry_out.fit_baselines = lambda data, **options: ([], ())
    end = carry_out._report
    carry_out._report = lambda run, report: end(run, lambda run: None)


def struck(name: str, number: int) -> None:
    """A plain fit that dies in the n-th call of a function out of write, fsync, rename."""
    plain()
    if name == "write":
        checkpoint.write_atomic = half_written(number)
    elif name == "fsync":
        os.fsync = fatal(os.fsync, number)
    else:
        os.replace = fatal(os.replace, number)


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
