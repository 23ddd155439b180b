"""`unveil compare` and `unveil pack`, and `unveil.load` in a process that has torch, numpy and safetensors alone."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unveil
from cli.commands import Call, finish, start
from quick import PLAIN_WORDS
from unveil.report.comparison import overlaid

USE = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in OTHERS:
            raise ModuleNotFoundError(f"{name} is not here", name=name)

sys.meta_path.insert(0, Refuse())
import numpy as np, unveil
model = unveil.load(sys.argv[1])
x = np.load(sys.argv[2])["x"]
z = model.encode(x)
found = {
    "mean": z.mean.tolist(), "log_px": model.score(x).log_px.tolist(), "sample": model.sample(3).tolist(),
    "decoded": model.decode(z.mean).tolist(),
}
print(json.dumps(found))
"""
OTHERS = {
    "filelock", "jinja2", "markupsafe", "narwhals", "pandas", "PIL", "pooch", "psutil", "pyarrow", "rich",
    "scipy", "sklearn", "typer", "zuko",
}  # fmt: skip


SHORT = (*PLAIN_WORDS, "evaluation.baselines=none")


@pytest.fixture(scope="session")
def second(folder: Path, fitted: object) -> str:
    """Another run on the same data."""
    done = finish(start("fit", "x.npz", "--steps", "30", "--objective", "iwae", *SHORT, "--out", "second", cwd=folder))
    assert done.code == 0, done.err
    return "second"


def test_a_comparison_puts_the_best_first_and_pairs_the_differences(call: Call, second: str, folder: Path) -> None:
    done = call("compare", second, "run", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    best, other = found["runs"]
    assert best["log_px"] >= other["log_px"] and best["difference"] == 0 and best["difference_stderr"] is None
    runs = {name: unveil.Run.load(folder / name) for name in ("run", second)}
    log_px = {name: run.store.scores("test") for name, run in runs.items()}
    each = log_px[other["name"]] - log_px[best["name"]]
    assert other["difference"] == pytest.approx(each.mean())
    assert other["difference_stderr"] == pytest.approx(each.std(ddof=1) / len(each) ** 0.5)
    assert other["difference"] == pytest.approx(other["log_px"] - best["log_px"], abs=1e-4)


def test_a_comparison_is_a_table_a_csv_and_a_page(call: Call, second: str, folder: Path) -> None:
    done = call("compare", "run", second, "-o", "both.html", "--csv", "both.csv")
    assert done.code == 0, done.err
    assert "behind" in done.out and second in done.out
    with (folder / "both.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == {"run", second} and float(rows[0]["log_px"]) > float(rows[1]["log_px"])
    page = (folder / "both.html").read_text()
    assert "http://" not in page.split("<script")[0] and "Side by side" in page and second in page


def test_runs_on_other_data_are_not_compared(call: Call, folder: Path) -> None:
    words = ("fit", "columns.npy", "--model", "linear_gaussian", "--steps", "3", *SHORT, "--out", "columns")
    other = finish(start(*words, cwd=folder))
    assert other.code == 0, other.err
    done = call("compare", "run", "columns")
    assert done.code == 2 and "differ in their data" in done.err


def test_another_binarization_is_not_compared(call: Call, folder: Path) -> None:
    for name in ("dynamic", "threshold"):
        made = finish(
            start(
                "fit",
                "x.npz",
                f"data.binarization={name}",
                *("--model", "mixture", "--steps", "3", *SHORT, "--out", name),
                cwd=folder,
            )
        )
        assert made.code == 0, made.err
    done = call("compare", "dynamic", "threshold")
    assert done.code == 2 and "binarization: dynamic and threshold" in done.err


def test_one_run_is_no_comparison(call: Call) -> None:
    done = call("compare", "run")
    assert done.code == 2 and "at least two" in done.err


def test_curves_of_several_runs_share_a_figure() -> None:
    figure = overlaid({"a": ([1, 2], [-3.0, -2.0]), "b<": ([1, 2, 3], [-9.0, -4.0, -3.0])})
    assert [trace["name"] for trace in figure["data"]] == ["a", "b&lt;"]
    assert figure["data"][0]["marker"]["size"] and figure["data"][0]["line"] != figure["data"][1]["line"]


def test_a_packed_model_needs_torch_numpy_and_safetensors_alone(call: Call, folder: Path) -> None:
    done = call("pack", "run", "-o", "packed")
    assert done.code == 0 and "unveil.load" in done.out, done.err
    assert sorted(p.name for p in (folder / "packed").iterdir()) == [
        "config.json", "data.json", "pack.json", "scores.safetensors", "weights.safetensors",
    ]  # fmt: skip
    assert str(folder) not in (folder / "packed/data.json").read_text() + (folder / "packed/config.json").read_text()
    found = subprocess.run(
        [sys.executable, "-c", f"OTHERS = {OTHERS!r}\n{USE}", "packed", "new.npz"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    said, run, x = json.loads(found.stdout), unveil.Run.load(folder / "run"), np.load(folder / "new.npz")["x"]
    np.testing.assert_allclose(said["mean"], run.encode(x).mean, atol=1e-6)
    np.testing.assert_allclose(said["log_px"], run.score(x).log_px, atol=1e-4)
    np.testing.assert_array_equal(said["sample"], run.sample(3))
    assert np.shape(said["decoded"]) == x.shape


def test_packing_overwrites_nothing_and_load_says_what_is_missing(call: Call, folder: Path) -> None:
    (folder / "full").mkdir(exist_ok=True)
    (folder / "full/mine.txt").write_text("kept")
    done = call("pack", "run", "-o", "full")
    assert done.code == 2 and "not empty" in done.err and (folder / "full/mine.txt").read_text() == "kept"
    with pytest.raises(unveil.RequestError, match=r"has no config\.json"):
        unveil.load(folder / "full")


def test_decoding_refuses_z_of_another_size(call: Call, folder: Path) -> None:
    model = unveil.load(folder / "run")
    with pytest.raises(unveil.RequestError, match="3 columns"):
        model.decode(np.zeros((2, 3)))
    with pytest.raises(unveil.RequestError, match="row per example"):
        model.decode(np.zeros(32))
