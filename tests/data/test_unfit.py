"""Columns of lists, records and bytes are named with what leaves them out; frames without rows say what gives them."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unveil.data.reading import read
from unveil.errors import RequestError

N = 30
X = np.random.default_rng(0).normal(size=N)
UNFIT = {
    "pandas lists": (lambda: pd.Series([[1, 2], [3], None] * 10), "lists"),
    "pandas records": (lambda: pd.Series([{"a": 1}] * N), "records"),
    "pandas arrays": (lambda: pd.Series([np.ones(2)] * N), "arrays"),
    "pandas bytes": (lambda: pd.Series([None, b"b", b"c"] * 10), "bytes"),
    "pandas complex": (lambda: X + 1j, "complex numbers"),
    "pandas intervals": (lambda: pd.Series(pd.IntervalIndex.from_breaks(range(N + 1))), "intervals"),
    "pandas objects": (lambda: pd.Series([object()] * N), "objects of object"),
    "arrow in pandas": (
        lambda: pd.Series([[1], [2, 3], None] * 10, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        "lists",
    ),
    "polars lists": (lambda: pl.Series([[1], [2, 3], None] * 10), "lists"),
    "polars arrays": (lambda: pl.Series([[1, 2]] * N, dtype=pl.Array(pl.Int64, 2)), "lists"),
    "polars records": (lambda: pl.Series([{"u": 1}] * N), "records"),
    "polars bytes": (lambda: pl.Series([b"a", b"b", None] * 10), "bytes"),
    "polars objects": (lambda: pl.Series([object()] * N, dtype=pl.Object), "objects of object"),
    "arrow lists": (lambda: pa.array([[1], [2, 3], None] * 10), "lists"),
    "arrow maps": (lambda: pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int64())), "lists"),
    "arrow records": (lambda: pa.array([{"u": 1}] * N), "records"),
    "arrow bytes": (lambda: pa.array([b"ab"] * N, pa.binary(2)), "bytes"),
}


def beside(column: Any) -> Any:
    """A frame of the library of a column, with one of numbers before it."""
    if isinstance(column, pl.Series):
        return pl.DataFrame({"a": X, "c": column})
    if isinstance(column, pa.Array):
        return pa.table({"a": X, "c": column})
    return pd.DataFrame({"a": X, "c": column})


def refusal(source: Any) -> str:
    with pytest.raises(RequestError) as refused:
        read(source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("kind", UNFIT)
def test_a_column_of_no_values_is_named_with_what_leaves_it_out(kind: str) -> None:
    make, what = UNFIT[kind]
    said = refusal(beside(make()))
    assert f"('c' holds {what})" in said and said.endswith("Leave it out: data.drop=c") and "encode" not in said
    assert read(beside(make()), drop="c").columns == ("a",)


def test_numbers_of_other_types_are_numbers() -> None:
    wide = pl.Series([1, None, 2**70] * 10, dtype=pl.Int128)
    assert read(pl.DataFrame({"a": X, "c": wide})).x[2, 1] == 2.0**70
    assert read(pl.DataFrame({"a": X, "c": pl.Series([1, -2, 3] * 10, dtype=pl.Int128)})).x[1, 1] == -2.0
    for cells in ([decimal.Decimal("1.25"), None, 3], [True, None, False], [np.float64(1.5), np.int8(2), None]):
        assert read(pd.DataFrame({"a": X, "c": pd.Series(cells * 10, dtype=object)})).x[0, 1] in (1.25, 1.0, 1.5)


def made_by(library: str, kind: str) -> Any:
    return type(kind, (), {"__module__": f"{library}.core", "__array__": lambda self: X[:, None]})()


@pytest.mark.parametrize(
    ("x", "way"),
    [
        (made_by("duckdb", "DuckDBPyRelation"), "x.df()"),
        (made_by("_duckdb", "DuckDBPyRelation"), "x.df()"),
        (made_by("dask", "DataFrame"), "x.compute()"),
        (made_by("pyspark", "DataFrame"), "x.toPandas()"),
        (pa.RecordBatch.from_pydict({"a": X}), "pyarrow.Table.from_batches([x])"),
        (pa.table({"a": X})["a"], "pyarrow.table({'x': x})"),
        (pl.Series("a", X), "x.to_frame()"),
        (pd.Series(X, name="a"), "x.to_frame()"),
    ],
)
def test_what_is_no_frame_yet_says_what_makes_one(x: Any, way: str) -> None:
    said = refusal(x)
    assert said.endswith(f"give {way}.")
    if type(x).__module__.split(".")[0] in ("pyarrow", "polars", "pandas"):
        assert read(eval(way, {"x": x, "pyarrow": pa})).x.shape == (N, 1)
    reader = pa.table({"a": X}).to_reader()
    assert "x.read_all()" in refusal(reader) and read(reader.read_all()).x.shape == (N, 1)


@pytest.mark.parametrize(
    "index", [pd.MultiIndex.from_product([range(5), range(6)]), pd.CategoricalIndex(["u", "v"] * 15), pd.Index([1] * N)]
)
def test_any_index_comes_back(index: Any) -> None:
    holed = np.where(X > 1, np.nan, X)
    raw = read(pd.DataFrame({"a": holed, 7: X}, index=index))
    assert raw.columns == ("a", "7") and raw.frame.give({"z": X}).index.equals(index)
    filled = raw.frame.filled(np.nan_to_num(raw.x), raw.observed, False)
    assert filled.index.equals(index) and list(filled.columns) == ["a", 7]
