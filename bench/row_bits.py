"""Bits that a row of Adult takes: −log₂ p of held-out rows, beside a file format and what people would fit by hand.

    python bench/row_bits.py                    ten minutes of ours; then a mixture of products, boosted trees, Parquet
    python bench/row_bits.py --minutes 2 --methods unveil,parquet

Each learns the 32,561 training rows and is judged by the 16,281 test rows; a missing value is the level "unknown".
boosted: p(x) = Π_d p(x_d|x_<d), each by scikit-learn's boosted trees; a number of more than 64 values is one of
    64 bins, and within its bin counts with a prior of 1 for each whole number.
parquet: the test rows as a file with zstd at level 19, in bits per row.
"""

from __future__ import annotations

import argparse
import io
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from synthetic_rows import adult

import unveil

BINS, ROUNDS = 64, 60
LEAST = 1e-6  # of what a tree gives a class
Array = np.ndarray


def fitted(model: str | None) -> Callable[..., tuple[float, float]]:
    def bits(train: pd.DataFrame, test: pd.DataFrame, options: argparse.Namespace) -> tuple[float, float]:
        named = {"model": model} if model else {}
        with tempfile.TemporaryDirectory() as folder:
            run = unveil.fit(
                train, out=Path(folder) / "run", minutes=options.minutes, seed=options.seed, show=False, **named
            )
            return of_each(-run.score(test).log_px / math.log(2))

    return bits


def of_each(bits: Array) -> tuple[float, float]:
    return float(np.mean(bits)), float(np.std(bits) / math.sqrt(len(bits)))


def boosted(train: pd.DataFrame, test: pd.DataFrame, options: argparse.Namespace) -> tuple[float, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    coded, total = [], np.zeros(len(test))
    for name in train:
        learned, asked, within = as_classes(train[name], test[name])
        if not coded:
            share = np.bincount(learned, minlength=learned.max() + 1) + 1.0
            p = np.tile(share / share.sum(), (len(test), 1))
        else:
            before = [np.stack(parts, 1) for parts in zip(*coded, strict=True)]
            alone = bool((np.unique(learned, return_counts=True)[1] == 1).any())  # a class that cannot be held out
            trees = HistGradientBoostingClassifier(max_iter=ROUNDS, early_stopping=not alone, random_state=options.seed)
            trees.fit(before[0], learned)
            p = np.full((len(test), learned.max() + 1), 0.0)
            p[:, trees.classes_] = trees.predict_proba(before[1])
        p = (p + LEAST) / (p + LEAST).sum(1, keepdims=True)
        total -= np.log2(p[np.arange(len(test)), asked]) + within
        coded.append((as_number(train[name], train[name]), as_number(train[name], test[name])))
        print(f"  boosted, after {name}: {total.mean():.2f} bits", flush=True)
    return of_each(total)


def as_number(known: pd.Series, values: pd.Series) -> Array:
    if pd.api.types.is_numeric_dtype(known):
        return values.to_numpy(float)
    return values.map({level: i for i, level in enumerate(sorted(known.unique()))}).to_numpy(float)


def as_classes(known: pd.Series, values: pd.Series) -> tuple[Array, Array, Array]:
    """The classes of both, and log₂ p(value|its class) of `values`, which is 0 where a class is one value."""
    if not pd.api.types.is_numeric_dtype(known):
        return as_number(known, known).astype(int), as_number(known, values).astype(int), np.zeros(len(values))
    x, asked = known.to_numpy(np.int64), values.to_numpy(np.int64)
    distinct = np.unique(x)
    if len(distinct) <= BINS:
        places = np.clip(np.searchsorted(distinct, asked), 0, len(distinct) - 1)
        unseen = distinct[places] != asked  # such a value costs what the smoothing of one unseen whole number would
        return np.searchsorted(distinct, x), places, np.where(unseen, -math.log2(len(x)), 0.0)
    edges = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)).astype(np.int64))[1:-1]
    reach = int(x.max() - x.min())
    ends = np.concatenate([[x.min() - reach], edges, [x.max() + reach + 1]])
    own, bins = np.searchsorted(edges, x, side="right"), np.searchsorted(edges, asked, side="right")
    counts = pd.Series(x).value_counts()
    size, width = np.bincount(own, minlength=len(ends) - 1), np.diff(ends)
    of_value = counts.reindex(asked).fillna(0).to_numpy() + 1.0
    return own, bins, np.log2(of_value / (size[bins] + width[bins]))


def parquet(train: pd.DataFrame, test: pd.DataFrame, options: argparse.Namespace) -> tuple[float, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(test, preserve_index=False), held, compression="zstd", compression_level=19)
    return 8 * len(held.getvalue()) / len(test), 0.0


METHODS: dict[str, Callable[..., tuple[float, float]]] = {
    "unveil": fitted(None), "table_mixture": fitted("table_mixture"), "boosted": boosted, "parquet": parquet,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train, test = adult("train"), adult("test")
    whole = train.select_dtypes("number").columns
    train[whole], test[whole] = train[whole].astype(np.int64), test[whole].astype(np.int64)
    for name in options.methods.split(","):
        started = time.perf_counter()
        bits, error = METHODS[name](train, test, options)
        print(f"| {name} | {bits:.2f} ± {error:.2f} bits per row | {time.perf_counter() - started:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
