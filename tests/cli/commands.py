"""Commands in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCE = str(Path(__file__).parents[2] / "src")


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


def start(*words: str, cwd: Path | None = None, python: tuple[str, ...] = ("-m", "unveil")) -> subprocess.Popen[str]:
    """`unveil WORDS`, begun."""
    found = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([SOURCE, *([found] if found else [])])}
    return subprocess.Popen(
        [sys.executable, *python, *words], cwd=cwd, env=environment, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for its end."""
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


def finish_after(process: subprocess.Popen[str], line: str, act: Callable[[], None]) -> Done:
    """Act as soon as standard error says `line`, and wait for the end."""
    assert process.stderr is not None
    seen = ""
    while line not in seen:
        came = process.stderr.readline()
        assert came, f"it ended without {line!r}: {seen}"
        seen += came
    act()
    done = finish(process)
    return Done(done.code, done.out, seen + done.err)
