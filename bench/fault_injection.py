"""Every call that writes, in the life of a run, fails or ends the process once; `resume` must come to the same run.

Usage: python bench/fault_injection.py [EVERY] [FAULT …]      EVERY k-th call; faults of tests/hostile/disk.py

A life is a fit, its judging, its report and a second phase. Its calls are counted first. Then, for each of them and
each fault, a forked process lives until it is struck, and a second one goes on from what is there: a call that fails
must end in one sentence, and weights, scores, metrics, result and choices must agree to the last bit, but for clocks.
Prints a line for each difference, and a last line with the counts; exit status 1 when anything differed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hostile.disk import FAULTS  # noqa: E402
from hostile.lives import Lives  # noqa: E402
from quick import short_probes  # noqa: E402


def main(every: int = 1, faults: tuple[str, ...] = FAULTS) -> int:
    torch.set_num_threads(1)
    begun, ends, sentences, bad = time.perf_counter(), Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name, short_probes():
        lives = Lives(Path(name))
        print(f"{len(lives.calls)} calls that write: {dict(Counter(call for call, _ in lives.calls))}", flush=True)
        for fault in faults:
            for number, (call, file) in list(enumerate(lives.calls, 1))[::every]:
                if fault == "killed within" and call != "write":
                    continue
                end = lives.struck(number, fault)
                ends[f"{fault}: {'same' if not end.wrong else 'wrong'}"] += 1
                sentences[end.told.replace(str(lives.folder), "…")] += 1
                if end.wrong:
                    bad += 1
                    print(f"{fault} at call {number}, {call} {file}: {end.wrong}", flush=True)
            print(f"{fault}: {ends[f'{fault}: same']} same, {ends[f'{fault}: wrong']} not", flush=True)
    for told, count in sentences.most_common(12):
        print(f"{count:6} × {told or 'nothing said'}")
    print(f"{sum(ends.values())} lives, {sum(ends.values()) - bad} the same, {time.perf_counter() - begun:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 1, tuple(sys.argv[2:]) or FAULTS))
