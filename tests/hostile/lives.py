"""The life of a small run, from its fit over judging and report to a second phase, and what it comes to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from unveil.errors import WorkError
from unveil.fitting.phases import continue_fitting
from unveil.fitting.prepare import Fitting
from unveil.runs.store import RunStore

CLOCKS = ("seconds", "continuations", "time")
STEPS = 4  # of the second phase


def page(run: RunStore) -> Path:
    """A report that is quickly made: no other file is written for a long one."""
    return run.write_report(f"{run.result['log_px']}")


def live(fitting: Fitting, path: Path, steps: int = STEPS, report: Callable[[RunStore], Any] = page) -> None:
    """A fit, or what of it is not done, and its second phase."""
    if not (path / "config.json").is_file():
        _all(replace(fitting, path=path).events(report))
    run = RunStore.load(path)
    if not (run.is_finished and run.report_path.is_file()):
        _all(continue_fitting(run, report))
    run = RunStore.load(path)
    if steps and run.number == 0:
        _all(continue_fitting(run, report, steps=steps))


def _all(events: Iterable[Any]) -> None:
    for _ in events:
        pass


def what_it_came_to(path: Path) -> dict[str, Any]:
    """Everything of a run but clocks, and what lies in its folders beside its files."""

    def read(name: str) -> list[Any]:
        text = (path / name).read_text(encoding="utf-8").replace(str(path), "RUN")
        return [json.loads(part) for part in (text.splitlines() if name.endswith("l") else [text])]

    config = read("config.json")[0]
    with safe_open(path / "scores.safetensors", framework="np") as file:  # whose words stand in any order
        scores = {name: file.get_tensor(name).tobytes() for name in file.keys()}, file.metadata()  # noqa: SIM118
    return {
        "weights": (path / "weights.safetensors").read_bytes(),
        "scores": scores,
        "metrics": _untimed(read("metrics.jsonl")),
        "result": _untimed(read("result.json")),
        "config": config | {"plan": _untimed(config["plan"])},
        "data": read("data.json"),
        "files": sorted({each.name for each in path.iterdir()} - {"continuations.json"}),
        "state": max(each.name for each in (path / "state").iterdir()),
    }


def _untimed(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _untimed(value) for name, value in found.items() if name not in CLOCKS}
    return [_untimed(value) for value in found] if isinstance(found, list) else found


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what differs."""
    return [name for name in one if one[name] != other[name]]


def forked(work: Callable[[], Any]) -> tuple[int, str]:
    """(exit status, or minus a signal; what was said) of a child that does the work: a sentence where it failed as it
    should, a traceback elsewhere."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        status, told = 70, ""
        try:
            told, status = str(work() or ""), 0
        except WorkError as error:
            told, status = str(error), 1
        except BaseException:
            import traceback

            told = traceback.format_exc()
        finally:
            sys.stdout.flush()
            os.write(writer, told.encode()[-60_000:])
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), said


def started(work: Callable[[], Any]) -> int:
    """The process id of a child that does the work; what it raises is printed."""
    if (child := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return child
