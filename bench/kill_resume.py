"""Kill a digits fit with SIGKILL at a random moment, resume it, compare with a fit that was left alone; 200 times.

Usage: python bench/kill_resume.py [TIMES] [WORKERS]

Each fit runs in a forked process that is killed after a random time between the making of its run directory and the
end of its training; a second forked process resumes it. Weights must agree to the last bit, metrics but for the clock.
Prints one line per difference and a last line with the count; exit status 1 when anything differed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from unveil.fitting.carry_out import carry_out
from unveil.fitting.events import Working
from unveil.fitting.prepare import prepare
from unveil.report import write_report
from unveil.runs.store import RunStore

OPTIONS = {"train.steps": 400, "train.valid_every": 20, "model.width": 64, "model.latent": 8}


def train(path: Path) -> None:
    """Fit until training is over (judging and the report change neither weights nor metrics)."""
    for event in prepare("digits", out=path, options=OPTIONS).events(write_report):
        if isinstance(event, Working):
            return


def go_on(path: Path) -> None:
    for event in carry_out(RunStore.load(path), write_report):
        if isinstance(event, Working):
            return


def forked(work: Callable[[Path], None], path: Path) -> int:
    """The process id of a child that does the work and ends with status 0."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(path)
            status = 0
        finally:
            os._exit(status)
    return child


def fingerprint(run: Path) -> tuple[bytes, list[dict[str, float]]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return (run / "weights.safetensors").read_bytes(), [{k: v for k, v in r.items() if k != "time"} for r in rows]


def kill_once(folder: Path, span: float, rng: random.Random) -> tuple[str, int]:
    """(what happened: "killed" or "ended before the kill", the step that the second process started from)."""
    shutil.rmtree(folder, ignore_errors=True)
    child = forked(train, folder)
    while not (folder / "config.json").exists():
        time.sleep(0.0005)
    time.sleep(rng.uniform(0, span))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        return "ended before the kill", -1
    saved = [int(f.name) for f in (folder / "state").glob("[0-9]*")] if (folder / "state").is_dir() else []
    _, status = os.waitpid(forked(go_on, folder), 0)
    return ("killed" if status == 0 else "not resumed"), max(saved, default=0)


def trials(folder: Path, times: int, seed: int) -> list[int]:
    """The steps that resumed fits started from; a difference is told and counted as −1."""
    child = forked(train, folder / "whole")
    while not (folder / "whole" / "config.json").exists():
        time.sleep(0.0005)
    start = time.perf_counter()
    os.waitpid(child, 0)
    span, whole = time.perf_counter() - start, fingerprint(folder / "whole")
    rng, found = random.Random(seed), []
    while len(found) < times:
        what, step = kill_once(folder / "run", span, rng)
        if what == "ended before the kill":
            continue
        same = what == "killed" and fingerprint(folder / "run") == whole
        if not same:
            print(f"trial {len(found)} of worker {seed}: {what}, from step {step}, differs", flush=True)
        found.append(step if same else -1)
        if len(found) % 20 == 0:
            print(f"worker {seed}: {len(found)} kills, {sum(step >= 0 for step in found)} identical", flush=True)
    return found


def main(times: int = 200, workers: int = 2) -> int:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        shares = [times // workers + (i < times % workers) for i in range(workers)]
        children = []
        for i, share in enumerate(shares):
            (Path(name) / str(i)).mkdir()

            def work(folder: Path, share: int = share, seed: int = i) -> None:
                (folder / "found.json").write_text(json.dumps(trials(folder, share, seed)))

            children.append(forked(work, Path(name) / str(i)))
        for child in children:
            os.waitpid(child, 0)
        found = [step for i in range(workers) for step in json.loads((Path(name) / str(i) / "found.json").read_text())]
    same = [step for step in found if step >= 0]
    middle = sorted(same)[len(same) // 2] if same else None
    reached = f"; resumed from step {min(same)} to {max(same)}, median {middle}" if same else ""
    print(f"{len(found)} kills, {len(same)} identical results{reached}")
    return 0 if len(same) == times else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
