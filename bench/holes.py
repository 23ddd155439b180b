"""Holes in tables, filled by us and by what people use: 30 % of the cells of 17 tables hidden at random.

    python bench/holes.py                              ours, mean and mode, k-NN, iterative imputation; then the table
    python bench/holes.py --methods miceforest         in an environment that has it; adds to the same file
    python bench/holes.py --tables tips,mpg --quick    two tables, short fits

Of numbers the root of the mean squared error in standard deviations of their column, of levels the share of wrong ones;
both over the hidden cells. Ours is `unveil.fit(frame)` with its defaults, and `run.impute(frame, mean=True)`.
Results are kept in a file of JSON lines (--out), from which the table is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HOME = Path(os.environ.get("UNVEIL_DATA", "../shared/data"))
NAMED = ("penguins", "tips", "mpg", "taxis", "healthexp")
BARE = ("german", "horse-colic", "banknote_authentication", "winequality-red", "auto_imports")
SKLEARN = ("wine", "breast_cancer", "diabetes")
ADBENCH = ("annthyroid", "pendigits", "shuttle")
SHARE, OWN_TEXT = 0.3, 0.4
QUICK: dict[str, Any] = {}


def table(name: str) -> pd.DataFrame:
    """A table, its columns of free text left out; dates are kept as such."""
    if name in NAMED or name in BARE:
        found = pd.read_csv(HOME / "tables" / f"{name}.csv", header=None if name in BARE else 0, na_values=["?"])
        found.columns = [str(c) for c in found.columns]
        for column in ("pickup", "dropoff"):
            if column in found:
                found[column] = pd.to_datetime(found[column])
    elif name == "adult":
        found = adult()
    elif name in SKLEARN:
        from sklearn import datasets

        found = pd.DataFrame(getattr(datasets, f"load_{name}")().data).rename(columns=str)
    else:
        with np.load(HOME / "adbench" / f"{name}.npz") as file:
            found = pd.DataFrame(file["X"].astype(np.float64)).rename(columns=str)
    free = [c for c in found if is_text(found[c]) and found[c].nunique() > OWN_TEXT * found[c].notna().sum()]
    return found.drop(columns=free)


def adult() -> pd.DataFrame:
    """The training rows of Adult with names, income last."""
    with np.load(HOME / "adult.npz") as file:
        columns: dict[str, Any] = {str(n): file["x_num_train"][:, i] for i, n in enumerate(file["num_names"])}
        for i, name in enumerate(file["cat_names"]):
            levels = np.append(file[f"levels_{name}"].astype(object), None)
            columns[str(name)] = levels[file["x_cat_train"][:, i]]
        return pd.DataFrame(columns | {"income": np.where(file["y_train"] > 0, ">50K", "<=50K")})


def is_text(column: pd.Series[Any]) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def with_holes(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The frame with 30 % of what is known hidden, and where; no row loses everything."""
    hidden = (np.random.default_rng(seed).random(frame.shape) < SHARE) & frame.notna().to_numpy()
    empty = (hidden | frame.isna().to_numpy()).all(1)
    hidden[empty] = False
    return frame.mask(pd.DataFrame(hidden, frame.index, frame.columns)), hidden


def as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Dates as seconds."""
    dates = [c for c in frame if pd.api.types.is_datetime64_any_dtype(frame[c])]
    return frame.assign(**{c: frame[c].astype("datetime64[s]").astype("int64").where(frame[c].notna()) for c in dates})


def ours(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    import unveil

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = unveil.fit(frame, out=Path(tempfile.mkdtemp()) / "run", seed=seed, show=False, **QUICK)
        print(f"  {run.model.registered[1]}: {run.result['log_px']:.2f}", flush=True)
        return run.impute(frame, mean=True)


class Coded:
    """Levels as indicators and numbers standardised, for methods that take numbers; and back, by the largest."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame, self.levels = frame, {c: sorted(frame[c].dropna().unique()) for c in frame if is_text(frame[c])}
        numbers = [c for c in frame if c not in self.levels]
        self.mean, self.std = frame[numbers].mean(), frame[numbers].std().replace(0, 1).fillna(1)

    def coded(self) -> np.ndarray:
        parts = []
        for c in self.frame:
            if c in self.levels:
                one = np.array([[v == level for level in self.levels[c]] for v in self.frame[c]], np.float64)
                one[self.frame[c].isna().to_numpy()] = np.nan
                parts.append(one)
            else:
                parts.append(((self.frame[c] - self.mean[c]) / self.std[c]).to_numpy(np.float64)[:, None])
        return np.concatenate(parts, 1)

    def decoded(self, x: np.ndarray) -> pd.DataFrame:
        found, at = self.frame.copy(), 0
        for c in self.frame:
            gap = self.frame[c].isna()
            if c in self.levels:
                block = x[:, at : at + len(self.levels[c])]
                found.loc[gap, c] = np.array(self.levels[c], object)[block.argmax(1)][gap]
                at += len(self.levels[c])
            else:
                found.loc[gap, c] = (x[:, at] * self.std[c] + self.mean[c])[gap.to_numpy()]
                at += 1
        return found


