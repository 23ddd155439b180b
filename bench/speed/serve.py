"""The contender's side of a measurement: a process that is started once, warms up, and runs a round when told to.

python -m speed.MODULE JOB      JOB is a JSON object; lines of JSON on standard output, one per answer
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch


class Contender(Protocol):
    """What takes part: facts about it, one timed round, and what is known at the end."""

    def facts(self) -> dict[str, Any]: ...
    def round(self) -> dict[str, Any]: ...
    def finish(self) -> dict[str, Any]: ...


class Line:
    """The conversation with the one who asks; whatever libraries print goes to standard error."""

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=self.out, flush=True)

    def wait(self) -> bool:
        """Wait for the next word; whether it asks for a round."""
        return sys.stdin.readline().strip() == "round"

    def end(self, found: dict[str, Any]) -> None:
        self.say(found | {"peak_gib": peak_memory() / 2**30})


def peak_memory() -> int:
    """The most bytes that this process held; getrusage on Linux would count those of the process that started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status.read_text(encoding="utf-8"))[1])  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def job() -> dict[str, Any]:
    """What this process is to do, with its fixed number of threads."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    return asked


def serve(start: Callable[[dict[str, Any]], Contender]) -> None:
    """Start a contender, then one round for each word, then its last words."""
    line = Line()
    contender = start(job())
    line.say(contender.facts())
    while line.wait():
        line.say(contender.round())
    line.end(contender.finish())


def wait_for_device(device: str) -> None:
    """An accelerator's queue is empty when this returns."""
    if device != "cpu":
        torch.cuda.synchronize()
