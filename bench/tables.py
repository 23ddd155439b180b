"""Tables side by side with what people use: imputation and anomaly ranking, the tables of measurements/tables.md.

    python bench/tables.py impute            30 % of six tables missing at random; RMSE in standard deviations
    python bench/tables.py anomalies         six ADBench tables, 3 seeds; AUROC (needs pyod for its VAE's column)
    python bench/tables.py                   both

Every fit of ours is `unveil.fit(x)` with its defaults; no option differs between tables. The tables of ADBench are read
from $UNVEIL_DATA/adbench.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (what makes the next line work)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import unveil

ADBENCH = ("annthyroid", "cardio", "mammography", "pendigits", "shuttle", "thyroid")
IMPUTED = ("annthyroid", "pendigits", "shuttle")
MISSING = 0.3
SEEDS = (0, 1, 2)
Array = np.ndarray
Ranker = Callable[[Array, Array, int], Array]


def adbench(name: str) -> tuple[Array, Array]:
    """x [N, D] and y [N], 1 for an anomaly."""
    with np.load(Path(os.environ["UNVEIL_DATA"]) / "adbench" / f"{name}.npz") as found:
        return found["X"].astype(np.float64), found["y"].astype(np.int64)


def fitted(x: Array, seed: int) -> unveil.Run:
    return unveil.fit(x, out=Path(tempfile.mkdtemp()) / "run", seed=seed, data__domain="real", show=False)


# -- imputation -------------------------------------------------------------------------------------------------------


def tables() -> Iterator[tuple[str, Array]]:
    for name, load in (("wine", load_wine), ("breast cancer", load_breast_cancer), ("diabetes", load_diabetes)):
        yield name, load().data
    for name in IMPUTED:
        yield name, adbench(name)[0]


def with_gaps(x: Array) -> Array:
    """The mask of what is missing: each entry with probability 0.3, and no row without any entry."""
    mask = np.random.default_rng(0).random(x.shape) < MISSING
    mask[mask.all(1), 0] = False
    return mask


def ours(x: Array) -> Array:
    started = time.perf_counter()
    run = fitted(x, 0)
    print(f"fitted in {time.perf_counter() - started:.0f} s", flush=True)
    return np.asarray(run.impute(x, mean=True))


def imputation() -> list[tuple[str, ...]]:
    """A row per table: RMSE of each method over the missing entries, in standard deviations of the column."""
    methods: dict[str, Callable[[Array], Array]] = {
        "mean": lambda x: SimpleImputer().fit_transform(x),
        "k-NN": lambda x: KNNImputer().fit_transform(x),
        "iterative": lambda x: IterativeImputer(max_iter=20, random_state=0).fit_transform(x),
        "unveil": ours,
    }
    rows = []
    for name, x in tables():
        missing, mean, spread = with_gaps(x), x.mean(0), x.std(0)
        cells = [f"{name} ({len(x):,} × {x.shape[1]})"]
        for label, method in methods.items():
            started = time.perf_counter()
            # in its own units for us, standardised for the others, whose distances and penalties need it
            given = np.where(missing, np.nan, x)
            full = method(given) if label == "unveil" else method((given - mean) / spread) * spread + mean
            error = np.sqrt((((full - x) / spread)[missing] ** 2).mean())
            cells.append(f"{error:.3f} ({time.perf_counter() - started:.0f} s)")
            print(name, label, cells[-1], flush=True)
        rows.append(tuple(cells))
    return rows


# -- anomalies --------------------------------------------------------------------------------------------------------


def split(x: Array, y: Array, seed: int) -> tuple[Array, Array, Array]:
    """Half of the normal rows to train on; the other half and all anomalies to rank."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    half = len(normal) // 2
    rest = np.concatenate([normal[half:], np.flatnonzero(y == 1)])
    return x[normal[:half]], x[rest], y[rest]


def by_unveil(train: Array, test: Array, seed: int) -> Array:
    """−log p(x), without columns in which less than 1 % of the training rows differ from the commonest value.

    A density of a column that hardly ever changes has next to no bound; one that never changes is refused by name.
    """
    commonest = [np.unique(column, return_counts=True)[1].max() for column in train.T]
    varied = np.array(commonest) < 0.99 * len(train)
    return -np.asarray(fitted(train[:, varied], seed).score(test[:, varied]).log_px)


def by_neighbours(train: Array, test: Array, seed: int) -> Array:
    return NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0].max(1)


def by_forest(train: Array, test: Array, seed: int) -> Array:
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def by_pca(train: Array, test: Array, seed: int) -> Array:
    """The squared length of the part that the components of 95 % of the variance leave out."""
    pca = PCA(0.95).fit(train)
    return ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum(1)


def by_pyod(train: Array, test: Array, seed: int) -> Array:
    from pyod.models.vae import VAE

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return VAE(random_state=seed, verbose=0).fit(train).decision_function(test)


def anomalies() -> list[tuple[str, ...]]:
    """A row per table: AUROC of each method, the mean over three splits and seeds."""
    methods: dict[str, Ranker] = {
        "unveil": by_unveil, "k-NN": by_neighbours, "isolation forest": by_forest, "PCA": by_pca,
    }  # fmt: skip
    try:
        import pyod  # noqa: F401

        methods["pyod VAE"] = by_pyod
    except ImportError:
        print("pyod is not installed: its VAE is left out", flush=True)
    rows, each = [], {label: [] for label in methods}
    for name in ADBENCH:
        x, y = adbench(name)
        cells = [f"{name} ({len(x):,} × {x.shape[1]})"]
        for label, method in methods.items():
            found = []
            for seed in SEEDS:
                train, test, wrong = split(x, y, seed)
                scaler = StandardScaler().fit(train)
                scaled = (train, test) if label == "unveil" else (scaler.transform(train), scaler.transform(test))
                found.append(roc_auc_score(wrong, method(*scaled, seed)))
            each[label].append(np.mean(found))
            cells.append(f"{np.mean(found):.4f}")
            print(name, label, [f"{v:.4f}" for v in found], flush=True)
        rows.append(tuple(cells))
    return [("table", *methods), *rows, ("mean", *(f"{np.mean(v):.4f}" for v in each.values()))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=("impute", "anomalies", "both"), default="both")
    what = parser.parse_args().what
    if what in ("impute", "both"):
        show([("table", "mean", "k-NN", "iterative", "unveil"), *imputation()])
    if what in ("anomalies", "both"):
        show(anomalies())


def show(rows: list[tuple[str, ...]]) -> None:
    """A Markdown table."""
    head, *rest = rows
    for row in (head, ("---",) * len(head), *rest):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
