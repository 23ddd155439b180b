"""A frame of mixed columns goes into a fit and comes back from sample and impute in its library, types and index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from quick import fitted
from unveil.api import Run
from unveil.data import load
from unveil.errors import RequestError

LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
N = 60


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-02-01")
    return pd.DataFrame(
        {
            "kind": pd.Categorical(rng.choice(["a", "b", "c"], N)),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], N), ["S", "M", "L"], ordered=True),
            "ok": rng.random(N) < 0.5,
            "visits": pd.array([None if i % 7 == 0 else int(v) for i, v in enumerate(rng.poisson(3, N))], "Int64"),
            "price": [None if i % 9 == 0 else round(float(v), 2) for i, v in enumerate(rng.gamma(2, 9, N))],
            "weight": rng.normal(70, 9, N),
            "when": [day + pd.Timedelta(days=int(d)) for d in rng.integers(0, 90, N)],
            "moment": [pd.NaT if i % 8 == 0 else day + pd.Timedelta(seconds=int(s)) for i, s in enumerate(range(N))],
            "name": pd.array(
                [None if i % 11 == 0 else f"town {v}" for i, v in enumerate(rng.integers(0, 4, N))], "string"
            ),
            "note": [f"text {i} of its own" for i in range(N)],
        },
        index=np.arange(N) + 100,
    )


@pytest.fixture(scope="module", params=LIBRARIES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Any]:
    frame = LIBRARIES[request.param](table())
    out = tmp_path_factory.mktemp("mixed") / "run"
    return fitted(frame, out, model="any_order", steps=2, model__width=8, model__depth=1), frame


def schema(native: Any) -> dict[str, Any]:
    return dict(nw.from_native(native, eager_only=True).schema)


def test_new_rows_have_the_columns_and_types_of_the_table(run: tuple[Run, Any]) -> None:
    found, frame = run
    new = found.sample(25)
    expected = {name: kind for name, kind in schema(frame).items() if name != "note"}
    assert type(new) is type(frame) and list(schema(new)) == list(expected)
    same = {name: schema(new)[name] == kind for name, kind in expected.items()}
    assert all(same.values()), [(name, schema(new)[name], expected[name]) for name, ok in same.items() if not ok]
    as_pandas = nw.from_native(new, eager_only=True).to_pandas()
    assert (as_pandas["price"].astype(float).round(2) == as_pandas["price"].astype(float)).all()
    assert set(as_pandas["kind"].astype(str)) <= {"a", "b", "c"} and (as_pandas["visits"] >= 0).all()


def test_gaps_are_filled_and_all_else_is_as_it_came(run: tuple[Run, Any]) -> None:
    found, frame = run
    full = found.impute(frame)
    assert type(full) is type(frame) and schema(full) == schema(frame)
    before, after = (nw.from_native(each, eager_only=True) for each in (frame, full))
    for name in before.columns:
        gone = before.get_column(name).is_null().to_list()
        pairs = zip(before.get_column(name).to_list(), after.get_column(name).to_list(), gone, strict=True)
        assert all(a == b for a, b, missing in pairs if not missing), name
        assert not after.get_column(name).is_null().any(), name
    if isinstance(full, pd.DataFrame):
        assert full.index.equals(frame.index) and full["size"].cat.ordered


def test_scores_have_the_index_of_the_frame(run: tuple[Run, Any]) -> None:
    found, frame = run
    scores = found.score(frame)
    assert type(scores) is type(frame) and len(scores) == N
    if isinstance(scores, pd.DataFrame):
        assert scores.index.equals(frame.index) and (scores["log_px"] < 0).any()


def test_moments_in_a_zone_come_back_in_it(tmp_path: Path) -> None:
    frame = table()[["kind", "moment"]]
    frame["moment"] = frame["moment"].dt.tz_localize("Europe/Berlin")
    found = fitted(frame, tmp_path / "run", model="any_order", steps=1, model__width=8)
    full = found.impute(frame)
    assert full["moment"].dtype == frame["moment"].dtype and full["moment"].notna().all()
    assert found.sample(3)["moment"].dt.tz is not None


def test_what_a_column_is_taken_for_does_not_hang_on_the_order_of_rows_or_columns() -> None:
    frame = table()
    first = {column.name: column.domain for column in load(frame).table.columns}  # type: ignore[union-attr]
    other = frame.sample(frac=1, random_state=0)[list(reversed(frame.columns))]
    assert first == {column.name: column.domain for column in load(other).table.columns}  # type: ignore[union-attr]


def test_a_price_in_cents_has_the_codes_of_one_in_euros() -> None:
    frame = table()[["kind", "price"]]
    cents = frame.assign(price=(100 * frame["price"]).round())
    one, other = load(frame), load(cents)
    assert np.array_equal(one.train.x.numpy(), other.train.x.numpy())


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ("prise=drop", "'price'"),
        ("price=colour", "category"),
        ("price", "COLUMN=KIND"),
        ("weight=whole", "whole"),
        ("kind=date", "categories, which can be category"),
        ("visits=date", "numbers, which can be"),
        ("when=real", "dates, which can be date"),
        ("name=date", "date:%d.%m.%Y"),
    ],
)
def test_a_wrong_kind_is_refused_with_what_is_allowed(kinds: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        load(table(), kinds=kinds)


def test_kinds_that_are_asked_for_are_taken() -> None:
    data = load(table(), kinds="visits=category,note=drop,when=date,price=real")
    kinds = {column.name: column.kind for column in data.table.columns}  # type: ignore[union-attr]
    assert kinds["visits"] == "category" and kinds["price"] == "real" and kinds["when"] == "date"
    assert data.table is not None and data.table.left_out == {"note": "as asked"}


def test_names_that_are_numbers_stay_such(tmp_path: Path) -> None:
    frame = pd.DataFrame({0: list("ab") * 30, 1: np.arange(N) % 7, "2": np.random.default_rng(0).normal(size=N)})
    run = fitted(frame, tmp_path / "run", model="any_order", steps=2, model__width=8, model__depth=1)
    frame.loc[3, "2"] = None
    assert list(run.sample(3).columns) == [0, 1, "2"] == list(run.impute(frame).columns)


def test_names_that_are_numbers_stay_such_where_all_is_measured(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)))
    run = fitted(frame, tmp_path / "run", model="vae", steps=2, model__width=8, model__depth=1)
    assert list(run.sample(3).columns) == [0, 1, 2]
    plain = fitted(frame.rename(columns=str), tmp_path / "plain", model="vae", steps=2, model__width=8, model__depth=1)
    assert list(plain.sample(3).columns) == ["0", "1", "2"]


def test_years_of_two_digits_are_read_alike_by_a_run(tmp_path: Path) -> None:
    born = [f"{1 + i % 28:02d}.03.{50 + i % 50:02d}" for i in range(N)]
    frame = pd.DataFrame({"born": born, "m": np.random.default_rng(0).normal(size=N)})
    run = fitted(frame, tmp_path / "run", model="any_order", steps=2, model__width=8, model__depth=1)
    assert all(50 <= int(text[-2:]) <= 99 for text in run.sample(20)["born"])
    frame.loc[3, "m"], frame.loc[4, "born"] = None, None
    assert run.impute(frame)["born"].drop(4).tolist() == frame["born"].drop(4).tolist()
    assert run.sample(5, where={"born": "03.03.52"})["born"].tolist() == ["03.03.52"] * 5


def test_what_was_taken_as_categories_comes_back_as_it_came(tmp_path: Path) -> None:
    month = pd.Series([pd.Period("2020-01", "M") + i % 3 for i in range(N)])
    took = pd.Series([pd.Timedelta(hours=i % 3) for i in range(N)])
    bins = pd.Series(pd.arrays.IntervalArray.from_breaks(range(4)).take([0, 1, 2] * (N // 3)))
    frame = pd.DataFrame({"month": month, "took": took, "bin": bins, "m": np.random.default_rng(0).normal(size=N)})
    options: dict[str, Any] = {"model": "any_order", "steps": 2, "model__width": 8, "model__depth": 1}
    run = fitted(frame, tmp_path / "run", data__kinds="month=category,took=category,bin=category", **options)
    assert dict(run.sample(9).dtypes) == dict(frame.dtypes)
    frame.loc[3, ["month", "took"]] = pd.NaT
    full = run.impute(frame)
    assert dict(full.dtypes) == dict(frame.dtypes) and not full.isna().any().any()
    assert (
        {*full["bin"]} == {*bins}
        and set(full["month"]) == set(month.drop(3))
        and set(full["took"]) == set(took.drop(3))
    )


def test_objects_come_back_as_the_objects_that_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "yes": pd.Series([bool(v) for v in rng.random(N) < 0.5], dtype=object),
            "any": pd.Series([[1, "a", 2.5][i % 3] for i in range(N)], dtype=object),
            "day": pd.Series([date(2024, 2, 1 + int(v)) for v in rng.integers(0, 28, N)], dtype=object),
            "bin": pd.cut(rng.normal(size=N), [-9, 0, 9]),
            "m": rng.normal(size=N),
        }
    )
    run = fitted(frame, tmp_path / "run", model="any_order", steps=2, model__width=8, model__depth=1)
    new = run.sample(30)
    assert {type(v) for v in new["yes"]} == {bool} and {type(v) for v in new["day"]} == {date}
    assert new["bin"].dtype == frame["bin"].dtype and not new["bin"].isna().any()
    gaps = frame.copy()
    for name in list(frame.columns)[:4]:
        gaps.loc[5:20, name] = None
    full = run.impute(gaps)
    assert not full.isna().any().any() and full["bin"].dtype == frame["bin"].dtype
    assert {type(v) for v in full["yes"]} == {bool} and {type(v) for v in full["day"]} == {date}
    assert {(type(v), v) for v in full["any"]} == {(int, 1), (str, "a"), (float, 2.5)}
