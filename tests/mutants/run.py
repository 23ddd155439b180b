"""One-line faults, each of which must turn a test red: the tests are tested.

Usage: python tests/mutants/run.py [NAME …]      (`make mutants` runs them all)
       python tests/mutants/run.py --some 3      three of them, others each day; CI does

Every fault is applied alone, to a copy of the tree; then the tests named beside it run there until the first failure.
Before the faults, the same tests must pass on an unchanged copy. Exit status 1 when a fault survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from faults import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
DAY = 24 * 3600


def places(mutant: Mutant, root: Path = ROOT) -> int:
    """How often the text that a fault replaces stands in its file."""
    path = root / "src" / "unveil" / mutant.file
    return path.read_text(encoding="utf-8").count(mutant.old) if path.is_file() else 0


def lost(mutants: Sequence[Mutant]) -> list[str]:
    """A sentence for each fault that cannot be applied."""
    found = ((mutant, places(mutant)) for mutant in mutants)
    return [f"{m.name}: {m.file} holds {m.old!r} {n} times, where once is right" for m, n in found if n != 1]


def of_the_day(count: int, day: int) -> list[Mutant]:
    """As many faults, others each day, until all had their turn."""
    first = day * count
    return [MUTANTS[i % len(MUTANTS)] for i in range(first, first + min(count, len(MUTANTS)))]


def chosen(words: list[str]) -> list[Mutant]:
    if words[:1] == ["--some"]:
        return of_the_day(int(words[1]), int(time.time() // DAY))
    if unknown := set(words) - {m.name for m in MUTANTS}:
        sys.exit(f"no such mutant: {', '.join(sorted(unknown))}; there are {', '.join(m.name for m in MUTANTS)}")
    return [m for m in MUTANTS if not words or m.name in words]


def copy_tree(to: Path) -> None:
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "constraints.txt", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, to / name)


def apply(mutant: Mutant, tree: Path) -> None:
    path = tree / "src" / "unveil" / mutant.file
    path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")


def passes(tree: Path, tests: Sequence[str], show: bool = False) -> bool:
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # not a red test: pytest could not run
        sys.exit(f"pytest ended with status {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if show and done.returncode:
        print(done.stdout[-3000:], file=sys.stderr)
    return done.returncode == 0


def survives(mutant: Mutant, folder: Path) -> bool:
    tree, start = folder / mutant.name, time.perf_counter()
    copy_tree(tree)
    apply(mutant, tree)
    alive = passes(tree, mutant.tests)
    shutil.rmtree(tree)
    print(f"{'SURVIVED' if alive else 'caught':9} {mutant.name:40} {time.perf_counter() - start:6.1f} s", flush=True)
    return alive


def main(words: list[str]) -> int:
    mutants = chosen(words)
    if told := lost(mutants):
        sys.exit("\n".join(["Mend these mutants:", *told]))
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound"
        copy_tree(sound)
        if not passes(sound, sorted({test for m in mutants for test in m.tests}), show=True):
            sys.exit("These tests fail without any fault; mend that first.")
        survived = [m.name for m in mutants if survives(m, Path(folder))]
    print(f"{len(mutants) - len(survived)} of {len(mutants)} faults were caught")
    if survived:
        print(f"Again: python tests/mutants/run.py {' '.join(survived)}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
