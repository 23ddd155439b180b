"""Numbers written as text and held by objects: read where they can be, told apart, and given back as they came."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from asnumbers import load, read
from unveil.cli import main
from unveil.data import read_new
from unveil.data.cells import Cells
from unveil.data.writtennumbers import NotNumbers, Style, read_numbers
from unveil.domain import Domain
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
V = np.round(np.abs(RNG.normal(size=60)) * 2000, 2)
V[0] = 1304.5
KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


def swapped(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


WAYS: dict[str, tuple[Callable[[float], str], str]] = {
    "decimal comma": (lambda v: f"{v:.2f}".replace(".", ","), "a decimal comma"),
    "thousands": (lambda v: f"{v:,.2f}", "',' between thousands"),
    "both": (lambda v: swapped(f"{v:,.2f}"), "a decimal comma and '.' between thousands"),
    "spaces": (lambda v: f"{v:,.2f}".replace(",", " "), "' ' between thousands"),
    "narrow": (lambda v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ","), "a decimal comma and '\\u202f'"),
    "percent": (lambda v: f"{v:.2f}%", "a percent sign"),
    "percent, comma": (lambda v: f"{v:.2f} %".replace(".", ","), "a decimal comma and a percent sign"),
    "minus": (lambda v: f"\N{MINUS SIGN}{v:.2f}", ""),
    "plain": (lambda v: f"{v:.2f}", ""),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [*KINDS, "csv", "semicolons"])
def test_numbers_written_in_a_usual_way_are_read_and_it_is_said(tmp_path: Path, way: str, kind: str) -> None:
    write, told = WAYS[way]
    frame = pd.DataFrame({"a": list(map(write, V)), "b": V})
    native: Any = tmp_path / "t.csv"
    if kind in KINDS:
        native = KINDS[kind](frame)
    else:
        frame.to_csv(native, index=False, sep=";" if kind == "semicolons" else ",")
    data, raw = load(native), read(native)
    assert np.array_equal(raw.x[:, 0], -V if way == "minus" else V) and np.array_equal(raw.x[:, 1], V)
    if not (way == "plain" and kind not in KINDS):  # what the reader of files takes by itself
        assert "'a' holds numbers as text" in " ".join(data.notes) and told in " ".join(data.notes)


MARKS = [
    "?",
    "-",
    "--",
    "None",
    "N/A",
    "NA",
    "n/a",
    "null",
    "missing",
    "unknown",
    "#DIV/0!",
    " ? ",
    "nan",
    "\N{EM DASH}",
]


@pytest.mark.parametrize("kind", [*KINDS, "csv"])
@pytest.mark.parametrize("mark", MARKS)
def test_the_usual_marks_are_missing_values_and_counted(tmp_path: Path, mark: str, kind: str) -> None:
    cells = [mark if i % 5 == 0 else str(v) for i, v in enumerate(V)]
    frame = pd.DataFrame({"a": cells, "b": V})
    native: Any = tmp_path / "t.csv"
    if kind in KINDS:
        native = KINDS[kind](frame)
    else:
        frame.to_csv(native, index=False)
    raw, data = read(native), load(native)
    assert raw.observed is not None and np.array_equal(raw.observed[:, 0], np.arange(60) % 5 > 0)
    assert np.array_equal(raw.x[:, 0], np.where(np.arange(60) % 5 > 0, V, 0))
    assert f"Taken as missing values: {mark.strip()!r} (12 in 'a')." in data.notes


HELD: dict[str, Callable[[], list[Any]]] = {
    "numpy integers": lambda: [np.int64(i) for i in range(60)],
    "small integers": lambda: [np.uint8(i) for i in range(60)],
    "numpy floats": lambda: [np.float32(i / 4) for i in range(60)],
    "Decimal": lambda: [Decimal(i) / 8 for i in range(60)],
    "Fraction": lambda: [Fraction(i, 8) for i in range(60)],
    "pandas.NA": lambda: [pd.NA, *np.arange(59.0)],
    "NaT": lambda: [pd.NaT, *np.arange(59.0)],
    "Decimal nan": lambda: [Decimal("NaN"), *[Decimal(i) for i in range(59)]],
    "booleans": lambda: [np.bool_(i % 2) for i in range(60)],
    "mixed": lambda: [1, 2.5, np.int32(3), Decimal("4.5"), "5.5", "?", None, *range(53)],
}


@pytest.mark.parametrize("held", HELD)
def test_objects_that_are_numbers_are_numbers(held: str) -> None:
    values = HELD[held]()
    raw = read(pd.DataFrame({"a": pd.Series(values, dtype=object), "b": V}))
    missing = np.array([v is None or v is pd.NA or v is pd.NaT or v == "?" or v != v for v in values])
    want = [0.0 if gone else float(v) for v, gone in zip(values, missing, strict=True)]
    assert np.array_equal(raw.x[:, 0], want)
    seen = np.ones(60, bool) if raw.observed is None else raw.observed[:, 0]
    assert np.array_equal(seen, ~missing)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            ["1,304", "2,100"],
            ["'1,304' is 1304 or 1.304", "data.decimal=, takes it as 1.304", "decimal=. takes it as 1304"],
        ),
        (["5%", "6"], ["with a percent sign and numbers without", "data.drop=a"]),
        (["$5", "$6.5"], ["each with '$' beside it", "frame['a'].str.replace('$', '')"]),
        (["5 kg", "6 kg"], ["each with 'kg' beside it"]),
        (["1.5", "1,5"], ["written in several ways, such as '1.5' and '1,5'"]),
        (
            ["1", "2", "3", "n.b."],
            ["and text in 15 rows, such as 'n.b.'", "data.na_values=n.b. takes it as missing"],
        ),
        (["red", "blue"], ["str, such as 'red'", "get_dummies"]),
        (["1", 2j], ["complex"]),
        (["2020-01-01", "2020-01-02"], ["dates or times", "the days since the first"]),
        (["1_000", "2_000"], ["str, such as '1_000'"]),
    ],
)
def test_what_is_no_number_is_named_with_a_remedy_for_it(cells: list[Any], words: list[str]) -> None:
    frame = pd.DataFrame({"a": cells * (60 // len(cells)), "b": V})
    with pytest.raises(RequestError) as refused:
        load(frame)
    assert [word for word in words if word not in str(refused.value)] == []
    assert ("one-hot" in str(refused.value)) == (
        "get_dummies" in words or "str, such" in words[0] or "complex" in words
    )


def test_a_decimal_mark_that_is_asked_for_settles_what_is_ambiguous(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["1,304", "2,100", "3,500"] * 20, "b": V})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv"):
        assert np.array_equal(read(source, decimal=",").x[:3, 0], [1.304, 2.1, 3.5])
        assert np.array_equal(read(source, decimal=".").x[:3, 0], [1304, 2100, 3500])
        assert load(source, decimal=",").domain.kind == "real"
    with pytest.raises(RequestError, match=r"data\.decimal came as ';'"):
        load(frame, decimal=";")


def test_numbers_and_words_that_stand_for_missing_values_can_be_named(tmp_path: Path) -> None:
    a = np.where(np.arange(60) % 4 == 0, -999.0, V)
    frame = pd.DataFrame({"a": a, "b": ["gone, alas" if i % 6 == 0 else str(v) for i, v in enumerate(V)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv"):
        raw = read(source, missing='-999,"gone, alas"')
        assert raw.observed is not None
        assert np.array_equal(raw.observed, np.stack([np.arange(60) % 4 > 0, np.arange(60) % 6 > 0], 1))
        said = " ".join(raw.notes)
        assert "'-999' (15 in 'a')" in said and "'gone, alas' (10 in 'b')" in said
    new = read_new(tmp_path / "t.csv", Domain("real", (1,)), columns=["a"], na_values="-999")
    assert new.observed is not None and int((~new.observed).sum()) == 15
    assert load(np.where(V[3] == V, -999, V).reshape(20, 3), na_values="-999").has_missing


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_text_comes_back_as_text_with_its_gaps_filled_in_its_way(kind: str) -> None:
    cells = ["?" if i % 5 == 0 else f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for i, v in enumerate(V)]
    raw = read(KINDS[kind](pd.DataFrame({"a": cells, "b": V})))
    filled = raw.frame.filled(np.full((60, 2), 12.5), raw.observed, True)
    want = ["12,50" if i % 5 == 0 else cell for i, cell in enumerate(cells)]
    assert pl.DataFrame(filled)["a"].to_list() == want


def test_objects_come_back_as_they_were_where_they_were_observed() -> None:
    cells = [None if i % 5 == 0 else Decimal(i) / 10 for i in range(60)]
    raw = read(pd.DataFrame({"a": pd.Series(cells, dtype=object), "b": V}))
    filled = raw.frame.filled(np.full((60, 2), 12.5), raw.observed, True)
    assert filled["a"].tolist() == [12.5 if cell is None else cell for cell in cells]
    assert all(isinstance(v, Decimal) for v in filled["a"][1:5])


SHORT = ("--model", "linear_gaussian", "evaluation.baselines=none")


def test_a_file_with_semicolons_and_decimal_commas_is_imputed_in_its_own_way(tmp_path: Path) -> None:
    lines = [f"{'' if i % 5 == 0 else f'{v:.2f}'.replace('.', ',')};{i};x, y" for i, v in enumerate(V)]
    (tmp_path / "t.csv").write_text("\n".join(["a;n;note", *lines]) + "\n")
    run, full = str(tmp_path / "run"), tmp_path / "full.csv"
    assert main(["fit", str(tmp_path / "t.csv"), "--out", run, "data.drop=note", *SHORT]) == 0
    assert main(["impute", run, str(tmp_path / "t.csv"), "-o", str(full)]) == 0
    came = full.read_text().splitlines()
    assert came[0] == "a;n;note" and len(came) == 61
    for i, (before, after) in enumerate(zip(lines, came[1:], strict=True)):
        if i % 5:
            assert after == before
        else:
            assert Style(",").takes(after.split(";")[0]) and after.split(";")[1:] == before.split(";")[1:]


def test_whole_numbers_beside_marks_keep_their_digits(tmp_path: Path) -> None:
    cells = ["?", *(str(1583218195625938945 + i) for i in range(59))]
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *(f"{c},{v}" for c, v in zip(cells, V, strict=True))]))
    column = read(tmp_path / "t.csv").frame.column("a")
    assert column.to_list()[1:] == [1583218195625938945 + i for i in range(59)]


def test_nothing_is_guessed() -> None:
    for cells in (["1,304", "5"], ["1.304,5", "1,304.5"]):
        with pytest.raises(NotNumbers):
            read_numbers(cells)
    assert read_numbers(["1,304", "0,130"]).values == [1.304, 0.13]
    assert read_numbers(["1,304,000", "2,000"]).values == [1304000, 2000]
    assert read_numbers(["1.5e3", "-.5", "+2."]).values == [1500.0, -0.5, 2.0]


def decimals(frame: pd.DataFrame) -> pa.Table:
    return pa.table({name: pa.array([Decimal(str(v)) for v in column]) for name, column in frame.items()})


TYPES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "big-endian": lambda frame: frame.astype(">f8"),
    "sparse": lambda frame: frame.astype(pd.SparseDtype("float")),
    "nullable": lambda frame: frame.astype("Float64"),
    "of Arrow": lambda frame: frame.astype("double[pyarrow]"),
    "decimals of Arrow": decimals,
    "decimals of Arrow in pandas": lambda frame: decimals(frame).to_pandas(types_mapper=pd.ArrowDtype),
    "decimals of polars": lambda frame: pl.from_arrow(decimals(frame)),
    "text of Arrow": lambda frame: frame.astype(str).astype("string[pyarrow]"),
    "large text": lambda frame: pa.table({k: pa.array(list(map(str, v)), pa.large_string()) for k, v in frame.items()}),
}


@pytest.mark.parametrize("kind", TYPES)
def test_numbers_of_any_type_are_numbers(kind: str) -> None:
    frame = pd.DataFrame({"a": V, "b": V[::-1]})
    raw = read(TYPES[kind](frame))
    np.testing.assert_allclose(raw.x, frame.to_numpy(), rtol=1e-15)
    assert raw.observed is None
    half = read(frame.astype("float16"))
    assert np.array_equal(half.x, frame.astype("float16").to_numpy().astype(float))


@pytest.mark.parametrize("kind", [">f8", ">f4", ">u2", ">i8"])
def test_arrays_of_the_other_byte_order_are_read(kind: str) -> None:
    x = (V[:48].reshape(16, 3) if kind[1] == "f" else np.arange(48).reshape(16, 3)).astype(kind)
    assert load(x).sha256 == load(x.astype(x.dtype.newbyteorder("="))).sha256
    assert load(V.reshape(20, 3), y=(np.arange(20) % 3).astype(kind)).classes == ("0", "1", "2")


@pytest.mark.parametrize("kind", ["string", "string[pyarrow]", "object", ">f8", "Sparse[float]"])
def test_a_column_keeps_its_type_where_its_gaps_are_filled(kind: str) -> None:
    a = pd.Series(np.where(np.arange(60) % 5, V, np.nan))
    if kind in ("string", "string[pyarrow]", "object"):
        a = pd.Series([None if np.isnan(v) else f"{v:.2f}" for v in a])
    frame = pd.DataFrame({"a": a.astype(kind), "b": V})
    raw = read(frame)
    filled = raw.frame.filled(np.full((60, 2), 12.5), raw.observed, True)
    seen = np.arange(60) % 5 > 0
    assert filled.dtypes.equals(frame.dtypes) and filled["a"][seen].tolist() == frame["a"][seen].tolist()
    assert set(filled["a"][~seen].astype(float)) == {12.5}


@pytest.mark.parametrize(
    ("cells", "expected", "said"),
    [
        (["12.5-", "3", "1.5"], [-12.5, 3, 1.5], "5- for -5"),
        (["(1,304.5)", "1,200.5"], [-1304.5, 1200.5], "(5) for -5"),
        (["1.038D+01", "2.5D-1"], [10.38, 0.25], ""),
    ],
)
def test_signs_behind_numbers_and_around_them_are_read_and_said(
    cells: list[str], expected: list[float], said: str
) -> None:
    found = read_numbers(cells)
    assert found.values == expected and said in str(found.style)
    assert Cells.of(cells, found.style).write(found.values[0]) == cells[0]


@pytest.mark.parametrize("cells", [["(1)", "(2)", "(3)"], ["7-", "8+"], [f"ENSG{i:05d}" for i in range(20)]])
def test_what_only_looks_like_signs_and_units_is_no_number(cells: list[str]) -> None:
    with pytest.raises(NotNumbers) as refused:
        read_numbers(cells)
    assert refused.value.is_name == cells[0].startswith("ENSG") and not refused.value.unit.strip("()")
