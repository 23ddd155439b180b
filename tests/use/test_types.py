"""Columns of every type of a library come back from sample and impute in that type, to the last parameter."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from quick import fitted
from unveil.data import load

N = 60
RNG = np.random.default_rng(0)
WHOLE = RNG.integers(0, 90, N).tolist()
WORDS = RNG.choice(["a", "b", "c"], N).tolist()
YES = (RNG.random(N) < 0.5).tolist()
MOMENTS = [dt.datetime(2024, 1, 1) + dt.timedelta(days=v) for v in WHOLE]
EXACT = [Decimal(v) / 100 for v in WHOLE]
TIMES = [dt.time(v % 3, 5) for v in WHOLE]
SPANS = [dt.timedelta(hours=v % 3) for v in WHOLE]
OTHER = RNG.normal(size=N)


def gaps(values: Any) -> list[Any]:
    return [None if i in (3, 17) else value for i, value in enumerate(values)]


def arrow(values: Any, kind: Any) -> Any:
    return pa.array(gaps(values), kind)


def of_pandas() -> pd.DataFrame:
    numbers = ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64"]
    held = {
        "int": arrow(WHOLE, pa.int16()), "float": arrow(WHOLE, pa.float32()), "double": arrow(WHOLE, pa.float64()),
        "bool": arrow(YES, pa.bool_()), "text": arrow(WORDS, pa.large_string()),
        "dates": arrow([m.date() for m in MOMENTS], pa.date32()), "ns": arrow(MOMENTS, pa.timestamp("ns")),
        "exact": arrow(EXACT, pa.decimal128(10, 2)), "levels": arrow(WORDS, pa.string()).dictionary_encode(),
    }  # fmt: skip
    stamps = pd.Series(pd.to_datetime(gaps(MOMENTS)))
    objects = {
        "day": [m.date() for m in MOMENTS], "moment": MOMENTS, "exactly": EXACT, "yes": YES, "count": WHOLE,
        "word": WORDS, "any": [[1, "a", 2.5][v % 3] for v in WHOLE], "time": TIMES, "span": SPANS,
    }  # fmt: skip
    return pd.DataFrame(
        {kind: pd.array(gaps(WHOLE), dtype=kind) for kind in numbers}
        | {f"np_{kind}": np.array(WHOLE, kind) for kind in ("int8", "uint64", "float16", "float32")}
        | {f"arrow_{name}": pd.Series(pd.arrays.ArrowExtensionArray(values)) for name, values in held.items()}
        | {f"stamp_{unit}": stamps.astype(f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")}
        | {f"object_{name}": pd.Series(gaps(values), dtype=object) for name, values in objects.items()}
        | {
            "boolean": pd.array(gaps(YES), dtype="boolean"),
            "string": pd.array(gaps(WORDS), dtype="string"),
            "string_python": pd.array(gaps(WORDS), dtype=pd.StringDtype("python")),
            "str": pd.Series(gaps(WORDS), dtype="str"),
            "sparse": pd.arrays.SparseArray(np.array(WHOLE, float)),
            "levels_int": pd.Categorical(gaps([v % 4 for v in WHOLE])),
            "levels_more": pd.Categorical(gaps(WORDS), ["z", "c", "a", "b"]),
            "levels_order": pd.Categorical(gaps(WORDS), ["z", "c", "a", "b"], ordered=True),
            "bins": pd.cut(np.array(WHOLE, float), 4),
            "other": OTHER,
        }
    )


def of_polars() -> pl.DataFrame:
    numbers = [pl.Int8, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt64, pl.Float32, pl.Float64]
    stamps = {f"stamp_{unit}": pl.Series(gaps(MOMENTS), dtype=pl.Datetime(unit)) for unit in ("ms", "us", "ns")}
    return pl.DataFrame(
        {str(kind): pl.Series(gaps(WHOLE), dtype=kind, strict=False) for kind in numbers}
        | stamps
        | {
            "exact": pl.Series(gaps(EXACT), dtype=pl.Decimal(10, 2)),
            "date": gaps([m.date() for m in MOMENTS]),
            "zone": pl.Series(gaps(MOMENTS)).dt.replace_time_zone("Europe/Berlin"),
            "levels": pl.Series(gaps(WORDS), dtype=pl.Categorical),
            "enum": pl.Series(gaps(WORDS), dtype=pl.Enum(["z", "c", "a", "b"])),
            "text": gaps(WORDS),
            "yes": gaps(YES),
            "time": gaps(TIMES),
            "span": gaps(SPANS),
            "other": OTHER,
        }
    )


def of_pyarrow() -> pa.Table:
    codes = arrow([["z", "c", "a", "b"].index(word) for word in WORDS], pa.int8())
    days = [m.date() for m in MOMENTS]
    return pa.table(
        {str(kind): arrow(WHOLE, kind) for kind in (pa.int8(), pa.int32(), pa.uint64(), pa.float32(), pa.float64())}
        | {f"stamp_{unit}": arrow(MOMENTS, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")}
        | {
            "half": pa.array(np.array(WHOLE, np.float16)),
            "exact": arrow(EXACT, pa.decimal128(10, 2)),
            "exacter": arrow(EXACT, pa.decimal256(40, 2)),
            "levels": pa.array(gaps(WORDS)).dictionary_encode(),
            "levels_int": arrow([v % 4 for v in WHOLE], pa.int64()).dictionary_encode(),
            "levels_order": pa.DictionaryArray.from_arrays(codes, pa.array(["z", "c", "a", "b"]), ordered=True),
            "date32": arrow(days, pa.date32()),
            "date64": arrow(days, pa.date64()),
            "zone": arrow(
                [pd.Timestamp(m).tz_localize("Europe/Berlin") for m in MOMENTS], pa.timestamp("us", "Europe/Berlin")
            ),
            "large": arrow(WORDS, pa.large_string()),
            "view": arrow(WORDS, pa.string_view()),
            "yes": arrow(YES, pa.bool_()),
            "time": arrow(TIMES, pa.time64("us")),
            "other": OTHER,
        }
    )


FRAMES = {"pandas": of_pandas, "polars": of_polars, "pyarrow": of_pyarrow}
AS_LEVELS = {
    "pandas": "object_time=category,object_span=category",
    "polars": "time=category,span=category",
    "pyarrow": "time=category",
}


def types(frame: Any) -> dict[str, Any]:
    """The types of the columns, as the library has them."""
    if isinstance(frame, pa.Table):
        return dict(zip(frame.schema.names, frame.schema.types, strict=True))
    return dict(frame.dtypes if isinstance(frame, pd.DataFrame) else frame.schema)


def cells(frame: Any, name: str) -> list[Any]:
    return frame[name].to_pylist() if isinstance(frame, pa.Table) else frame[name].to_list()


@pytest.mark.parametrize("library", FRAMES)
def test_every_type_comes_back_as_it_is(library: str, tmp_path: Path) -> None:
    frame = FRAMES[library]()
    options: dict[str, Any] = {"model": "any_order", "steps": 1, "model__width": 8, "model__depth": 1}
    run = fitted(frame, tmp_path / "run", data__kinds=AS_LEVELS[library], **options)
    new, full, mean = run.sample(30), run.impute(frame), run.sample(3, mean=True)
    assert set(types(new)) == set(types(frame)) == set(types(mean))
    for found in (new, full):
        wrong = {name: (kind, types(found)[name]) for name, kind in types(frame).items() if types(found)[name] != kind}
        assert not wrong
    for name in types(frame):
        came, filled = cells(frame, name), cells(full, name)
        missing = [cell is None or cell is pd.NA or cell is pd.NaT or cell != cell for cell in came]
        assert all(a == b for a, b, gone in zip(came, filled, missing, strict=True) if not gone), name
        assert not any(cell is None or cell is pd.NA or cell is pd.NaT or cell != cell for cell in filled), name
        kinds = {type(cell) for cell, gone in zip(came, missing, strict=True) if not gone}
        assert {type(cell) for cell in cells(new, name)} <= kinds, (name, kinds)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_levels_in_an_order_are_an_ordinal_of_that_order(library: str, tmp_path: Path) -> None:
    name = "enum" if library == "polars" else "levels_order"
    frame = FRAMES[library]()
    frame = frame[[name, "other"]] if library != "pyarrow" else frame.select([name, "other"])
    path = tmp_path / "t.parquet"
    if isinstance(frame, pa.Table):
        pa.parquet.write_table(frame, path)
    else:
        frame.to_parquet(path) if library == "pandas" else frame.write_parquet(path)
    for source in (frame, path):
        table = load(source).table
        assert table is not None and table.columns[0].kind == "ordinal" and "order" in table.columns[0].why
        assert table.columns[0].levels == ("z", "c", "a", "b")
    run = fitted(path, tmp_path / "run", model="any_order", steps=1, model__width=8, model__depth=1)
    assert run.sample(3)[name].type.ordered and run.sample(3)[name].chunk(0).dictionary.to_pylist() == [
        "z",
        "c",
        "a",
        "b",
    ]


def test_levels_that_no_row_has_stay_in_the_type(tmp_path: Path) -> None:
    frame = of_pandas()[["levels_more", "levels_order", "other"]]
    table = load(frame).table
    assert table is not None and [column.kind for column in table.columns[:2]] == ["category", "ordinal"]
    run = fitted(frame, tmp_path / "run", model="any_order", steps=1, model__width=8, model__depth=1)
    for found in (run.sample(9), run.impute(frame)):
        assert list(found["levels_more"].cat.categories) == list(found["levels_order"].cat.categories)
        assert found["levels_order"].cat.ordered and not found["levels_more"].cat.ordered


LARGE = [1_700_000_000_000_000_001 + 7 * v for v in RNG.integers(0, 10**12, N).tolist()]
ROOM = 10**6  # what float32 tells apart of so wide a column


@pytest.mark.parametrize(
    "make",
    [
        lambda values: pd.DataFrame({"id": pd.array(values, "Int64"), "other": OTHER}),
        lambda values: pd.DataFrame({"id": pd.Series(values, dtype=object), "other": OTHER}),
        lambda values: pl.DataFrame({"id": pl.Series(values, dtype=pl.Int64), "other": OTHER}),
        lambda values: pa.table({"id": pa.array(values, pa.int64()), "other": OTHER}),
    ],
    ids=["Int64", "objects", "polars", "pyarrow"],
)
@pytest.mark.parametrize("gaps_in_training", [False, True])
def test_large_whole_numbers_keep_their_last_digit(make: Any, gaps_in_training: bool, tmp_path: Path) -> None:
    new = make(gaps(LARGE))
    options: dict[str, Any] = {"model": "any_order", "steps": 1, "model__width": 8, "model__depth": 1}
    run = fitted(new if gaps_in_training else make(LARGE), tmp_path / "run", **options)
    for mean in (False, True):
        filled = cells(run.impute(new, mean=mean), "id")
        assert [v for i, v in enumerate(filled) if i not in (3, 17)] == [v for v in gaps(LARGE) if v is not None]
        assert mean or all(min(LARGE) - ROOM <= filled[row] <= max(LARGE) + ROOM for row in (3, 17))
    assert types(run.impute(new))["id"] == types(new)["id"]


def test_large_whole_numbers_of_a_masked_array_keep_their_last_digit(tmp_path: Path) -> None:
    x = np.ma.MaskedArray(np.stack([LARGE, WHOLE], 1), np.zeros((N, 2), bool))
    run = fitted(x, tmp_path / "run", data__domain="mixed", model="any_order", steps=1, model__width=8)
    x[3, 0] = np.ma.masked
    full = run.impute(x)
    assert (full[:, 0] == x.data[:, 0])[np.arange(N) != 3].all() and min(LARGE) - ROOM <= full[3, 0] <= max(
        LARGE
    ) + 1000
