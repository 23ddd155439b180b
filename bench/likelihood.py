"""Test log p(x) against minutes: what `unveil fit SOURCE --minutes M` reaches, with no other option or with some.

    python bench/likelihood.py                     2, 10 and 30 minutes of mnist and fashion_mnist
    python bench/likelihood.py 120 --source mnist  another budget; an entry that is there is replaced by its new value

    python bench/likelihood.py --corrected 1000    for slow decoders: IWAE-50 on the whole test set, and what IWAE-5000
                                                   adds to it on the first 1,000 images of it (a paired difference)
    python bench/likelihood.py 30 --source mnist --model hvae
                                                   another model, its curve beside the others
    python bench/likelihood.py 30 --source mnist --model vdm --set data.binarization=none --judge elbo --num-samples 20
                                                   8-bit images; what judges it is said in the entry

Each fit and each evaluation (`--estimator iwae --num-samples 5000` on the whole test set) is a process of its own.
Entries go into bench/results/likelihood-MACHINE.json, one by one, and into a chart in docs/figures/;
`python bench/side_by_side.py --page bench/results/MACHINE.json` then writes the page anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))

from speed import machine as described
from speed.chart import chart
from speed.conversation import environment

ROOT = Path(__file__).resolve().parents[1]
FORMAT = "unveil-likelihood-1"
FEW = 50  # draws for every example, where more are taken on some alone


def main(words: list[str]) -> None:
    asked = arguments(words)
    name = described.machine(asked.threads)["name"]
    path = (asked.out or ROOT / "bench" / "results") / f"likelihood-{name}.json"
    picture = (asked.out or ROOT / "docs" / "figures") / f"likelihood-{name}.svg"
    for minutes in asked.minutes:
        for source in asked.source or ["mnist", "fashion_mnist"]:
            entry = measured(source, minutes, asked)
            print(json.dumps(entry), flush=True)
            keep(path, name, entry, picture)


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="*", type=float, default=[2.0, 10.0, 30.0])
    parser.add_argument("--source", action="append", help="mnist, fashion_mnist; may come more than once")
    parser.add_argument("--model", default="vae")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the fit; may come often")
    parser.add_argument("--judge", default="iwae", metavar="ESTIMATOR")
    parser.add_argument("--num-samples", type=int, default=5000)
    parser.add_argument("--corrected", type=int, default=0, metavar="N", help="take IWAE-K on N examples alone")
    parser.add_argument("--runs", metavar="DIR", help="keep the runs there; one that is there is only judged")
    parser.add_argument("--precision", default="float32", help="of the decoder while judging: float32 or bf16")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the entries and the chart go")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args(words)


def measured(source: str, minutes: float, asked: argparse.Namespace) -> dict[str, Any]:
    """One fit and its evaluation."""
    with nullcontext(asked.runs) if asked.runs else tempfile.TemporaryDirectory(prefix="unveil-ladder-") as folder:
        run = str(Path(folder) / f"{series_of(source, asked).replace(', ', '-')}-{minutes:g}-{asked.seed}")
        wall = fitted(source, minutes, asked, run)
        config = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))
        found = corrected(run, asked) if asked.corrected else from_result(judged(run, asked, asked.num_samples))
    named = {"source": source, "series": series_of(source, asked), "minutes": minutes, "wall_seconds": wall}
    return {**named, **from_config(config), **found}


def series_of(source: str, asked: argparse.Namespace) -> str:
    """A curve's name: the source, and what else than the defaults was asked for."""
    return ", ".join([source, *([asked.model] if asked.model != "vae" else []), *asked.set])


def fitted(source: str, minutes: float, asked: argparse.Namespace, run: str) -> float:
    """Wall seconds of the fit, which are kept beside the run: one that is there is only judged."""
    kept = Path(f"{run}.json")
    if not kept.is_file():
        start = time.perf_counter()
        words = ("--model", asked.model, "--minutes", f"{minutes:g}", "--seed", str(asked.seed), *asked.set)
        unveil(asked, "fit", source, *words, "--out", run)
        kept.write_text(json.dumps({"wall_seconds": time.perf_counter() - start}), encoding="utf-8")
    return float(json.loads(kept.read_text(encoding="utf-8"))["wall_seconds"])


def judged(run: str, asked: argparse.Namespace, num_samples: int, *more: str) -> dict[str, Any]:
    judge = ("--estimator", asked.judge, "--num-samples", str(num_samples), "--precision", asked.precision)
    found: dict[str, Any] = json.loads(unveil(asked, "evaluate", run, *judge, *more, "--json"))
    return found


def corrected(run: str, asked: argparse.Namespace) -> dict[str, Any]:
    """mean over all of IWAE-50 + mean over the first N of (IWAE-K − IWAE-50)."""
    limit = ("--limit", str(asked.corrected))
    every, few, many = (
        judged(run, asked, FEW),
        judged(run, asked, FEW, *limit),
        judged(run, asked, asked.num_samples, *limit),
    )
    told = f"iwae-{FEW} on all, iwae-{asked.num_samples} − iwae-{FEW} on the first {asked.corrected}"
    seconds = sum(result["seconds"] for result in (every, few, many))
    found = from_result(every) | {"estimator": told, "judging_seconds": seconds}
    return found | {
        "log_px": every["log_px"] + many["log_px"] - few["log_px"],
        "correction": many["log_px"] - few["log_px"],
    }


def unveil(asked: argparse.Namespace, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "unveil", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment(asked.threads, {}),
    )
    return done.stdout


def from_config(config: dict[str, Any]) -> dict[str, Any]:
    """What the fit chose by itself."""
    phase, model = config["phases"][-1], config["model"]
    parts = [model.get(part, {}).get("name", "own") for part in ("encoder", "prior") if part in model]
    chosen = {name: phase[name] for name in ("steps", "batch_size", "lr", "precision", "compile", "threads")}
    return chosen | {"model": ", ".join([model["name"], *parts]), "seed": config["seed"], "config": model}


def from_result(result: dict[str, Any]) -> dict[str, Any]:
    names = ("log_px", "stderr", "stderr_mc", "elbo", "bits_per_dim", "kl_per_group", "num_examples", "binarization")
    names += ("precision", "versions")
    judge = f"{result['estimator']}-{result['num_samples']}"
    found = {name: result[name] for name in names}
    found["judged_in"] = found.pop("precision")
    return found | {"estimator": judge, "judging_seconds": result["seconds"], "date": time.strftime("%Y-%m-%d")}


def key_of(entry: dict[str, Any]) -> str:
    return f"{entry.get('series', entry['source'])} {entry['minutes']:g} seed {entry['seed']} {entry['estimator']}"


def keep(path: Path, machine: str, entry: dict[str, Any], picture: Path) -> dict[str, Any]:
    """Add an entry, or put it in the place of the one with its key; the file is never half written."""
    found: dict[str, Any] = {"format": FORMAT, "machine": machine, "chart": picture.name, "entries": {}}
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
    found["entries"][key_of(entry)] = entry
    for target, text in ((path, json.dumps(found, indent=1) + "\n"), (picture, chart(list(found["entries"].values())))):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
