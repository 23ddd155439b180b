"""The life of a small run, from its fit over judging and report to a second phase, and what it comes to."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from hostile.disk import Disk, standing_between
from quick import QUICK, short_probes
from unveil.errors import WorkError
from unveil.fitting.phases import continue_fitting
from unveil.fitting.prepare import Fitting, prepare
from unveil.runs.store import RunStore

OPTIONS = QUICK | {"train.valid_every": 4, "model.width": 4, "model.latent": 2, "train.steps": 12}
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


@dataclass(frozen=True)
class Struck:
    """What became of a life that was struck at a call.

    Arguments: status, how it ended; told, its sentence; left, temporary files; again, what was wrong with going on, ""
    for nothing; differs, in what the run is another one then.
    """

    status: int
    told: str
    left: tuple[str, ...]
    again: str
    differs: tuple[str, ...]

    @property
    def wrong(self) -> str:
        """What is not as it is promised; "" for nothing."""
        if self.status not in (0, 1, -9):
            return f"ended with status {self.status}: {self.told[-1500:]}"
        if self.left or self.again or self.differs:
            return f"left {self.left}; {self.again or 'went on'}; differs in {self.differs}"
        return ""


class Lives:
    """Lives of one small fit on a file of 60 points.

    Arguments: folder, for all of them; options, of the fit. calls, those that write in a life that is left alone, each
    as its name and its file; whole, what it comes to.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder.resolve()
        np.save(self.folder / "x.npy", np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32))
        self.fit = prepare(str(self.folder / "x.npy"), out=self.folder / "any", options=OPTIONS | options)
        status, told = forked(self._whole)
        assert status == 0, told
        self.calls = [(name, file) for name, file in json.loads(told)]
        self.whole = what_it_came_to(self.folder / "whole")

    def _whole(self) -> str:
        with standing_between(Disk(self.folder / "whole")) as disk:
            live(self.fit, self.folder / "whole")
        return json.dumps(disk.calls)

    def struck(self, number: int, fault: str) -> Struck:
        """A life with a fault at a call, from 1, and what another process makes of it."""
        path = self.folder / "run"
        shutil.rmtree(path, ignore_errors=True)

        def begun() -> None:
            with standing_between(Disk(path, number, fault)):
                live(self.fit, path)

        status, told = forked(begun)
        fails = status == 1 and fault != "read-only"
        left = tuple(each.name for each in path.rglob(".unveil-*")) if fails else ()
        code, said = forked(lambda: live(self.fit, path))
        again = f"status {code}: {said[-1500:]}" if code else ""
        return Struck(
            status, told, left, again, tuple(differing(self.whole, what_it_came_to(path)) if not code else ())
        )

    def nth(self, call: str, file: str, n: int) -> int:
        """The number of the n-th call of that name on files whose names begin so."""
        return [i for i, (name, of) in enumerate(self.calls, 1) if name == call and of.startswith(file)][n]


Case = tuple[str, str, str, int]


def struck_lives(folder: str, cases: Sequence[Case]) -> list[Struck]:
    """Lives that are struck at the n-th call on a file: (fault, call, file, n)."""
    with short_probes():
        lives = Lives(Path(folder), **{"train.steps": 4, "train.valid_every": 2})
        return [lives.struck(lives.nth(call, file, n), fault) for fault, call, file, n in cases]
