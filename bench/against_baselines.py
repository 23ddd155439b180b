"""A default fit beside the best simple baseline of its own report, on small data sets: the default must not lose.

    python bench/against_baselines.py                 all, about ten minutes on an idle machine
    python bench/against_baselines.py wine digits     some

Each line: log p(x) of the default fit of `unveil.fit(x)` on test examples, the best baseline, and the paired difference
in nats with its standard error. The tables of ADBench are read from $UNVEIL_DATA/adbench. Test splits of iris and wine
have 15 and 17 rows: judge by several of them (data.seed=1). Where columns follow exactly from others, a few hundredths
of a nat compare the smallest noise that a model may have (docs/en/explanation/families.md), not models.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

import unveil

Array = np.ndarray


def adbench(name: str) -> Array:
    with np.load(Path(os.environ["UNVEIL_DATA"]) / "adbench" / f"{name}.npz") as found:
        return found["X"][:6000].astype(np.float64)


def pictures(name: str, count: int = 1000) -> Array:
    """The first pictures of a named source, as they are stored."""
    x, *_ = unveil.data.loading.read_array(name)
    return x[:count]


def low_rank(num_rows: int, num_columns: int) -> Array:
    """A short and wide table: ten factors and noise."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(10, num_columns))
    return rng.normal(size=(num_rows, 10)) @ loadings + 0.5 * rng.normal(size=(num_rows, num_columns))


def derived(num_rows: int = 1500) -> Array:
    """Columns that follow from others: °F of °C, a total; and one that is there twice, nearly."""
    rng = np.random.default_rng(1)
    celsius, a, b = rng.normal(15, 8, num_rows), rng.gamma(2.0, 10, num_rows), rng.gamma(3.0, 5, num_rows)
    twice = a * (1 + 1e-3 * rng.normal(size=num_rows))
    return np.column_stack([celsius, 1.8 * celsius + 32 + 0.05 * rng.normal(size=num_rows), a, b, a + b, twice])


def poisson_groups(num_rows: int = 1000, num_columns: int = 200) -> Array:
    """Counts of three groups, each with rates of its own; the first column holds hundreds."""
    rng = np.random.default_rng(2)
    rate = rng.gamma(2.0, 4.0, (3, num_columns))
    rate[:, 0] *= 50
    return rng.poisson(rate[rng.integers(0, 3, num_rows)])


def overdispersed(num_rows: int = 1000, num_columns: int = 30) -> Array:
    """Counts whose log rate is a sum of three factors, and which spread more than Poissons do."""
    rng = np.random.default_rng(3)
    rate = np.exp(2 + rng.normal(size=(num_rows, 3)) @ (0.5 * rng.normal(size=(3, num_columns))))
    return rng.poisson(rng.gamma(3.0, rate / 3.0))


SETS: dict[str, Callable[[], Any]] = {
    "iris": lambda: load_iris().data,
    "wine": lambda: load_wine().data,
    "diabetes": lambda: load_diabetes().data,
    "breast_cancer": lambda: load_breast_cancer().data,
    "cardio": lambda: adbench("cardio"),
    "pendigits": lambda: adbench("pendigits"),
    "annthyroid": lambda: adbench("annthyroid"),
    "cardiotocography": lambda: adbench("Cardiotocography"),
    "mammography": lambda: adbench("mammography"),
    "derived": derived,
    "wide": lambda: low_rank(60, 500),
    "long": lambda: low_rank(5000, 30),
    "poisson_groups": poisson_groups,
    "overdispersed": overdispersed,
    "digits": lambda: "digits",
    "mnist": lambda: pictures("mnist"),
    "fashion_mnist": lambda: pictures("fashion_mnist"),
    "cifar10": lambda: pictures("cifar10"),
    "emoji": lambda: pictures("emoji"),
}


def compare(name: str, keys: dict[str, str]) -> str:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run = unveil.fit(SETS[name](), out=Path(folder) / "run", show=False, options=keys)
        result = run.result
    best = max(result["baselines"], key=lambda b: b["log_px"])
    verdict = "" if best["difference"] > -best["difference_stderr"] else "  LOST"
    return (
        f"{name:14} {result['log_px']:12.2f} {best['log_px']:12.2f} "
        f"{best['difference']:10.2f} ± {best['difference_stderr']:<8.2f} {time.perf_counter() - started:5.0f} s  "
        f"{best['description']}; D = {result.get('num_latents', '')}{verdict}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SETS)}, and KEY=VALUE settings")
    words = parser.parse_args().names
    keys = dict(word.split("=", 1) for word in words if "=" in word)
    for name in [word for word in words if "=" not in word] or SETS:
        print(compare(name, keys), flush=True)


if __name__ == "__main__":
    main()
