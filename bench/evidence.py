"""What judging costs and what it finds: the one-layer VAE 784-200-200-50 of the literature, on dynamic MNIST.

Usage: python bench/evidence.py fit       trains it (40,000 steps of 256), and one with 2-D z (15,000), into runs/
       python bench/evidence.py           measures, one after the other, each in a process of its own:
           sandwich    BDMC on 1,000 images simulated by the model: mean gap, seconds
           iwae        IWAE-5000 on all 10,000 test images: seconds
           ais         AIS with 1,000 distributions on the first 1,000 of them, paired with IWAE-5000
           quadrature  the 2-D model: |quadrature − AIS| over 200 test images
       Seconds are those of the estimator; peak memory is the whole process. An idle machine, all its cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

import unveil
from unveil import Run

RUNS = Path("runs")
FULL, FLAT = RUNS / "evidence", RUNS / "evidence-2d"
LATENTS, STEPS = {FULL: 50, FLAT: 2}, {FULL: 40_000, FLAT: 15_000}


def fit(path: Path) -> Run:
    """The run, trained unless it is there."""
    if (path / "result.json").is_file():
        return Run.load(path)
    keys = {"model.network": "plain", "model.latent": LATENTS[path], "train.batch_size": 256}
    return unveil.fit("mnist", steps=STEPS[path], options=keys, out=path, show=True)


def judged(path: Path, *words: str) -> dict[str, Any]:
    """`unveil evaluate` in a process of its own: its JSON, with seconds and peak memory of the whole process."""
    start, peak = time.perf_counter(), 0
    command = [sys.executable, "-m", "unveil", "evaluate", str(path), *words, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, _resident(watched))
        time.sleep(0.2)
    assert process.stdout is not None
    if process.returncode:
        raise SystemExit(process.returncode)
    result = json.loads(process.stdout.read())
    return result | {"wall": time.perf_counter() - start, "peak_gib": peak / 2**30}


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0


def told(name: str, result: dict[str, Any], *fields: str) -> None:
    """One line of a result."""
    named = ", ".join(f"{field} {result[field]}" for field in fields)
    cost = f"{result['seconds']:.0f} s ({result['wall']:.0f} s with start), peak {result['peak_gib']:.2f} GiB"
    print(f"{name}: {named}; {cost}", flush=True)


def sandwich() -> None:
    result = judged(FULL, "--estimator", "sandwich", "--simulate", "1000")
    told("sandwich", result, "lower", "upper", "gap", "gap_stderr", "gap_median", "gap_p99")


def iwae() -> None:
    result = judged(FULL, "--estimator", "iwae", "--num-samples", "5000")
    told("iwae", result, "log_px", "stderr", "stderr_mc", "num_examples")


def ais() -> None:
    annealed = judged(FULL, "--estimator", "ais", "estimator.num_distributions=1000", "--limit", "1000")
    told("ais", annealed, "log_px", "stderr", "stderr_mc", "num_examples")
    weighted = judged(FULL, "--estimator", "iwae", "--num-samples", "5000", "--limit", "1000")
    told("iwae on the same", weighted, "log_px", "stderr_mc")
    print(f"AIS − IWAE-5000: {annealed['log_px'] - weighted['log_px']:.3f} nats on the same images")


def quadrature() -> None:
    """Example by example, in this process: the command line prints means only."""
    from unveil.estimators.base import evaluate
    from unveil.settings.judging import make_estimator

    run = fit(FLAT)
    grid, seconds = evaluate(run.model, run.data.test, make_estimator("quadrature"), limit=200)
    print(f"quadrature: {grid.log_px.mean():.4f}, {seconds:.0f} s")
    for more in ({}, {"estimator.num_distributions": 400}):
        annealed, seconds = evaluate(run.model, run.data.test, make_estimator("ais", None, more), limit=200)
        apart = (grid.log_px - annealed.log_px).abs()
        print(
            f"AIS {more or 'by default'}: {annealed.log_px.mean():.4f}, {seconds:.0f} s; |difference| "
            f"{apart.mean():.4f} on average, median {apart.median():.4f}, at most {apart.max():.4f}"
        )


PARTS = {"sandwich": sandwich, "iwae": iwae, "ais": ais, "quadrature": quadrature}

if __name__ == "__main__":
    words = sys.argv[1:]
    if "fit" in words:
        for path in LATENTS:
            print(fit(path).result["sentences"][0])
    else:
        for name in words or PARTS:
            PARTS[name]()
