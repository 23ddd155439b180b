"""Commands in a process of their own.

One that is merely another process is forked from a server that has imported everything already: importing torch takes
longer than most of what is asked of it. `start_python` starts Python itself.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).parents[2] / "src")
TESTS = str(Path(__file__).parents[1])
LONGEST = 300  # seconds that a command may take


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


class Command:
    """`unveil WORDS`, begun in a process of its own; its output goes to two files.

    Arguments: words; cwd, where; before, a function to call with `arguments` in that process first.
    """

    def __init__(
        self, words: tuple[str, ...], cwd: Path | None, before: Callable[..., None] | None = None, *arguments: Any
    ) -> None:
        self._files = [Path(tempfile.mkstemp(prefix="unveil-")[1]) for _ in range(2)]
        task = (words, str(cwd or Path.cwd()), [str(file) for file in self._files], before, arguments)
        self._process = server().Process(target=carry_out, args=task)
        self._process.start()

    @property
    def is_over(self) -> bool:
        return self._process.exitcode is not None

    @property
    def told(self) -> str:
        """What it has said on standard error so far."""
        return self._files[1].read_text(encoding="utf-8")

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def finish(self) -> Done:
        """Wait for its end; after a signal the exit status is its number, negative."""
        self._process.join(LONGEST)
        code = self._process.exitcode
        assert code is not None, "it did not end"
        out, err = (file.read_text(encoding="utf-8") for file in self._files)
        for file in self._files:
            file.unlink()
        return Done(code, out, err)


@functools.cache
def server() -> Any:
    """Where commands are forked from."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cli.preloaded"])
    found = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([SOURCE, TESTS, *([found] if found else [])])
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        os.environ.pop("PYTHONPATH") if found is None else os.environ.update(PYTHONPATH=found)
    return context


def carry_out(
    words: tuple[str, ...], cwd: str, files: list[str], before: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    """In the process of a command: what `python -m unveil` does."""
    from unveil.cli import main

    for number, (name, file) in enumerate(zip(("stdout", "stderr"), files, strict=True), start=1):
        os.dup2(os.open(file, os.O_WRONLY), number)
        setattr(sys, name, open(number, "w", encoding="utf-8", buffering=1, closefd=False))  # noqa: SIM115
    os.chdir(cwd)
    if before is not None:
        before(*arguments)
    sys.exit(main(words))


def start(*words: str, cwd: Path | None = None) -> Command:
    """`unveil WORDS`, begun."""
    return Command(words, cwd)


def start_python(*words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """`python WORDS`, begun."""
    found = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([SOURCE, *([found] if found else [])])}
    return subprocess.Popen(
        [sys.executable, *words], cwd=cwd, env=environment, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: Command | subprocess.Popen[str]) -> Done:
    """Wait for its end."""
    if isinstance(process, Command):
        return process.finish()
    out, err = process.communicate(timeout=LONGEST)
    return Done(process.returncode, out, err)


def finish_after(command: Command, line: str, act: Callable[[], None]) -> Done:
    """Act as soon as standard error says `line`, and wait for the end."""
    wait_until(lambda: line in command.told or command.is_over)
    assert line in command.told, f"it ended without {line!r}: {command.told}"
    act()
    return command.finish()


def wait_until(holds: Callable[[], bool]) -> None:
    """Look every 2 ms."""
    end = time.monotonic() + LONGEST
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
