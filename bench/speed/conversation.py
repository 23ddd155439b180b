"""The asking side: contenders as processes, rounds in turn, and a watch on the machine between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch

HERE = Path(__file__).resolve().parents[1]
DRIFT = 0.15  # of the calibrating product, from which a round is said to have been disturbed
BUSY = 0.3  # cores that others may use
SIZE, SPAN = 768, 0.06  # of the calibrating product; seconds that it is repeated for


class Failed(RuntimeError):
    """A contender ended without an answer."""


class Child:
    """One contender: a fresh process, an answer per word.

    Arguments: name; module of `speed`; python that runs it; job; log, where its standard error goes; env, additions.
    """

    def __init__(
        self, name: str, module: str, python: str, job: Mapping[str, Any], log: Path, env: Mapping[str, str]
    ) -> None:
        self.name, self.log = name, log
        self.facts: dict[str, Any] = {}
        with open(log, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [python, "-m", f"speed.{module}", json.dumps(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=log.parent,
                env=environment(job["threads"], env),
            )

    def answer(self) -> dict[str, Any]:
        """The next line of the contender."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            last = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise Failed(f"{self.name} ended with status {self.process.returncode}: {' '.join(last) or 'no word'}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, word: str) -> dict[str, Any]:
        """Say a word and wait for what is answered."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and `answer` says how
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End the process, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def environment(threads: int, more: Mapping[str, str]) -> dict[str, str]:
    """The same for every contender: a fixed number of threads, and the parts of this measurement to be found."""
    fixed = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    found = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **fixed, "PYTHONPATH": found, "PYTHONWARNINGS": "ignore", **more}


class Watch:
    """Whether the machine does anything else: a product of matrices, and the load of others, before every round."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self.rounds: list[dict[str, Any]] = []
        self._a = torch.randn(SIZE, SIZE)
        self._product()

    def look(self, name: str) -> None:
        """Note the speed of the product and the cores that others use; `name` of the round that follows."""
        load = psutil.cpu_percent(0.1) / 100 * (psutil.cpu_count() or 1)
        self.rounds.append({"round": name, "gflops": round(self._product(), 1), "busy_cores": round(load, 2)})

    def summary(self) -> dict[str, Any]:
        """All of it, and the rounds in which the product was off its median by more than 15 %, or others ran."""
        return summary(self.rounds)

    def _product(self) -> float:
        until, best = time.perf_counter() + SPAN, float("inf")
        while time.perf_counter() < until:
            start = time.perf_counter()
            self._a @ self._a
            best = min(best, time.perf_counter() - start)
        return 2 * SIZE**3 / best / 1e9


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of the calibrations, and which rounds were disturbed."""
    usual = median(r["gflops"] for r in rounds) if rounds else float("nan")
    drifted = [r["round"] for r in rounds if abs(r["gflops"] / usual - 1) > DRIFT]
    busy = [r["round"] for r in rounds if r["busy_cores"] > BUSY]
    return {"calibration_gflops": usual, "drifted": drifted, "busy": busy, "rounds": rounds}


class Bench:
    """What all parts of a measurement share.

    Arguments: folder, for what is written on the way; threads; watch; device; peer, python of pythae's environment.
    """

    def __init__(self, folder: Path, threads: int, peer: str | None, quick: bool, device: str = "cpu") -> None:
        self.folder, self.threads, self.peer, self.quick, self.device = folder, threads, peer, quick, device
        self.watch = Watch(threads)
        self.missing: list[str] = []
        self._started = 0

    def child(self, name: str, module: str, job: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Child:
        """A contender in a process of its own; whatever is compiled is kept in this measurement's folder alone."""
        self._started += 1
        python = self.peer if module == "peer" else sys.executable
        assert python is not None
        folder = self.folder / str(self._started)
        folder.mkdir()
        common = {"threads": self.threads, "device": self.device, "folder": str(folder)}
        kept = {"TORCHINDUCTOR_CACHE_DIR": str(self.folder / "compiled")}
        return Child(name, module, python, {**common, **job}, folder / "log.txt", kept | dict(env or {}))

    def compete(self, label: str, starts: Mapping[str, tuple[Any, ...]], count: int) -> dict[str, dict[str, Any]]:
        """Start contenders, run `count` rounds of each in turn, and return what each said.

        Arguments: starts, {name: (module, job) or (module, job, env)}.
        """
        found: dict[str, dict[str, Any]] = {}
        with ExitStack() as stack:
            children = {}
            for name, start in starts.items():  # one after the other: each warms up on its own
                child = self.child(f"{label}, {name}", *start)
                stack.callback(child.close)
                with self._noting(found, name):
                    found[name] = {"facts": child.answer(), "rounds": []}
                    children[name] = child
            for number in range(count):
                for name, child in self._alive(children, found):
                    self.watch.look(f"{label}, {name}, {number + 1}")
                    with self._noting(found, name):
                        found[name]["rounds"].append(child.ask("round"))
            for name, child in self._alive(children, found):
                with self._noting(found, name):
                    found[name] |= child.ask("end")
        return found

    def _alive(self, children: Mapping[str, Child], found: Mapping[str, Any]) -> Iterator[tuple[str, Child]]:
        return ((name, child) for name, child in children.items() if "failed" not in found[name])

    def _noting(self, found: dict[str, dict[str, Any]], name: str) -> Noting:
        return Noting(self, found, name)


class Noting:
    """Writes down a contender's failure and lets the others go on."""

    def __init__(self, bench: Bench, found: dict[str, dict[str, Any]], name: str) -> None:
        self.bench, self.found, self.name = bench, found, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Failed):
            return False
        self.found[self.name] = self.found.get(self.name, {}) | {"failed": str(error)}
        self.bench.missing.append(f"{error}.")
        print(f"FAILED: {error}", file=sys.stderr, flush=True)
        return True
