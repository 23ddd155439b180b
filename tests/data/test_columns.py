"""What the columns of a table are taken for, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quick import fitted
from unveil.data import load
from unveil.data.columnkinds import even_steps
from unveil.data.columns import Column, written_number
from unveil.data.dates import formats_of
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
N = 80
OTHER = RNG.normal(size=N)


def column(values: Any, **options: Any) -> Column:
    """What a column beside a measured one is taken for."""
    table = load(pd.DataFrame({"c": values, "other": OTHER, "side": ["l", "r"] * (N // 2)}), **options).table
    assert table is not None
    return next(found for found in table.columns if found.name == "c")


@pytest.mark.parametrize(
    ("values", "kind", "why"),
    [
        (["red", "blue", "green", "red"] * 20, "category", "3 levels"),
        (["Yes", "No"] * 40, "yes/no", "No and Yes"),
        ([0, 1, 1, 1] * 20, "yes/no", "0 and 1"),
        (RNG.integers(20, 90, N), "whole", "whole numbers"),
        (RNG.poisson(4, N), "count", "from 0 up"),
        (RNG.gamma(2, 9, N).round(2), "decimal", "2 decimals"),
        (RNG.integers(0, 50, N) / 49 * 3.7 - 1, "decimal", "steps of"),
        (RNG.normal(size=N), "real", "no last digit"),
        ([f"2024-03-{d:02}" for d in RNG.integers(1, 29, N)], "date", "to the day"),
        ([f"{d:02}.03.2024 07:{d:02}" for d in RNG.integers(13, 29, N)], "date", "to the minute"),
        ([f"{v:.2f}".replace(".", ",") for v in RNG.gamma(2, 9, N)], "decimal", "2 decimals"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_column_is_recognised_and_the_reason_told(values: Any, kind: str, why: str) -> None:
    found = column(values)
    assert found.kind == kind and why in found.why


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([f"{i} Main Street, of its own" for i in range(N)], "a text of its own"),
        ([f"word {i % 50}" for i in range(N)], "50 texts in 80 rows"),
        (range(1, N + 1), "count the rows"),
        ([None] * N, "no value"),
        ([[1, 2]] * N, "lists"),
    ],
)
def test_what_is_of_no_use_is_left_out_and_said(values: Any, why: str) -> None:
    data = load(pd.DataFrame({"c": list(values), "kind": ["a", "b"] * (N // 2), "other": OTHER}))
    assert data.columns == ("kind", "other") and data.table is not None and why in data.table.left_out["c"]
    note = next(note for note in data.notes if "'c'" in note and "left out" in note)
    assert ("data.kinds=c=category" in note) == (why not in ("no value", "lists"))  # which no kind can take


def test_words_among_numbers_are_missing_where_they_are_few_and_that_is_said() -> None:
    values = [str(v) for v in RNG.integers(20, 90, N)]
    values[3] = values[9] = "refused"
    found = load(pd.DataFrame({"c": values, "other": OTHER}))
    assert found.table is not None and found.table.columns[0].gaps == ("refused",)
    assert any("'refused' in 2 rows" in note for note in found.notes)
    values[10:40] = ["refused"] * 30
    with pytest.raises(RequestError, match=r"data\.na_values=refused"):
        load(pd.DataFrame({"c": values, "other": OTHER}))


def test_a_value_that_comes_often_has_a_probability_of_its_own() -> None:
    hours = np.where(RNG.random(400) < 0.4, 40, RNG.integers(1, 99, 400))
    found = load(pd.DataFrame({"c": hours, "other": RNG.normal(size=400)})).table
    assert found is not None and 40.0 in found.columns[0].atoms and len(found.columns[0].atoms) < 5


def test_dates_that_can_be_read_in_two_ways_are_said_with_the_other() -> None:
    days = [f"{d:02}/{m:02}/2024" for d, m in zip(RNG.integers(1, 12, N), RNG.integers(1, 12, N), strict=True)]
    frame = pd.DataFrame({"c": days, "other": OTHER})
    (said,) = (note for note in load(frame).notes if "can be read as" in note)
    other = said.rpartition("data.kinds=")[2].partition(" takes")[0]
    table = load(frame, kinds=other).table
    assert table is not None and table.columns[0].written == "%m/%d/%Y"


def test_the_rarest_of_many_levels_share_a_number_and_the_cost_is_said() -> None:
    towns = [f"town {int(v)}" for v in RNG.zipf(1.3, 3000) % 900]
    data = load(pd.DataFrame({"town": towns, "other": RNG.normal(size=3000)}))
    assert any("rarest" in note and "nats a row" in note for note in data.notes)


def test_even_steps_are_seen_and_chance_is_not() -> None:
    base, step = even_steps(np.unique(RNG.integers(0, 40, 200) * 0.0137 - 3))
    assert step == pytest.approx(0.0137, rel=1e-6) and base == pytest.approx(-3)
    assert even_steps(np.sort(RNG.normal(size=200))) == (0.0, 0.0) and even_steps(np.array([1.0])) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(7.25, 2, "7.25"), (7.5, 2, "7.5"), (7.0, 1, "7"), (-0.0, 0, "0")]
)
def test_numbers_are_written_without_zeros_at_their_end(value: float, decimals: int, text: str) -> None:
    assert written_number(value, decimals) == text


def test_one_format_is_found_for_all_dates() -> None:
    assert formats_of(["2024-01-02", "2023-12-31"]) == ["%Y-%m-%d"]
    assert formats_of(["31.12.2023 23:59", "01.02.2024 00:00"])[0] == "%d.%m.%Y %H:%M" and not formats_of(["12", "x"])


def test_new_rows_of_a_file_are_written_as_it_is(tmp_path: Path) -> None:
    lines = ["k;p;d;ok"] + [
        f"{'ab'[i % 2]};{i % 7},{i % 10}0;{1 + i % 28:02}.02.2024;{'ja' if i % 3 else 'nein'}" for i in range(60)
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    table = load(tmp_path / "t.csv").table
    assert table is not None and [c.kind for c in table.columns] == ["category", "decimal", "date", "yes/no"]
    assert table.columns[2].texts(np.array([0.0]))[0].endswith(".02.2024") and table.columns[3].levels == ("ja", "nein")


IDS = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("visit", IDS.permutation(N) + 1),
        ("visit", IDS.permutation(N)[::-1] + 5000),
        ("customerId", IDS.choice(10**6, N, replace=False)),
        ("house_no", IDS.choice(10**6, N, replace=False)),
        ("CODE", IDS.choice(10**6, N, replace=False)),
        ("a key", [str(value) for value in IDS.choice(10**6, N, replace=False)]),
        ("order id", np.where(np.arange(N) == 3, np.nan, IDS.choice(10**6, N, replace=False))),
    ],
)
def test_whole_numbers_that_may_name_the_rows_are_said_with_a_remedy_that_works(name: str, values: Any) -> None:
    frame = pd.DataFrame({name: values, "other": OTHER, "side": ["l", "r"] * (N // 2)})
    data = load(frame)
    said = next(note for note in data.notes if "identifier" in note)
    assert data.table is not None and name in data.table.names
    remedy = said.rpartition("if it is one: ")[2].strip("'").removeprefix("data.kinds=")
    table = load(frame, kinds=remedy).table
    assert table is not None and table.left_out == {name: "as asked"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("income", IDS.choice(10**6, N, replace=False)),
        ("no2", IDS.choice(10**6, N, replace=False)),
        ("identity", IDS.choice(10**6, N, replace=False)),
        ("number of rooms", IDS.integers(0, 9, N)),
        ("id", OTHER),
    ],
)
def test_numbers_that_name_nothing_are_not_said(name: str, values: Any) -> None:
    frame = pd.DataFrame({name: values, "other": OTHER, "side": ["l", "r"] * (N // 2)})
    assert not any("identifier" in note for note in load(frame).notes)


def test_columns_of_an_array_that_may_name_the_rows_are_said() -> None:
    x = np.stack([IDS.permutation(N) + 1.0, OTHER], 1)
    assert any("'0'" in note and "data.kinds=0=drop" in note for note in load(x, domain="mixed").notes)


def test_a_column_of_which_hardly_anything_is_known_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i % 7},{i if i < 3 else ''}\n" for i in range(60)))
    notes = load(str(tmp_path / "t.csv"), domain="mixed").notes
    (said,) = (note for note in notes if "values are known" in note)
    assert "'b' (3)" in said and "'a'" not in said
    option = re.search(r"data\.kinds=\S+", said)
    assert option is not None
    kept = load(str(tmp_path / "t.csv"), domain="mixed", kinds=option[0].removeprefix("data.kinds=")).table
    assert kept is not None and kept.names == ("a",)


def test_where_no_column_is_left_the_remedy_names_one_that_can_be_taken(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,empty\n" + "".join(f"word {chr(97 + i % 26)}{'x' * i},\n" for i in range(60)))
    with pytest.raises(RequestError) as refused:
        load(str(path), domain="mixed")
    option = re.search(r"data\.kinds=(\S+)", refused.value.hint)
    assert option is not None and load(str(path), domain="mixed", kinds=option[1]).table is not None
    with pytest.raises(RequestError, match="as asked") as refused:
        load(str(path), domain="mixed", kinds="name=drop")
    assert "data.kinds" not in refused.value.hint


def test_texts_where_a_run_knows_dates_are_refused_with_what_makes_dates_of_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=60), "n": range(60, 0, -1)})
    own = fitted(frame.sample(60, random_state=0), tmp_path / "run", model="vae", steps=1)
    texts = frame.assign(when=frame["when"].astype(str))
    with pytest.raises(RequestError) as refused:
        own.score(texts)
    assert refused.value.hint is not None and "pandas.to_datetime(frame['when'])" in refused.value.hint
    assert len(own.score(texts.assign(when=pd.to_datetime(texts["when"]))).log_px) == 60
