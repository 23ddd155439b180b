"""Functions called in a process forked from the server of `cli.commands`, where no signature is checked.

The tests' checks are not what is compiled for a user, and torch cannot trace them. Importing torch's tracer takes
longer than tracing what is small; the server has imported it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from cli.commands import server


def forked(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a module makes of its arguments there; what it raises fails the test."""
    ours, theirs = server().Pipe(duplex=False)
    process = server().Process(target=_answer, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    found, wrong = ours.recv()
    process.join()
    assert wrong is None, wrong
    return found


def _answer(to: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        to.send((function(*arguments), None))
    except Exception:
        to.send((None, traceback.format_exc()))
