"""Changed files for every reader: what is read, what is refused in a sentence of ours, and what is a fault.

    python bench/fuzz.py                      100,000 cases over all readers, in two processes
    python bench/fuzz.py 2000 --only csv      of the readers whose name holds this
    python bench/fuzz.py --first 500000       other cases: each number is a file

A fault is another exception, a warning, a case of more than 5 seconds or of more than 1 GiB, and a crash of the
process. What failed is written to --out, as SEED-NAME; exit status 1 where anything did.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hostile import fuzzing, readers, run_readers

LIMIT = 5  # seconds of a case
DEAD = 60  # seconds without a sign of life, after which a process is ended
MEMORY = 2**30  # bytes of a case
GUARD = 8 * 2**30  # bytes of address space beyond those at the start, at which a process fails instead of the machine
WORKERS = 2
FAULTS = ("foreign", "hang", "memory", "crash")


class Hang(BaseException):
    """A case that takes too long; no reader catches it."""


def late(signum: int, frame: FrameType | None) -> None:
    raise Hang


def grown(before: int) -> int:
    """How far the largest size of this process went beyond an earlier one, in bytes; counted anew from here."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak - before > 2**26:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return peak - before


def held() -> int:
    """The size of this process in memory, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


def judged(name: str, seed: int, folder: Path) -> tuple[str, str]:
    """What became of a case, and what is said of a fault."""
    reader, before = fuzzing.READERS[name], held()
    content = fuzzing.case(reader, seed)
    signal.alarm(LIMIT)
    try:
        came, said = fuzzing.attempt(reader, content, folder)[0], ""
    except Hang:
        came, said = "hang", f"no end after {LIMIT} s, in {where(sys.exc_info()[1])}"
    except Exception as error:
        came, said = "foreign", f"{type(error).__name__} in {where(error)}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
    more = grown(before)
    return ("memory", f"{more / 2**20:,.0f} MiB") if more > MEMORY else (came, said)


def where(error: BaseException | None) -> str:
    """The last line of ours that an error passed."""
    lines = traceback.extract_tb(error.__traceback__) if error else []
    own = [line for line in lines if "/unveil/" in line.filename]
    return ", ".join(f"{Path(line.filename).name}:{line.lineno}" for line in own[-1:])


def work(names: list[str], cases: range, told: Connection) -> None:
    """Judge cases in turn of the readers, and tell of each before and after."""
    signal.signal(signal.SIGALRM, late)
    readers.enter()
    run_readers.enter()
    used = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GUARD, resource.RLIM_INFINITY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libtiff says of every damaged file
    with tempfile.TemporaryDirectory() as folder:
        for number in cases:
            name = names[number % len(names)]
            told.send((name, number, "", ""))
            told.send((name, number, *judged(name, number, Path(folder))))


class Worker:
    """A process that judges cases, and a new one where it ends before they do."""

    def __init__(self, names: list[str], cases: range) -> None:
        self.names, self.cases, self.at = names, cases, ("", cases.start)
        self.start()

    def start(self) -> None:
        anew = multiprocessing.get_context("spawn")  # threads of pyarrow do not live on in a fork
        self.told, end = anew.Pipe(duplex=False)
        self.process = anew.Process(target=work, args=(self.names, self.cases, end), daemon=True)
        self.process.start()
        end.close()

    def results(self) -> list[tuple[str, int, str, str]]:
        """What was judged since, with the case at which a process ended."""
        found = []
        try:
            while self.told.poll(DEAD if not found else 0):
                name, number, came, said = self.told.recv()
                self.at = (name, number)
                found += [(name, number, came, said)] if came else []
            if not found:
                self.process.kill()
                return self.again("hang", f"no sign of life for {DEAD} s")
        except EOFError:
            self.process.join()
            if self.process.exitcode:
                return [*found, *self.again("crash", f"the process ended with {self.process.exitcode}")]
            self.cases = self.cases[:0]
        return found

    def again(self, came: str, said: str) -> list[tuple[str, int, str, str]]:
        self.cases = self.cases[self.cases.index(self.at[1]) + 1 :]
        if self.cases:
            self.start()
        return [(*self.at, came, said)]

    @property
    def is_done(self) -> bool:
        return not self.cases


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", default="", help="readers whose name holds this")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--out", type=Path, default=Path("fuzz-faults"), help="folder of the files that failed")
    return parser.parse_args()


def keep(out: Path, name: str, number: int) -> None:
    out.mkdir(exist_ok=True)
    (out / f"{number}-{name.replace(' ', '-')}").write_bytes(fuzzing.case(fuzzing.READERS[name], number))


def main() -> None:
    asked = options()
    readers.enter()
    run_readers.enter()
    names = [name for name in fuzzing.READERS if asked.only in name]
    every = range(asked.first, asked.first + asked.cases)
    workers = [Worker(names, every[i :: asked.workers]) for i in range(asked.workers)]
    counts, start = {name: Counter[str]() for name in names}, time.monotonic()
    while not all(worker.is_done for worker in workers):
        for worker in workers:
            for name, number, came, said in [] if worker.is_done else worker.results():
                counts[name][came] += 1
                if came in FAULTS:
                    keep(asked.out, name, number)
                    print(f"{came}: case {number} of {name}: {said}", flush=True)
    show(counts, time.monotonic() - start)
    sys.exit(any(count[fault] for count in counts.values() for fault in FAULTS))


def show(counts: dict[str, Counter[str]], seconds: float) -> None:
    columns = ("read", "refused", *FAULTS)
    print(f"{'reader':26}" + "".join(f"{column:>9}" for column in columns))
    for name, count in (*counts.items(), ("all", sum(counts.values(), Counter()))):
        print(f"{name:26}" + "".join(f"{count[column]:>9,}" for column in columns))
    print(f"{sum(map(Counter.total, counts.values())):,} cases in {seconds:,.0f} s")


if __name__ == "__main__":
    main()
