"""Synthetic rows of Adult: how like real ones they are, what they teach, and whether they are copies.

    python bench/synthetic_rows.py                         fifteen minutes of ours, then TVAE where ctgan is installed
    python bench/synthetic_rows.py --quick                 two minutes, 4,000 rows, and five epochs of TVAE
    python bench/synthetic_rows.py --model autoregressive --minutes 5 --seed 1

Each contender learns the 32,561 training rows and makes as many. A missing value is the level "unknown", as in what is
published. Errors are 1 − Column Shapes and 1 − Column Pair Trends of SDMetrics, to the training rows; test rows stand
beside as what other real rows reach. Boosted trees learn the income from each and are tested on the 16,281 test rows.

TVAE runs in an environment of its own, whose Python is --peer or $UNVEIL_CTGAN (pip install ctgan there).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import unveil
from unveil.data.columns import Column
from unveil.diagnostics.closeness import closeness
from unveil.diagnostics.trends import trends
from unveil.diagnostics.usefulness import rows_of, task_of, told_apart, useful
from unveil.runs.given import new_split

GAP = "unknown"
Array = np.ndarray
TVAE = """
import sys
import pandas, torch
from ctgan import TVAE
source, out, epochs, seed = sys.argv[1:]
torch.manual_seed(int(seed))
rows = pandas.read_csv(source, keep_default_na=False)
levels = [name for name in rows if not pandas.api.types.is_numeric_dtype(rows[name])]
model = TVAE(epochs=int(epochs))
model.set_random_state(int(seed))
model.fit(rows, levels)
model.sample(len(rows)).to_csv(out, index=False)
"""


def adult(part: str) -> pd.DataFrame:
    """The rows of "train" or "test" with their names, income last."""
    with np.load(Path(os.environ["UNVEIL_DATA"]) / "adult.npz") as found:
        frame = pd.DataFrame(found[f"x_num_{part}"], columns=found["num_names"].tolist())
        for name, codes in zip(found["cat_names"].tolist(), found[f"x_cat_{part}"].T, strict=True):
            levels = found[f"levels_{name}"].astype(str)
            frame[name] = np.where(codes < 0, GAP, levels[codes])
        frame["income"] = np.where(found[f"y_{part}"] == 1, ">50K", "<=50K")
    return frame


def by_tvae(python: str, train: pd.DataFrame, epochs: int, seed: int, folder: Path) -> pd.DataFrame:
    train.to_csv(folder / "train.csv", index=False)
    words = [python, "-c", TVAE, str(folder / "train.csv"), str(folder / "made.csv"), str(epochs), str(seed)]
    subprocess.run(words, check=True)
    return pd.read_csv(folder / "made.csv", keep_default_na=False)


def judged(columns: tuple[Column, ...], train: Array, test: Array, made: Array, seed: int) -> dict[str, str]:
    """All figures of rows [M, D] that are held to be new ones."""
    of, close = trends(train, made, columns, seed=seed), closeness(train, test, made, columns)
    apart, d = told_apart(test, made, columns, seed), len(columns) - 1
    use = useful(task_of(columns, d), rows_of(train, d), rows_of(made, d), rows_of(test, d), seed)
    assert use is not None
    worst = ", ".join(f"{columns[c].name} {100 * error:.1f} %" for c, error, _ in of.worst_columns(3))
    return {
        "column error (by chance)": f"{100 * of.column_error():.2f} % ({100 * of.column_error(True):.2f} %)",
        "pair error (by chance)": f"{100 * of.pair_error():.2f} % ({100 * of.pair_error(True):.2f} %)",
        "income learned, AUC": f"{use.made:.4f} ± {use.made_stderr:.4f}",
        "of real rows": f"{use.real:.4f} ± {use.real_stderr:.4f}",
        "told from test rows, AUC": f"{apart.auc:.3f} ± {apart.auc_stderr:.3f}",
        "distance to the closest training row (of test rows)": f"{close.median:.3f} ({close.heldout_median:.3f})",
        "nearer to training than to test rows": f"{100 * close.nearer:.1f} ± {100 * close.nearer_stderr:.1f} %",
        "copies (among test rows)": f"{100 * close.copies:.2f} % ({100 * close.heldout_copies:.2f} %)",
        "farthest off": worst,
    }


def contenders(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    train, test = adult("train"), adult("test")
    if options.quick:
        train = train.sample(4000, random_state=0).reset_index(drop=True)
    started, minutes = time.perf_counter(), options.minutes or (2 if options.quick else 15)
    model = {"model": options.model} if options.model else {}
    run = unveil.fit(train, out=folder / "run", minutes=minutes, seed=options.seed, show=False, **model)
    fitted = time.perf_counter() - started
    made = run.sample(len(train), seed=options.seed)
    drawn = time.perf_counter() - started - fitted
    columns = run.store.data.table.columns

    def codes(frame: pd.DataFrame) -> Array:
        split, _ = new_split(run.store, frame)
        x = split.x.numpy().copy()
        if split.observed is not None:
            x[~split.observed.numpy()] = np.nan
        return x

    real = codes(train), codes(test)
    bits = float(np.mean(-run.score(test).log_px)) / np.log(2)
    name = (
        f"unveil, {run.store.config.model_name}, {fitted / 60:.1f} min and {drawn:.0f} s to draw, {bits:.2f} bits a row"
    )
    yield name, judged(columns, *real, codes(made), options.seed)
    half = np.array_split(real[1], 2)
    yield "half of the test rows", judged(columns, real[0], half[0], half[1], options.seed)
    if options.peer:
        epochs, started = options.epochs or (5 if options.quick else 300), time.perf_counter()
        made = by_tvae(options.peer, train, epochs, options.seed, folder)
        name = f"ctgan TVAE, {epochs} epochs, {(time.perf_counter() - started) / 60:.1f} min"
        yield name, judged(columns, *real, codes(made), options.seed)
    else:
        print("ctgan's TVAE is left out: no Python that has it was named (--peer, $UNVEIL_CTGAN)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", help="of ours; what unveil takes by itself unless given")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", default=os.environ.get("UNVEIL_CTGAN"), help="the Python that has ctgan")
    parser.add_argument("--epochs", type=int, help="of TVAE")
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, found in contenders(parser.parse_args(), Path(folder)):
            print(name, found, flush=True)
            rows.append((name, *found.values()))
    for row in (("Adult", *found), ("---",) * (len(found) + 1), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
