"""Kill a run with SIGKILL at random moments of its life, go on, kill that too, and compare with one left alone.

Usage: python bench/kill_resume.py [TIMES] [WORKERS]

A life is a fit, its judging and its report; half of them go on to a second phase. A forked process lives and is killed
after a random time; one to three more go on and are killed as well; the last one is left alone. Weights and scores must
agree to the last bit, metrics, result and choices but for clocks, and the report must be there. Prints a line for each
difference, where the kills struck, and a last line with the counts; exit status 1 when anything differed.
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
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hostile.lives import differing, forked, live, page, started, what_it_came_to  # noqa: E402
from quick import QUICK, short_probes  # noqa: E402
from unveil.fitting.prepare import Fitting, prepare  # noqa: E402
from unveil.planning import judging  # noqa: E402
from unveil.report import write_report  # noqa: E402
from unveil.runs.standing import Standing  # noqa: E402
from unveil.runs.store import RunStore  # noqa: E402

OPTIONS = QUICK | {"train.steps": 150, "train.valid_every": 10, "model.width": 32, "model.latent": 4}
SECOND = 60  # steps of the second phase
MOST = 4  # kills of one life, the first included
DRAWN = 0.25  # share of the lives whose report is drawn in full, which takes longer than all else; others have a line


def where(path: Path) -> str:
    """What a process was at when it was killed, by the files that it left."""
    if not (path / "config.json").is_file():
        return "beginning"
    run = RunStore.load(path)
    found: Standing = run.standing
    phase = "second phase, " * run.number
    if not found.is_trained:
        return f"{phase}training"
    if found.of_result != run.number:
        return f"{phase}judging"
    return f"{phase}report" if not run.report_path.is_file() else f"{phase}the end"


def killed(work: Callable[[], Any], after: float) -> bool:
    """Whether a child that does the work was still at it when it was killed, so many seconds later."""
    child = started(work)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def trial(fit: Fitting, path: Path, steps: int, span: float, rng: random.Random) -> tuple[list[str], str]:
    """(where each kill struck, what went wrong: "" for nothing)."""
    shutil.rmtree(path, ignore_errors=True)
    struck: list[str] = []
    report = write_report if rng.random() < DRAWN else page

    def work() -> None:
        live(fit, path, steps, report)

    for _ in range(rng.randint(2, MOST)):
        if killed(work, rng.uniform(0.02, span)):
            struck.append(where(path))
    status, told = forked(work)
    return struck, "" if status == 0 else f"did not go on: {told[-1000:]}"


def trials(folder: Path, times: int, seed: int) -> dict[str, int]:
    """Counts of kills by where they struck, and of lives that came to the same."""
    rng, found = random.Random(seed), Counter[str]()
    fit = prepare("digits", out=folder / "any", options=OPTIONS)
    whole, span = {}, {}
    for steps in (0, SECOND):
        begun = time.perf_counter()
        status, told = forked(lambda steps=steps: live(fit, folder / f"whole{steps}", steps))
        assert status == 0, told
        span[steps], whole[steps] = time.perf_counter() - begun, what_it_came_to(folder / f"whole{steps}")
    while sum(found[name] for name in found if name != "lives" and name != "same") < times:
        steps = rng.choice((0, SECOND))
        struck, wrong = trial(fit, folder / "run", steps, span[steps], rng)
        wrong = wrong or ", ".join(differing(whole[steps], what_it_came_to(folder / "run")))
        found.update([*struck, "lives", *(["same"] if not wrong else [])])
        if found["lives"] % 10 == 0:
            print(f"worker {seed}: {found['lives']} lives, {found['same']} the same", flush=True)
        if wrong:
            print(f"worker {seed}, life {found['lives']}, killed in {'; '.join(struck)}: {wrong}", flush=True)
    return dict(found)


def main(times: int = 200, workers: int = 2) -> int:
    torch.set_num_threads(1)
    judging.FEWEST_RANKED = 1_000_000  # else a clock says how many are ranked in the second phase
    begun, found = time.perf_counter(), Counter[str]()
    with tempfile.TemporaryDirectory() as name, short_probes():
        folders = [Path(name).resolve() / str(i) for i in range(workers)]
        children = []
        for i, folder in enumerate(folders):
            folder.mkdir()

            def work(folder: Path = folder, share: int = -(-times // workers), seed: int = i) -> None:
                (folder / "found.json").write_text(json.dumps(trials(folder, share, seed)))

            children.append(started(work))
        for child in children:
            os.waitpid(child, 0)
        for folder in folders:
            found.update(json.loads((folder / "found.json").read_text()))
    lives, same = found.pop("lives"), found.pop("same", 0)
    for place, count in found.most_common():
        print(f"{count:6} kills in {place}")
    seconds = time.perf_counter() - begun
    print(f"{sum(found.values())} kills in {lives} lives, {same} lives came to the same, {seconds:.0f} s")
    return 0 if same == lives else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