def by(imputer: Callable[[int], Any]) -> Callable[[pd.DataFrame, int], pd.DataFrame]:
    def fill(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
        coder = Coded(as_numbers(frame).astype({c: float for c in frame if not is_text(frame[c])}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return coder.decoded(imputer(seed).fit_transform(coder.coded()))

    return fill


def mean_mode(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    frame = as_numbers(frame)
    return frame.fillna({c: frame[c].mode().iloc[0] if is_text(frame[c]) else frame[c].mean() for c in frame})


def knn(seed: int) -> Any:
    from sklearn.impute import KNNImputer

    return KNNImputer(keep_empty_features=True)


def iterative(seed: int) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(max_iter=10, random_state=seed, keep_empty_features=True, n_nearest_features=50)


def miceforest(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    import miceforest as mf

    given = as_numbers(frame).reset_index(drop=True)
    given = given.astype({c: "category" if is_text(given[c]) else float for c in given})
    kernel = mf.ImputationKernel(given, num_datasets=1, random_state=seed, mean_match_candidates=0)
    kernel.mice(5, verbose=False)
    return kernel.complete_data(0).set_axis(frame.index)


METHODS: dict[str, Callable[[pd.DataFrame, int], pd.DataFrame]] = {
    "mean": mean_mode, "k-NN": by(knn), "iterative": by(iterative), "miceforest": miceforest, "unveil": ours,
}  # fmt: skip


def judged(name: str, method: str, seed: int) -> dict[str, Any]:
    """The errors of a method on a table."""
    whole = table(name)
    given, hidden = with_holes(whole, seed)
    started = time.perf_counter()
    full = as_numbers(METHODS[method](given, seed))
    seconds, squares, wrong = time.perf_counter() - started, [], []
    truth = as_numbers(whole)
    for i, c in enumerate(whole):
        rows = hidden[:, i]
        if is_text(whole[c]):
            wrong.append(truth[c][rows].to_numpy(str) != full[c][rows].to_numpy(str))
        else:
            spread = float(truth[c].std()) or 1.0
            squares.append(((full[c][rows].to_numpy(float) - truth[c][rows].to_numpy(float)) / spread) ** 2)
    return {
        "table": name, "rows": len(whole), "columns": whole.shape[1], "method": method, "seed": seed,
        "rmse": float(np.sqrt(np.concatenate(squares).mean())) if squares else None,
        "wrong": float(np.concatenate(wrong).mean()) if wrong else None, "seconds": seconds,
    }  # fmt: skip


def printed(path: Path) -> None:
    """The table of all that a file holds, and on how many lines ours is the best."""
    found = pd.read_json(path, lines=True).drop_duplicates(["table", "method", "seed"], keep="last")
    lines, best, worst = 0, 0, 0.0
    for measure, words in (("rmse", "error of numbers"), ("wrong", "share of wrong levels")):
        wide = found.pivot_table(index="table", columns="method", values=measure)
        print(f"\n{words}\n{wide.round(3).to_string()}")
        if "unveil" in wide:
            ratio = (wide["unveil"] / wide.drop(columns="unveil").min(axis=1)).dropna()
            lines, best, worst = lines + len(ratio), best + int((ratio <= 1.0).sum()), max(worst, ratio.max())
            print("ours over the best of the others:", ratio.round(3).to_dict())
    print(f"\nOurs is the best or equal on {best} of {lines} lines; at worst {worst:.3f} times the best other.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="mean,k-NN,iterative,unveil")
    parser.add_argument("--tables", default=",".join((*NAMED, *BARE, *SKLEARN, *ADBENCH, "adult")))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("holes.jsonl"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", default="")
    given = parser.parse_args()
    QUICK.update({"steps": 300} if given.quick else {}, **({"model": given.model} if given.model else {}))
    for name in given.tables.split(","):
        for method in given.methods.split(","):
            found = judged(name, method, given.seed)
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}, flush=True)
            with given.out.open("a") as file:
                file.write(json.dumps(found) + "\n")
    printed(given.out)


if __name__ == "__main__":
    main()
