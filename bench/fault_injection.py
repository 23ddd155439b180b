"""Every call that writes, in the life of a run, fails or ends the process once; `resume` must come to the same run.

Usage: python bench/fault_injection.py [EVERY] [FAULT …]      EVERY k-th call; faults of tests/hostile/disk.py

A life is a fit, its judging, its report and a second phase. Its calls are counted first. Then, for each of them and
each fault, a forked process lives until it is struck, and a second one goes on from what is there: a call that fails
must end in one sentence, and weights, scores, metrics, result and choices must agree to the last bit, but for clocks.
Prints a line for each difference, and a last line with the counts; exit status 1 when anything differed.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hostile.disk import FAULTS, Disk, standing_between  # noqa: E402
from hostile.lives import differing, forked, live, what_it_came_to  # noqa: E402
from quick import QUICK, short_probes  # noqa: E402
from unveil.fitting.prepare import Fitting, prepare  # noqa: E402

OPTIONS = QUICK | {"train.valid_every": 4, "model.width": 4, "model.latent": 2, "train.steps": 12}


def fitting(folder: Path, **options: object) -> Fitting:
    """A small fit on a file of 60 points, that has written nothing."""
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    np.save(folder / "x.npy", x)
    return prepare(str(folder / "x.npy"), out=folder / "any", options=OPTIONS | options)


def counted(fit: Fitting, path: Path) -> list[tuple[str, str]]:
    """The calls of a life that nothing disturbs, each as its name and its file."""

    def whole() -> str:
        with standing_between(Disk(path)) as disk:
            live(fit, path)
        return json.dumps(disk.calls)

    return [(name, file) for name, file in json.loads(forked(whole)[1])]


def tried(fit: Fitting, path: Path, whole: dict[str, object], number: int, fault: str) -> tuple[str, str]:
    """(what became of a life that is struck at a call: "same", or what is wrong; the sentence that it ended with)."""
    shutil.rmtree(path, ignore_errors=True)

    def struck() -> None:
        with standing_between(Disk(path, number, fault)):
            live(fit, path)

    status, told = forked(struck)
    if status not in (0, 1, -9):
        return f"ended with status {status}: {told[-1500:]}", ""
    if status == 1 and fault in ("ENOSPC", "EIO", "full") and (left := list(path.rglob(".unveil-*"))):
        return f"left {left[0].name}", told
    again, said = forked(lambda: live(fit, path))
    if again != 0:
        return f"did not go on, status {again}: {said[-1500:]}", told
    wrong = differing(whole, what_it_came_to(path))
    return f"differs in {', '.join(wrong)}" if wrong else "same", told


def main(every: int = 1, faults: tuple[str, ...] = FAULTS) -> int:
    torch.set_num_threads(1)
    begun, ends, sentences, bad = time.perf_counter(), Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name, short_probes():
        folder = Path(name).resolve()
        fit = fitting(folder)
        calls = counted(fit, folder / "whole")
        whole = what_it_came_to(folder / "whole")
        print(f"{len(calls)} calls that write: {dict(Counter(call for call, _ in calls))}", flush=True)
        for fault in faults:
            for number in range(1, len(calls) + 1, every):
                call, file = calls[number - 1]
                if fault == "killed within" and call != "write":
                    continue
                end, told = tried(fit, folder / "run", whole, number, fault)
                ends[f"{fault}: {'same' if end == 'same' else 'wrong'}"] += 1
                sentences[told.replace(str(folder), "…")] += 1
                if end != "same":
                    bad += 1
                    print(f"{fault} at call {number}, {call} {file}: {end}", flush=True)
            print(f"{fault}: {ends[f'{fault}: same']} same, {ends[f'{fault}: wrong']} not", flush=True)
    for told, count in sentences.most_common(12):
        print(f"{count:6} × {told or 'nothing said'}")
    print(f"{sum(ends.values())} lives, {sum(ends.values()) - bad} the same, {time.perf_counter() - begun:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 1, tuple(sys.argv[2:]) or FAULTS))
