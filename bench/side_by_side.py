"""Side by side on one machine: the library, the bare PyTorch loop, pythae, and what the machine can do at all.

    python bench/side_by_side.py                   all of it, into bench/results/MACHINE.json and docs/*/measurements/
    python bench/side_by_side.py training growth   some parts; into build/bench/, since a part is not the whole
    python bench/side_by_side.py --quick           a small run of every part, to see that it works; into build/bench/
    python bench/side_by_side.py --page FILE.json  write the page from a measurement again; nothing is measured

Each contender is a process of its own with a fixed number of threads; rounds go in turn, A B A B. Nothing is read from
an older measurement, and what torch compiles is compiled in it. The machine has to be idle: before every round a
product of matrices and the load are noted, and the page says how many rounds were disturbed. pythae has an environment
of its own (`make bench-peers`, or --pythae, or $UNVEIL_PYTHAE); without it the page says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))

from speed import machine as described
from speed.chinese import chinese
from speed.conversation import Bench, summary
from speed.page import ladders, page
from speed.parts import PARTS, write_images

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
PAGE, CHINESE = (ROOT / "docs" / language / "measurements" / "performance.md" for language in ("en", "zh"))
CHARTS = "../../figures/"  # from these two pages
FORMAT = "unveil-bench-1"


def main(words: list[str]) -> int:
    asked = arguments(words)
    if asked.page is not None:
        found = json.loads(asked.page.read_text(encoding="utf-8"))
        write_pages(found, ladders(asked.page.parent), asked.out)
        return 0
    whole = not asked.quick and not asked.parts
    found = measure(asked)
    name = f"{found['machine']['name']}.json"
    folder = asked.out or (RESULTS if whole else ROOT / "build" / "bench")
    text = json.dumps(found, indent=1) + "\n"
    write_whole(folder / name, text)
    target = write_pages(json.loads(text), ladders(folder), None if whole and asked.out is None else folder)
    print(f"{folder / name}\n{target}\n{found['seconds'] / 60:.1f} minutes")
    return 1 if found["missing"] else 0


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="bench/side_by_side.py"
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument("--quick", action="store_true", help="every part, small: whether it works, not how fast it is")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of each contender")
    parser.add_argument("--pythae", metavar="PYTHON", help="the interpreter of pythae's environment")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where both files go")
    parser.add_argument("--page", type=Path, metavar="FILE", help="only write the page from this measurement")
    asked = parser.parse_args(words)
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    return asked


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Everything asked for, measured now."""
    started = time.perf_counter()
    peer, told = described.peer_of(asked.pythae, ROOT)
    with tempfile.TemporaryDirectory(prefix="unveil-bench-") as folder:
        bench = Bench(Path(folder), asked.threads, peer, asked.quick)
        if peer is None:
            bench.missing.append(f"pythae: {told['why']}.")
        write_images(bench.folder / "images.npz")
        chosen = asked.parts or [p for p in PARTS if p != "cuda" or torch.cuda.is_available()]
        parts = {name: PARTS[name](bench) for name in chosen}
    return {
        "format": FORMAT,
        "date": time.strftime("%Y-%m-%d"),
        "command": command(asked),
        "quick": asked.quick,
        "seconds": round(time.perf_counter() - started, 1),
        "machine": described.machine(asked.threads),
        "versions": described.versions(),
        "pythae": told,
        "missing": bench.missing,
        "idle": summary(bench.watch.rounds),
        "parts": parts,
    }


def command(asked: argparse.Namespace) -> str:
    """What was asked for, without paths of this machine."""
    words = [*asked.parts, *(["--quick"] if asked.quick else []), "--threads", str(asked.threads)]
    return shlex.join(["python", "bench/side_by_side.py", *words])


def write_pages(found: Any, likelihoods: list[dict[str, Any]], folder: Path | None) -> Path:
    """The page in one folder, or in English and Chinese where the documentation has it."""
    if folder is not None:
        write_whole(folder / PAGE.name, page(found, likelihoods))
        return folder / PAGE.name
    text = page(found, likelihoods, CHARTS)
    write_whole(CHINESE, chinese(text))
    write_whole(PAGE, text)
    return PAGE


def write_whole(path: Path, text: str) -> None:
    """Under a temporary name, then renamed: a file that is there is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
