"""Tables: what is read of them, what is refused by name, and results that come back as they came."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asnumbers import load, read
from unveil.data import prepare, read_new
from unveil.data.frames import Frame, read_frame
from unveil.domain import Domain
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
GAPPY = np.where(RNG.random((40, 3)) < 0.3, np.nan, X)
KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def table(**more: Any) -> pd.DataFrame:
    return pd.DataFrame(GAPPY, columns=["a", "b", "ü c"]).assign(**more)


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(RequestError) as refused:
        load(source, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- what is read -----------------------------------------------------------------------------------------------------


@EACH_KIND
def test_numeric_columns_are_x_and_what_is_missing_is_not_observed(kind: str) -> None:
    frame = table(count=pd.array([None, *range(39)], dtype="Int64"), flag=[True, False] * 20)
    data = load(KINDS[kind](frame))
    assert data.columns == ("a", "b", "ü c", "count", "flag") and str(data.domain) == "real" and data.has_missing
    batch = data.train.batch(torch.arange(len(data.train)))
    found = read(KINDS[kind](frame))
    assert np.array_equal(found.x[:, :3], np.nan_to_num(GAPPY)) and found.observed is not None
    assert np.array_equal(found.observed[:, :3], ~np.isnan(GAPPY)) and not found.observed[0, 3]
    assert batch.observed is not None and bool((batch.x[~batch.observed] == 0).all())
    assert load(KINDS[kind](frame)).sha256 == load(frame).sha256


@EACH_KIND
def test_a_column_is_the_labels_and_others_are_left_out(kind: str) -> None:
    frame = table(name=["x", "y", None, "x"] * 10, kind=["k"] * 40)
    data = load(KINDS[kind](frame), label="name", drop="kind, b")
    assert data.columns == ("a", "ü c") and data.classes == ("x", "y")
    assert data.train.y is not None and set(data.train.y.tolist()) == {-1, 0, 1}
    numbered = load(KINDS[kind](table(name=[7, 3] * 20)), label="name")
    assert numbered.classes == ("3", "7") and numbered.columns == ("a", "b", "ü c")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_files_hold_what_the_frame_does(tmp_path: Path, suffix: str) -> None:
    path, frame = tmp_path / f"t.{suffix}", table(name=["x", "y", None, "x"] * 10)
    if suffix == "parquet":
        frame.set_index(np.arange(40) + 5).to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if suffix == "tsv" else ",")
    data = load(path, label="name")
    assert data.sha256 == load(frame, label="name").sha256
    assert data.name == "t" and data.source == str(path.resolve()) and data.columns == ("a", "b", "ü c")


def test_a_table_is_real_unless_another_domain_is_asked_for() -> None:
    whole = pd.DataFrame(RNG.integers(0, 5, (40, 2)), columns=["a", "b"])
    data = load(whole)
    assert data.domain == Domain("real", (2,)) and any("'a', 'b' hold whole numbers" in note for note in data.notes)
    assert load(whole, domain="levels").domain == Domain("levels", (2,), 5)
    assert load(whole, domain="count").domain.kind == "count"
    assert load(whole % 2, domain="binary").domain.kind == "binary"
    smooth = load(pd.DataFrame(X))
    assert smooth.columns == ("0", "1", "2") and not any("whole" in note for note in smooth.notes)
    often = load(pd.DataFrame(X, columns=list("abc")).assign(b=lambda f: f["b"].clip(lower=0)))
    assert any("Column 'b' holds" in note for note in often.notes)


@pytest.mark.parametrize(
    "make",
    [np.asarray, np.ma.masked_invalid, torch.tensor, lambda x: pd.DataFrame(x)],
    ids=["array", "masked", "tensor", "frame"],
)
def test_gaps_are_the_same_in_every_form(make: Callable[[np.ndarray], Any]) -> None:
    found = read(make(GAPPY))
    assert found.observed is not None and np.array_equal(found.observed, ~np.isnan(GAPPY))
    assert np.array_equal(found.x, np.nan_to_num(GAPPY))
    assert load(make(GAPPY)).has_missing and not load(make(X)).has_missing


def test_the_fingerprint_covers_what_is_observed() -> None:
    zero = np.where(np.isnan(GAPPY), 0.0, GAPPY)
    assert len({read(x).sha256 for x in (X, GAPPY, zero)}) == 3


@pytest.mark.parametrize(("top", "kind"), [(255, "levels"), (1, "binary")])
def test_pictures_with_gaps_keep_their_domain(top: int, kind: str) -> None:
    v = RNG.integers(0, top + 1, (40, 4, 4)).astype(float)
    gaps = RNG.random(v.shape) < 0.3
    gaps[:, 0, 0] = True  # a pixel that is never seen
    data = load(np.where(gaps, np.nan, v))
    assert data.domain.kind == kind and data.domain.levels == top + 1
    if kind == "levels":
        drawn = load(np.where(gaps, np.nan, v), binarization="dynamic")
        batch = drawn.train.batch(torch.arange(20))
        assert batch.observed is not None and set(batch.x.unique().tolist()) == {0.0, 1.0}
        assert bool((batch.x[~batch.observed] == 0).all()) and 0.6 < float(batch.observed.float().mean()) < 0.75


def test_data_without_gaps_has_no_mask() -> None:
    data = load(X)
    assert data.train.observed is None and data.train.batch(torch.arange(2)).observed is None
    once = np.array(X)
    once[-1, 0] = np.nan
    halves = load(once)
    splits = (halves.train, halves.valid, halves.test)
    assert sum(split.observed is not None for split in splits) == 1


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (table(t=["red", "blue"] * 20), ["'t'", "'red'", "data.drop=t", "get_dummies", "data.domain=mixed takes them"]),
        (table(t=pd.Categorical(["red", "blue"] * 20)), ["'t'", "get_dummies"]),
        (table(t=["1,304", "2,100"] * 20), ["'t'", "two ways", "data.decimal=, takes it as 1.304"]),
        (table(t=[1, "x"] * 20), ["'t'", "'x'"]),
        (table(t=pd.to_datetime(["2020-01-01", "2021-01-01"] * 20)), ["'t'", "dates", "days since"]),
        (table(t=[np.inf, 1.0] * 20), ["'t'", "inf", "row 0"]),
        (table(t=np.nan), ["'t'", "no value", "data.drop=t"]),
        (table(t=5, u=6), ["'t', 'u'", "constant", "data.drop=t,u"]),
        (table(t=[1.0, np.nan] * 20), ["'t'", "constant"]),
        (table().set_axis(["a", "b", "a"], axis=1), ["same name"]),
        (table().set_axis(["a", "1", 1], axis=1), ["same name"]),
        (table().set_axis(pd.MultiIndex.from_tuples([("a", "b"), ("a", "c"), ("d", "e")]), axis=1), ["several levels"]),
        (table()[:0], ["0 rows"]),
        (pd.DataFrame(), ["holds nothing"]),
        (pd.DataFrame(index=range(20)), ["0 columns"]),
        (table()[:9], ["9 examples"]),
        (table()["a"], ["Series", "x.to_frame()"]),
        (pl.from_pandas(table()).lazy(), ["collect()"]),
        (pa.table([pa.array(range(20))] * 2, names=["a", "a"]), ["same name"]),
    ],
    ids=[
        "text", "categories", "numbers as text", "mixed", "dates", "inf", "empty column", "constant", "one value",
        "twice",
        "twice as text", "levels", "no rows", "nothing", "no columns", "few rows", "a column", "lazy", "twice in arrow",
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_with_the_way_round(frame: Any, words: list[str]) -> None:
    said = refusal(frame)
    assert [word for word in words if word not in said] == []


def test_columns_that_are_not_there_are_refused() -> None:
    assert "Did you mean 'ü c'?" in refusal(table(), label="u c")
    assert "data.drop" in refusal(table(), drop="a,zz")
    assert "no table" in refusal(X, label="a") and "no table" in refusal(X, drop="a")
    assert "left to be x" in refusal(table(), drop="a,b,ü c")
    assert "holds nothing" in refusal(table(e=None), label="e")


def test_text_files_that_are_not_what_they_seem(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i * i % 7}" for i in range(20))

    def said(content: str | bytes, name: str = "t.csv") -> str:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return refusal(tmp_path / name)

    assert "only numbers" in said("2019,2020\n" + rows)
    assert "is empty" in said("") and "Line 22 of" in said("a,b\n" + rows + "\n1,2,3\n")
    assert "cannot be read as .parquet" in said(b"PAR1" + bytes(200) + b"PAR1", "t.parquet")
    (tmp_path / "t.csv").write_text("\ufeffa,b\n" + rows)
    assert load(tmp_path / "t.csv").columns == ("a", "b")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'unveil[table]'" in refusal(tmp_path / "t.csv")
    monkeypatch.setitem(sys.modules, "narwhals", None)
    assert "pip install 'unveil[table]'" in refusal(table())


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 300), st.floats(), st.text(max_size=3), st.dates(), st.just(np.nan)
)
alike = st.one_of(
    st.lists(st.floats(-9, 9) | st.none(), min_size=12, max_size=12),
    st.lists(st.integers(0, 2**40), min_size=12, max_size=12),
    st.lists(cells, min_size=12, max_size=12),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.text(max_size=2) | st.integers(0, 3), alike), max_size=4), st.sampled_from(list(KINDS)))
def test_any_table_loads_or_is_refused_in_a_sentence(columns: list[tuple[Any, list[Any]]], kind: str) -> None:
    frame = pd.DataFrame({i: pd.Series(values) for i, (_, values) in enumerate(columns)})
    frame.columns = [name for name, _ in columns]
    try:
        native = KINDS[kind](frame)
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError, TypeError, OverflowError):
        native = frame  # no table of that library can be made of it
    try:
        data = load(native)
    except RequestError as error:
        assert "\n" not in str(error)
        return
    batch = data.train.batch(torch.arange(len(data.train)))
    assert bool(batch.x.isfinite().all()) and data.columns is not None and len(data.columns) == batch.x.shape[1]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60) | st.text('ab1,;.\n"\t-ne\0', max_size=60).map(str.encode),
    st.sampled_from(["csv", "tsv", "parquet", "h5ad"]),
)
def test_any_bytes_are_a_table_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"t.{suffix}").write_bytes(content)
    with pytest.raises(RequestError):  # none of these has ten rows
        load(tmp_path / f"t.{suffix}")


# -- new tables for a run, and results as they came -------------------------------------------------------------------


def test_columns_of_a_new_table_go_by_their_names() -> None:
    columns = ("ü c", "a")
    found = read_new(
        table(more=1.0, note="x")[["note", "a", "b", "more", "ü c"]], Domain("real", (2,)), columns=columns
    )
    assert np.array_equal(found.x, np.nan_to_num(GAPPY[:, [2, 0]])) and found.columns == columns
    assert "'note', 'b', 'more' of the table are not used" in found.ignored[0]
    quiet = read_new(table(note="x"), Domain("real", (2,)), columns=columns, label="note", drop="b,gone")
    assert quiet.ignored == ()
    with pytest.raises(RequestError, match=r"lacks the column 'ü c' .* fitted on. Did you mean 'u c'"):
        read_new(table().rename(columns={"ü c": "u c"}), Domain("real", (2,)), columns=columns)
    empty = read_new(table(a=None), Domain("real", (2,)), columns=columns)
    assert empty.observed is not None and not empty.observed[:, 1].any()
    assert prepare(empty, Domain("real", (2,))).observed is not None


@EACH_KIND
def test_results_come_in_the_same_kind_of_frame(kind: str) -> None:
    native = KINDS[kind](table())
    frame = read(native).frame
    assert isinstance(frame, Frame)
    given_back = frame.give({"z": np.arange(40.0), "n": np.arange(40)})
    assert type(given_back) is type(native)
    assert pl.DataFrame(given_back)["n"].to_list() == list(range(40))


def test_an_index_is_kept() -> None:
    index = pd.Index([3, 3, *range(38)], name="who")
    frame = read(table().set_index(index)).frame
    assert frame.give({"z": np.zeros(40)}).index.equals(index)
    filled = frame.filled(np.full((40, 3), 9.0), ~np.isnan(GAPPY), False)
    assert filled.index.equals(index) and np.array_equal(filled.to_numpy(), np.where(np.isnan(GAPPY), 9.0, GAPPY))


@EACH_KIND
def test_only_gaps_are_filled_and_types_stay_where_they_can(kind: str) -> None:
    more = {
        "text": ["x"] * 40,
        "n": np.arange(40),
        "k": pd.array([None, *range(39)], dtype="Int64"),
        "f": np.where(np.isnan(GAPPY[:, 0]), np.nan, GAPPY[:, 0]).astype(np.float32),
    }
    native = KINDS[kind](table(**more))
    found = read(native, drop="text")
    x = np.full((40, 6), 7.0)
    kept = {whole: pl.DataFrame(found.frame.filled(x, found.observed, whole)) for whole in (True, False)}
    before = pl.DataFrame(native)
    for filled in kept.values():
        assert filled.columns == before.columns and filled.null_count().sum_horizontal().item() == 0
        assert filled["text"].to_list() == ["x"] * 40 and filled["n"].dtype == before["n"].dtype == pl.Int64
        assert filled["f"].dtype == pl.Float32 and filled["k"].to_list() == [7, *range(39)]
        assert filled["a"].to_list() == [7.0 if np.isnan(v) else v for v in GAPPY[:, 0]]
    assert kept[True]["k"].dtype == pl.Int64 and kept[False]["k"].dtype == pl.Float64


def test_names_of_columns_that_are_numbers_stay_numbers() -> None:
    frame = read(pd.DataFrame(GAPPY)).frame
    assert frame.filled(np.zeros((40, 3)), ~np.isnan(GAPPY), False).columns.tolist() == [0, 1, 2]


# -- AnnData ----------------------------------------------------------------------------------------------------------

COUNTS = RNG.poisson(1.0, (30, 5))


@pytest.fixture()
def cells_file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.h5ad"
    starts = np.concatenate([[0], np.cumsum((COUNTS > 0).sum(1))])
    with h5py.File(path, "w") as file:
        X_group = file.create_group("X")
        X_group.attrs.update({"encoding-type": "csr_matrix", "shape": COUNTS.shape})
        X_group.create_dataset("data", data=COUNTS[COUNTS > 0].astype(np.float32))
        X_group.create_dataset("indices", data=np.nonzero(COUNTS)[1])
        X_group.create_dataset("indptr", data=starts)
        file.create_dataset("layers/logged", data=np.log1p(COUNTS))
        file.create_dataset("obsm/X_pca", data=RNG.normal(size=(30, 2)))
        file.create_dataset("var/names", data=[f"gene {i}" for i in range(5)])
        file["var"].attrs["_index"] = "names"
        file.create_dataset("obs/names", data=[f"cell {i}" for i in range(30)])
        file["obs"].attrs["_index"] = "names"
        file.create_dataset("obs/type/categories", data=["B", "T"])
        file.create_dataset("obs/type/codes", data=np.arange(30) % 3 - 1)
    return path


def test_anndata_counts_layers_embeddings_and_labels(cells_file: Path) -> None:
    data = load(cells_file, label="type")
    assert data.domain == Domain("count", (5,)) and data.columns == tuple(f"gene {i}" for i in range(5))
    assert data.classes == ("B", "T") and data.name == "cells"
    found = read(str(cells_file))
    assert np.array_equal(found.x, COUNTS)
    assert np.array_equal(read(f"{cells_file}:layers/logged").x, np.log1p(COUNTS))
    embedded = load(f"{cells_file}:obsm/X_pca")
    assert embedded.domain == Domain("real", (2,)) and embedded.columns is None
    assert "X_pca" in refusal(f"{cells_file}:obsm/X_umap") and "layers/NAME" in refusal(f"{cells_file}:raw")
    assert "'typ'" in refusal(cells_file, label="typ") and "AnnData itself" not in refusal(cells_file, drop="a")


@pytest.mark.parametrize("damage", ["indices", "indptr", "data"])
def test_damaged_or_foreign_matrices_are_refused(cells_file: Path, damage: str) -> None:
    with h5py.File(cells_file, "a") as file:
        values = file[f"X/{damage}"][()]
        del file[f"X/{damage}"]
        if damage == "data":
            file["X"].create_dataset("data", values.shape, np.float32, external=[("elsewhere.bin", 0, 10**6)])
        else:
            file["X"].create_dataset(damage, data=values * 7)
    assert ("another file" if damage == "data" else "damaged") in refusal(cells_file)


def test_a_column_of_a_run_that_holds_text_now_is_not_to_be_dropped() -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    with pytest.raises(
        RequestError, match=r"'b' of the table is not numeric .* the run was fitted on numbers"
    ) as found:
        read_frame(frame, columns=["a", "b"])
    assert "data.drop" not in str(found.value)


def test_a_label_of_minus_one_means_the_same_in_every_container_and_is_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 3)), rng.integers(-1, 2, 300)
    np.savez(tmp_path / "t.npz", x=x, y=y)
    frame = pd.DataFrame(x, columns=list("abc")).assign(m=y)
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = [load(x, y=y), load(tmp_path / "t.npz"), load(tmp_path / "t.csv", label="m"), load(frame, label="m")]
    for data in found:
        assert data.classes == ("0", "1")
        assert f"{(y == -1).sum()} of 300 labels are not known" in " ".join(data.notes)
    text = frame.assign(m=frame.m.map("class {}".format))
    assert load(text, label="m").classes == ("class -1", "class 0", "class 1")


# -- by name, and to the last digit -----------------------------------------------------------------------------------


def cells_of_genes(path: Path, x: np.ndarray, genes: list[str]) -> Path:
    with h5py.File(path, "w") as file:
        file["X"] = x.astype(np.float32)
        for group, names in (("obs", [f"c{i}" for i in range(len(x))]), ("var", genes)):
            made = file.create_group(group)
            made.attrs["_index"] = "_index"
            made.create_dataset("_index", data=np.array(names, object), dtype=h5py.string_dtype())
    return path


def test_variables_of_anndata_go_by_their_names(tmp_path: Path) -> None:
    genes = [f"G{i}" for i in range(5)]
    wide = np.c_[COUNTS[:, ::-1], COUNTS[:, :2]]
    path = cells_of_genes(tmp_path / "more.h5ad", wide, [*genes[::-1], "H0", "H1"])
    found = read_new(path, Domain("count", (5,)), columns=genes)
    assert np.array_equal(found.x, COUNTS) and found.columns == tuple(genes)
    assert found.ignored == ("2 variables of more.h5ad not used: the run was fitted without.",)
    same = read_new(cells_of_genes(tmp_path / "same.h5ad", COUNTS, genes), Domain("count", (5,)), columns=genes)
    assert np.array_equal(same.x, COUNTS) and same.ignored == ()
    lacking = cells_of_genes(tmp_path / "few.h5ad", COUNTS, [*genes[:4], "g4"])
    with pytest.raises(RequestError, match=r"lacks the variable 'G4' .* fitted on. Did you mean 'g4'"):
        read_new(lacking, Domain("count", (5,)), columns=genes)
    twice = cells_of_genes(tmp_path / "twice.h5ad", COUNTS, [*genes[:4], "G3"])
    with pytest.raises(RequestError, match="no names of their own"):
        read_new(twice, Domain("count", (5,)), columns=genes)


def test_integer_labels_stay_apart_to_their_last_digit(tmp_path: Path) -> None:
    big = 1583218195625938945
    for values in ([big, big + 1, None], [np.int64(big), np.int64(big + 1), pd.NA], [2**63 + 1, 2**63 + 2, None]):
        frame = pd.DataFrame(X, columns=list("abc")).assign(m=pd.Series((values * 14)[:40], dtype=object))
        data = load(frame, label="m")
        assert data.classes == (str(values[0]), str(values[1])) and data.train.y is not None
        assert "13 of 40 labels are not known" in " ".join(data.notes)
    assert load(X, y=np.array([big, 3.0] * 20, object)).classes == ("3", str(big))
    assert load(X, y=np.array([1.0, 2.0, float("nan"), 2.0] * 10, object)).classes == ("1", "2")
    with pytest.raises(RequestError, match="more than 64 bits"):
        load(X, y=np.array([2**70, -1] * 20, object))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Sepal Length", "Did you mean 'sepal_length'?"),
        ("prix", "Did you mean 'príx'?"),
        ("target", "It has sepal_length, príx, age, a."),
        ("aa", "It has"),
        ("zz", "It has"),
    ],
)
def test_a_column_is_offered_only_where_its_name_is_near(name: str, said: str) -> None:
    frame = pd.DataFrame(RNG.normal(size=(40, 4)), columns=["sepal_length", "príx", "age", "a"])
    for key in ({"label": name}, {"drop": name}):
        assert said in refusal(frame, **key)


def test_a_column_that_is_missing_is_not_one_that_the_run_uses() -> None:
    frame = pd.DataFrame(X, columns=["rate1", "x", "other"])
    with pytest.raises(RequestError, match=r"lacks the column 'rate' .* It has, unused, x, other\.") as refused:
        read_new(frame, Domain("real", (2,)), columns=["rate1", "rate"])
    assert "Did you mean" not in str(refused.value)


def test_a_wrong_value_of_a_table_is_placed_by_the_name_of_its_column(tmp_path: Path) -> None:
    times = 1.6e9 + np.arange(40) / 50
    for frame in (pd.DataFrame({"a": X[:, 0], "ts": times}), pd.DataFrame({"ts, s": times})):
        said = refusal(frame)
        name = frame.columns[-1]
        assert f"column {name!r}" in said and "leave it out: " in said and "position" not in said
    assert "column 'big'" in refusal(pd.DataFrame({"a": X[:, 0], "big": 1e39 * np.abs(X[:, 1])}))
    assert "position 1" in refusal(np.c_[X[:, 0], times])
    with pytest.raises(RequestError, match=r"outside this run.* row 3, column 'k'\."):
        new = pd.DataFrame({"n": [0, 1, 0, 1], "k": [1, 0, 1, 7]})
        prepare(read_new(new, Domain("binary", (2,)), columns=["n", "k"]), Domain("binary", (2,)))
