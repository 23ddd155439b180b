"""What a model draws is held and written as its column is: by impute in the gaps of a table, by sample everywhere."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.data.cells import Cells
from unveil.data.columnforms import Form, decimals_of, form_of
from unveil.data.writtennumbers import Style

RNG = np.random.default_rng(0)
N = 60
QUICK: dict[str, Any] = {"model": "linear_gaussian", "latent": 1, "steps": 3}


@pytest.mark.parametrize(
    ("texts", "style", "value", "expected"),
    [
        (["1.5", "2.25"], Style(), 0.30000001192092896, "0.3"),
        (["1.50", "2.25"], Style(), 3.0, "3.00"),
        (["1.0", "2.5"], Style(), -0.01, "0.0"),
        (["3", "4"], Style(), 5.0, "5"),
        (["3", "4"], Style(), 5.25, "5.25"),  # a mean
        (["1,304.0", "12.5"], Style(".", ","), 1234567.891, "1,234,567.9"),
        (["1.304,50", "0,13"], Style(",", "."), 2500.5, "2.500,50"),
        (["0,13"], Style(","), 0.5, "0,50"),
        (["5%", "12%"], Style(percent=True), 7.0, "7%"),
        (["5.5 %"], Style(percent=True), 7.25, "7.2 %"),
        (["1.5E-03", "2.25E+10"], Style(), 0.001234567, "1.23E-03"),
        (["1,5e-03"], Style(","), 0.00126, "1,3e-03"),
        (["1e-05", "0.25"], Style(), 0.000123456, "0.00012"),
        (["TRUE"], Style(), False, "FALSE"),
        (["true"], Style(), True, "true"),
        (["12345678901234567890"], Style(), 12345678901234567891, "12345678901234567891"),
    ],
)
def test_numbers_are_written_as_those_of_their_column(
    texts: list[str], style: Style, value: Any, expected: str
) -> None:
    assert Cells.of(texts, style).write(value) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, 2.25], 2), ([0.285, 0.1], 3), ([3.0, 4.0], 0), ([1 / 3], None), ([1e-5], 5), ([1e300], None),
        (np.float32([5.1, 3.5]), 1), (np.float16([5.1]), 1), ([1e14 + 0.5], 1), ([5.0] * 200 + [0.5], 1),
    ],
)  # fmt: skip
def test_decimals_are_counted_in_the_type_of_a_column(values: Any, expected: int | None) -> None:
    assert decimals_of(np.asarray(values)) == expected


def test_few_values_are_told_by_those_of_training() -> None:
    known = form_of(np.arange(40))
    assert form_of(np.array([], float)).joined(known) == known
    assert form_of(np.array([3.0, 77.0])).joined(known) == Form(0, 0, 77.0, "float64", 2)
    assert form_of(np.array([3.5])).joined(known).decimals == 1
    many = form_of(np.arange(5.0, 25.0))
    assert many.joined(known) == many
    assert Form(0, 0, 9, "int64").brought(np.array([-3.2, 4.6, 99]), True).tolist() == [0, 5, 9]
    assert Form(0, 0, 9, "int64").brought(np.float32([0.3]), False).tolist() == [0.3]  # a mean keeps its fraction


def rows(path: Path, separator: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator))


def test_filled_cells_have_the_decimals_of_their_column_and_others_their_text(tmp_path: Path) -> None:
    """A column of each kind; a file with points, and one with commas whose cells semicolons separate."""
    x = RNG.normal(size=(N, 6))
    cells = [
        [f"{a:.1f}", f"{1000 * b + 5000:,.1f}", f"{c:.2f}", f"{40 + 10 * d:.0f}%", f"{e:.2e}", str(int(50 + 9 * f))]
        for a, b, c, d, e, f in x
    ]
    gaps = (np.arange(N)[:, None] % 7 == np.arange(6)) & (np.arange(N)[:, None] < 14)
    came = [["" if gap else cell for cell, gap in zip(*pair, strict=True)] for pair in zip(cells, gaps, strict=True)]
    patterns = [r"-?\d+\.\d", r"-?\d{1,3}(,\d{3})*\.\d", r"-?\d+\.\d\d", r"-?\d+%", r"-?\d\.\d\de[-+]\d\d", r"\d+"]
    for separator, commas in ((",", False), (";", True)):
        swap = str.maketrans(".,", ",.") if commas else {}
        given = [[cell.translate(swap) for cell in row] for row in came]
        source, run = tmp_path / f"t{commas}.csv", tmp_path / f"run{commas}"
        with source.open("w", newline="") as file:
            csv.writer(file, delimiter=separator).writerows([list("abcdef"), *given])
        fitted(source, run, **QUICK)
        for words in ([], ["--mean"]) if commas else ([],):
            how = ["-o", str(tmp_path / "full.csv"), "--num-samples", "8", *words]
            assert main(["impute", str(run), str(source), *how]) == 0
            for before, after in zip(given, rows(tmp_path / "full.csv", separator)[1:], strict=True):
                for old, new, pattern in zip(before, after, patterns, strict=True):
                    assert new == old or (not old and (words or re.fullmatch(pattern, new.translate(swap))))
                    assert len(new) <= 12


def frame(dtype: str) -> pd.DataFrame:
    every = np.arange(N)
    return pd.DataFrame(
        {
            "n": pd.Series(every % 9 + 3).astype(dtype),
            "flag": every % 2 == 0,
            "price": (RNG.normal(size=N) * 10).round(1),
            "x": RNG.normal(size=N),
            "seen": np.float32((RNG.normal(size=N)).round(2)),
        }
    )


@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint8"])
def test_samples_of_a_table_have_its_types_its_ends_and_its_decimals(tmp_path: Path, dtype: str) -> None:
    table = frame(dtype)
    run = fitted(table, tmp_path / "run", **QUICK)
    drawn = Run.load(run.path, data=table).sample(200)
    assert drawn.dtypes.astype(str).tolist() == [dtype, "bool", "float64", "float64", "float32"]
    assert set(drawn["n"]) <= set(range(3, 12)) and len(set(drawn["n"])) > 3 and set(drawn["flag"]) == {True, False}
    assert (drawn["price"].round(1) == drawn["price"]).all() and not (drawn["x"].round(3) == drawn["x"]).all()
    assert (np.float32(drawn["seen"].astype(float).round(2)) == drawn["seen"]).all()
    means = run.sample(20, mean=True)
    assert not (means["n"] == means["n"].round()).all()
    assert main(["sample", str(run.path), "-o", str(tmp_path / "s.csv"), "-n", "50"]) == 0
    for n, flag, price, x, seen in rows(tmp_path / "s.csv")[1:]:
        assert re.fullmatch(r"\d+", n) and flag in ("True", "False") and re.fullmatch(r"-?\d+\.\d", price)
        assert re.fullmatch(r"-?\d+\.\d\d?", seen) and len(x) < 15
    assert main(["sample", str(run.path), "-o", str(tmp_path / "s.npy"), "-n", "50"]) == 0
    x = np.load(tmp_path / "s.npy")
    assert np.array_equal(x[:, 0], np.rint(x[:, 0])) and x[:, 0].min() >= 3 and x[:, 0].max() <= 11
    for verb, columns in (("reconstruct", 10), ("interpolate", 7)):
        assert main([verb, str(run.path), str(tmp_path / "s.csv"), "-o", str(tmp_path / "r.csv")]) == 0
        header, *written = rows(tmp_path / "r.csv")
        assert len(header) == columns
        cells = [cell for row in written for name, cell in zip(header, row, strict=True) if not name.endswith("x")]
        assert max(map(len, cells)) < 9


def test_samples_of_an_array_have_the_decimals_of_its_columns(tmp_path: Path) -> None:
    x = np.c_[RNG.integers(0, 9, N), RNG.normal(size=N).round(2), RNG.normal(size=N)]
    drawn = fitted(x, tmp_path / "run", **QUICK).sample(40)
    assert isinstance(drawn, np.ndarray) and np.array_equal(drawn[:, 0], np.rint(drawn[:, 0]))
    assert np.abs(drawn[:, 1] - drawn[:, 1].round(2)).max() < 1e-6


PRICES = [None if i % 7 == 0 else Decimal(f"{10 + i / 3:.2f}") for i in range(N)]
DECIMALS = {
    "objects of pandas": lambda t: pd.DataFrame(t),
    "arrow types of pandas": lambda t: pd.DataFrame({k: pd.array(v, dtype=pd.ArrowDtype(pa.decimal128(12, 2))) if k == "p" else v for k, v in t.items()}),  # noqa: E501
    "polars": lambda t: pl.DataFrame(t, schema={"p": pl.Decimal(12, 2), "x": pl.Float64}),
    "pyarrow": lambda t: pa.table({"p": pa.array(t["p"], pa.decimal128(12, 2)), "x": t["x"]}),
}  # fmt: skip


@pytest.mark.parametrize("library", DECIMALS)
def test_exact_decimals_are_filled_with_such(tmp_path: Path, library: str) -> None:
    table = DECIMALS[library]({"p": PRICES, "x": RNG.normal(size=N)})
    run = fitted(table, tmp_path / "run", **QUICK)
    full = run.impute(table)
    assert full["p"].dtype == table["p"].dtype if library != "pyarrow" else full.schema.types == table.schema.types
    found = full["p"].to_pylist() if library == "pyarrow" else full["p"].to_list()
    assert all(isinstance(value, Decimal) and value.as_tuple().exponent == -2 for value in found)
    assert all(came in (None, value) for came, value in zip(PRICES, found, strict=True))
    assert all(isinstance(v, Decimal) and v.as_tuple().exponent == -2 for v in run.sample(5)["p"])


def test_objects_of_python_are_filled_with_their_kind(tmp_path: Path) -> None:
    gap = [i % 6 == 0 for i in range(N)]
    columns = {"k": [7 * i % 11 for i in range(N)], "ok": [i % 2 == 0 for i in range(N)]}
    holed = {name: [None if g else v for v, g in zip(values, gap, strict=True)] for name, values in columns.items()}
    table = pd.DataFrame(holed, dtype=object).assign(x=RNG.normal(size=N))
    with pytest.warns(UserWarning, match="'k', 'ok' hold whole numbers"):
        full = fitted(table, tmp_path / "run", **QUICK).impute(table)
    assert {type(v) for v in full["k"]} == {int} and {type(v) for v in full["ok"]} == {bool}
