"""Odd rows of 22 tables of ADBench by `unveil score --oddity`: AUROC, beside published figures and methods run here.

    python bench/odd_rows.py                          the published protocol (5 seeds) and random halves (3 seeds)
    python bench/odd_rows.py halves --seeds 1         one of them
    python bench/odd_rows.py --quick                  five tables, one seed
    python bench/odd_rows.py --tables thyroid,WBC model=vae      with other settings of the fit

Every method learns from normal rows alone, and ranks the other normal rows and all anomalies.

published: the first half of the normal rows in the order of the file. Tables below 1,000 rows are drawn with
    replacement up to 1,000 (copies of a row then stand on both sides), those above --most rows (50,000, as in the
    published run) are a random choice of so many. A table between the two is split alike under each seed.
halves: a random half of the normal rows, of at most 10,000 rows.

Each table is fitted by `unveil.fit` at its defaults, the seed apart. Data is read from $UNVEIL_DATA.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

import unveil

Array = np.ndarray
Parts = tuple[Array, Array, Array]  # rows to learn from, rows to rank, and which of these are anomalies
QUICK = ("breastw", "cardio", "Cardiotocography", "thyroid", "WBC")
FEW, HALVES = 1_000, 10_000
SEEDS = {"published": 5, "halves": 3}
HOME = Path(os.environ.get("UNVEIL_DATA", ".")) / "adbench"


def table(name: str) -> tuple[Array, Array]:
    """x [N, D] and y [N], 1 for an anomaly."""
    with np.load(HOME / f"{name}.npz") as found:
        return found["X"].astype(np.float64), found["y"].astype(np.int64)


def published(name: str, seed: int, most: int) -> Parts:
    """As vicliv/DTE splits (data_generator.py, run.py), whose seeds are NumPy's global ones."""
    x, y = table(name)
    rng, rows = np.random.RandomState(seed), len(y)
    if rows < FEW:
        kept = rng.choice(np.arange(rows), FEW, replace=True)
    else:
        kept = rng.choice(np.arange(rows), most, replace=False) if rows > most else np.arange(rows)
    return parted(x[kept], y[kept], np.flatnonzero(y[kept] == 0))


def halves(name: str, seed: int, most: int) -> Parts:
    x, y = table(name)
    rng = np.random.default_rng(1000 + seed)
    kept = rng.choice(len(y), min(len(y), HALVES), replace=False) if len(y) > HALVES else np.arange(len(y))
    return parted(x[kept], y[kept], rng.permutation(np.flatnonzero(y[kept] == 0)))


def parted(x: Array, y: Array, normal: Array) -> Parts:
    half = round(0.5 * len(normal))
    rest = np.concatenate([normal[half:], np.flatnonzero(y == 1)])
    return x[normal[:half]], x[rest], y[rest]


PROTOCOLS: Mapping[str, Callable[[str, int, int], Parts]] = {"published": published, "halves": halves}


def by_unveil(train: Array, rest: Array, seed: int, keys: Mapping[str, str]) -> dict[str, Array]:
    frame, new = (pd.DataFrame(x, columns=[f"c{d}" for d in range(x.shape[1])]) for x in (train, rest))
    with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = unveil.fit(frame, out=Path(home) / "run", seed=seed, show=False, options=dict(keys))
        scores = run.score(new, oddity=True)
    return {"oddity": finite(scores["oddity"]), "−log p(x)": finite(-np.asarray(scores["log_px"]))}


def finite(values: Array) -> Array:
    """Numbers that can be ranked: what has no oddity comes last."""
    return np.nan_to_num(np.asarray(values, np.float64), nan=-1e30, posinf=1e30, neginf=-1e30)


def by_others(train: Array, rest: Array, seed: int) -> dict[str, Array]:
    """The scores of what is run side by side, on columns standardised by the rows to learn from."""
    spread = train.std(0)
    a, b = ((x - train.mean(0)) / np.where(spread > 0, spread, 1) for x in (train, rest))
    near = NearestNeighbors(n_neighbors=5).fit(a)
    return {
        "k-NN": near.kneighbors(b)[0][:, -1],
        "LOF": -LocalOutlierFactor(20, novelty=True).fit(a).score_samples(b),
        "IForest": -IsolationForest(random_state=seed).fit(a).score_samples(b),
        "OCSVM": -OneClassSVM().fit(a).score_samples(b),
    }


def measured(name: str, protocol: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    """AUROC (in %) of each method, and the seconds that `unveil` took."""
    train, rest, wrong = PROTOCOLS[protocol](name, seed, args.most)
    start = time.perf_counter()
    scores = by_unveil(train, rest, seed, dict(key.split("=", 1) for key in args.keys))
    seconds = time.perf_counter() - start
    scores |= by_others(train, rest, seed)
    return {method: 100 * float(roc_auc_score(wrong, s)) for method, s in scores.items()} | {"s": seconds}


def figures() -> dict[str, dict[str, float]]:
    """{table: {method: published AUROC in %}}."""
    with (HOME / "published.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {r.pop("table"): {k: float(v) for k, v in r.items() if k != "best method"} for r in rows}


def show(found: dict[str, list[dict[str, float]]], protocol: str) -> None:
    known = figures()
    mean = {name: {m: float(np.mean([r[m] for r in runs])) for m in runs[0]} for name, runs in found.items()}
    told = ("KNN", "VAE", "DTE-NP", "best") if protocol == "published" else ()
    methods = list(next(iter(mean.values())))
    print(f"\n{protocol}\n" + " | ".join([f"{'table':16s}", *(f"{m:>9s}" for m in (*methods, *told))]))
    for name, row in mean.items():
        print(" | ".join([f"{name:16s}", *(f"{v:9.2f}" for v in (*row.values(), *(known[name][m] for m in told)))]))
    columns = {m: np.array([row[m] for row in mean.values()]) for m in methods}
    columns |= {f"published {m}": np.array([known[name][m] for name in mean]) for m in told}
    print(" | ".join([f"{'mean':16s}", *(f"{column.mean():9.2f}" for column in columns.values())]))
    for m, column in columns.items():
        if m not in ("oddity", "s"):
            ahead = columns["oddity"] - column
            error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.nan
            print(f"oddity − {m}: {ahead.mean():.2f} ± {error:.2f}, above on {(ahead > 0).sum()} of {len(ahead)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", help="published, halves; default both; and keys of the fit, KEY=VALUE")
    parser.add_argument("--tables", help="names, with commas between")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--most", type=int, default=50_000, help="rows of a table under the published protocol")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    args.keys = [word for word in args.protocols if "=" in word]
    protocols = [word for word in args.protocols if "=" not in word] or list(PROTOCOLS)
    names = args.tables.split(",") if args.tables else list(QUICK) if args.quick else list(figures())
    for protocol in protocols:
        found: dict[str, list[dict[str, float]]] = {}
        for name in names:
            for seed in range(args.seeds or (1 if args.quick else SEEDS[protocol])):
                row = measured(name, protocol, seed, args)
                found.setdefault(name, []).append(row)
                print(protocol, name, seed, " ".join(f"{m} {v:.2f}" for m, v in row.items()), flush=True)
        show(found, protocol)


if __name__ == "__main__":
    main()
