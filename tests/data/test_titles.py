"""Titles of a report above the names of the columns: refused with an option that works, and passed over at use."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.data import load
from unveil.errors import RequestError

RNG = np.random.default_rng(6)
TABLE = [
    ["a", "b", "c", "d"],
    *([str(i * i % 50), str(i % 7), "xy"[i % 2], f"{v:.2f}"] for i, v in enumerate(RNG.normal(size=60))),
]
TITLES: dict[str, list[list[str]]] = {
    "one with commas": [["Report of 2023", "", "", ""]],
    "one and an empty line": [["Report of 2023", "", "", ""], []],
    "one and a line of commas": [["Report of 2023", "", "", ""], ["", "", "", ""]],
    "two texts": [["Report", "of 2023", "", ""], ["Unit", "EUR", "", ""], []],
    "texts without commas": [["Report of 2023"], ["Printed on Monday"], []],
}


def written(path: Path, titles: list[list[str]]) -> Path:
    rows = [*titles, *TABLE]
    if path.suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([cell or None for cell in row])
        book.save(path)
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("clean")
    small: dict[str, Any] = {"model": "vae", "model__width": 8, "latent": 2, "steps": 2}
    return fitted(str(written(folder / "t.csv", [])), folder / "run", **small)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("titles", TITLES)
def test_the_option_that_is_offered_reads_the_table(titles: str, ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"t.{ending}", TITLES[titles])
    with pytest.raises(RequestError) as error:
        load(path)
    found = re.search(r"data\.header=(\d+)", str(error.value))
    assert found is not None and "the same name" not in str(error.value)
    data = load(path, header=int(found[1]))
    assert data.columns == ("a", "b", "c", "d") and sum(map(len, (data.train, data.valid, data.test))) == 60


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("titles", TITLES)
def test_a_run_finds_its_columns_below_titles(run: Run, titles: str, ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"n.{ending}", TITLES[titles])
    assert main(["encode", str(run.path), str(path), "-o", str(tmp_path / "z.csv")]) == 0
    assert len((tmp_path / "z.csv").read_text().splitlines()) == 61
