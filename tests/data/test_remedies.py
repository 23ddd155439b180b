"""Every remedy that a reader of data prints is carried out as it is printed, and then the data is taken.

Words for the command line go through a shell; code is run as Python with `x`, `frame`, `path`, `np` and `pandas`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas
import polars
import pytest
import torch
from PIL import Image

from asnumbers import load
from unveil.cli import main
from unveil.errors import RequestError
from unveil.fitting.prepare import prepare

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
NAMES = [
    "plain", "city, state", 'the "big" one', "it's", " led", "trailed ", "-dash", "--flag", "a=b", "ünïcode", "名前",
    "semi;colon", "a$HOME", "`id`", "star*", "back\\slash", "#hash", "!bang", "a b", "drop=a", "1,304", "tab\there",
    "line\nbreak", "(x)", "~", "&", "|", ">", "%", ",", '"', "'", '","', "NaN", "0",
]  # fmt: skip
WORDS = re.compile(r"""(?<![\w.])('data\.(?:[^']|'"'"')*'|data\.\w+=\S+?)(?=[;.]?(?:\s|$))""")


def refused(source: Any, **options: Any) -> str:
    with pytest.raises(RequestError) as found:
        load(source, **options)
    said = str(found.value)
    assert "\n" not in said and "…" not in found.value.hint.replace("0, 1, …", "")
    return said


def typed(said: str) -> list[str]:
    """The words for the command line that a sentence prints, as the shell hands them on."""
    words = WORDS.findall(said)
    handed = subprocess.run(["sh", "-c", f"printf '%s\\0' {' '.join(words)}"], capture_output=True, check=True)
    return handed.stdout.decode().split("\0")[: len(words)]


def dropped(said: str) -> str:
    """The value of data.drop that a sentence prints."""
    return [word for word in typed(said) if word.startswith("data.drop=")][-1].removeprefix("data.drop=")


def fits(source: Path | str, *words: str) -> bool:
    return main(["fit", str(source), "--steps", "1", "--dry-run", *words]) == 0


def python(said: str, pattern: str, **known: Any) -> Any:
    """The value of the code in a sentence that matches a pattern, as it is printed."""
    found = re.search(pattern, said)
    assert found is not None, said
    return eval(found[0], {"np": np, "pandas": pandas, **known})


def files(frame: pandas.DataFrame, folder: Path) -> list[Path]:
    """The frame as files of every kind."""
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "t.parquet")
    return [folder / name for name in ("t.csv", "t.tsv", "t.parquet")]


# -- columns that are to be left out ----------------------------------------------------------------------------------

BAD: dict[str, Callable[[], Any]] = {
    "constant": lambda: np.full(40, 5.0),
    "text": lambda: ["red", "blue"] * 20,
    "empty": lambda: np.full(40, np.nan),
    "percent": lambda: ["5%", "6"] * 20,
    "unit": lambda: ["5 kg", "6 kg"] * 20,
    "large": lambda: 1e39 * X[:, 0],
    "fine": lambda: 1.6e9 + np.arange(40) / 50,
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", NAMES)
def test_the_option_that_leaves_a_column_out_does(tmp_path: Path, name: str, bad: str) -> None:
    frame = pandas.DataFrame({"a": X[:, 0], name: BAD[bad](), "z": X[:, 1]})
    said = refused(frame)
    if not name.isprintable():
        assert load(python(said, r"frame\.drop\(.*?\]\)", frame=frame)).columns == ("a", "z")
        return
    assert load(frame, drop=dropped(said)).columns == ("a", "z")
    if bad in ("constant", "text"):  # one path from here on
        frame.to_csv(tmp_path / "t.csv", index=False)
        assert fits(tmp_path / "t.csv", f"data.drop={dropped(refused(tmp_path / 't.csv'))}")


@pytest.mark.parametrize("count", [2, 8, 40])
@pytest.mark.parametrize("bad", ["constant", "text", "empty"])
def test_all_of_many_columns_are_left_out_at_once(tmp_path: Path, count: int, bad: str) -> None:
    names = [name for name in [*NAMES, *(f"n{i}" for i in range(40))] if name.isprintable()][:count]
    values = {name: [f"text {i}" for i in range(40)] if bad == "text" else BAD[bad]() for name in names}
    frame = pandas.DataFrame({"a": X[:, 0], **values, "z": X[:, 1]})
    for source in (frame, *files(frame, tmp_path)):
        assert load(source, drop=dropped(refused(source))).columns == ("a", "z")
    assert fits(tmp_path / "t.csv", f"data.drop={dropped(refused(tmp_path / 't.csv'))}")


def test_what_was_left_out_before_stays_so(tmp_path: Path) -> None:
    wrong = {"k": "x", "c": 5.0, "d, e": np.nan, "t": 1.6e9 + X[:, 1] / 1e3}
    frame = pandas.DataFrame({"a": X[:, 0], **wrong, "z": X[:, 2]})
    for source in (frame, *files(frame, tmp_path)):
        drop = ""
        for _ in wrong:
            drop = dropped(refused(source, drop=drop))
        assert load(source, drop=drop).columns == ("a", "z")


def test_columns_that_differ_by_spaces_are_told_apart() -> None:
    names = ("a", " a", "a ", '"a"')
    for wrong in names:
        frame = pandas.DataFrame(RNG.normal(size=(40, 4)), columns=names).assign(**{wrong: 5.0})
        assert load(frame, drop=dropped(refused(frame))).columns == tuple(name for name in names if name != wrong)


@pytest.mark.parametrize("bad", ["constant", "text", "empty"])
def test_nobody_is_told_to_leave_every_column_out(bad: str) -> None:
    said = refused(pandas.DataFrame({"a": BAD[bad](), "b": BAD[bad]()}))
    assert "data.drop" not in said


def test_variables_of_anndata_are_left_out_as_columns_are(tmp_path: Path) -> None:
    genes = ["g, 1", "g2", " g3", "g4"]
    x = np.c_[np.full(40, 0.5), X[:, :2], np.full(40, 1.5)]
    with h5py.File(tmp_path / "t.h5ad", "w") as file:
        file["X"] = x
        for group, names in (("obs", [f"c{i}" for i in range(40)]), ("var", genes)):
            made = file.create_group(group)
            made.attrs["_index"] = "_index"
            made.create_dataset("_index", data=np.array(names, object), dtype=h5py.string_dtype())
    drop = dropped(refused(tmp_path / "t.h5ad"))
    assert load(tmp_path / "t.h5ad", drop=drop).columns == ("g2", " g3") and fits(
        tmp_path / "t.h5ad", f"data.drop={drop}"
    )
    assert "which the table does not have" in refused(tmp_path / "t.h5ad", drop="none")


# -- numbers as text, and headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_words_among_numbers_are_taken_as_missing_as_it_is_printed(tmp_path: Path, name: str) -> None:
    words = [word for word in NAMES if word.isprintable() and word.strip() not in ("1,304", "NaN", "0")][:20]
    cells = [words[i // 2] if i % 2 and i < 40 else f"{v:.3f}" for i, v in enumerate([*X[:, 0]] * 3)]
    frame = pandas.DataFrame({name: cells, "z": [*X[:, 1]] * 3})
    said = refused(frame)
    missing = typed(said)[0].removeprefix("data.na_values=")
    data = load(frame, na_values=missing)
    assert data.has_missing and data.columns == (name, "z")
    number = python(said, r"pandas\.to_numeric\(frame\[.*?\], errors='coerce'\)", frame=frame)
    assert load(frame.assign(**{name: number})).sha256 == data.sha256


def test_words_with_line_breaks_are_taken_as_missing_by_pandas() -> None:
    frame = pandas.DataFrame({"a": ["1.5", "2.5", "3", "no\nidea"] * 10, "z": X[:, 0]})
    said = refused(frame)
    frame["a"] = python(said, r"pandas\.to_numeric\(frame\[.*?\], errors='coerce'\)", frame=frame)
    assert load(frame).has_missing and "data.na_values" not in said


def test_both_readings_of_a_comma_can_be_asked_for(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": ["1,304", "2,100", "3,500"] * 14, "z": range(42)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = typed(refused(tmp_path / "t.csv"))[:2]
    assert words == ["data.decimal=.", "data.decimal=,"] and all(fits(tmp_path / "t.csv", word) for word in words)
    for option in re.findall(r"\w+=','", refused(tmp_path / "t.csv")):
        assert load(eval(f"pandas.read_csv(path, {option})", {"pandas": pandas, "path": tmp_path / "t.csv"}))


@pytest.mark.parametrize("unit", ["$", "kg", "€", "°C", "'", "a.b", "\\"])
def test_a_unit_is_taken_away_as_it_is_printed(unit: str) -> None:
    frame = pandas.DataFrame({"it's": [f"{v:.2f} {unit}" for v in np.abs(X[:, 0])], "z": X[:, 1]})
    said = refused(frame)
    frame["it's"] = python(said, r"frame\[.*?\]\.str\.replace\(.*?\)(?=\.( |$))", frame=frame)
    assert load(frame).columns == ("it's", "z")


def test_categories_are_encoded_as_it_is_printed() -> None:
    frame = pandas.DataFrame({"kind": ["red", "blue"] * 20, "z": X[:, 1]})
    for some in (frame, frame[["kind"]]):
        made = python(refused(some), r"pandas\.get_dummies\(frame\)", frame=some)
        assert load(made).train.x.shape[1] == len(some.columns) + 1
    assert load(frame, label="kind").classes == ("blue", "red")


def test_a_first_line_is_taken_either_way_as_it_is_printed(tmp_path: Path) -> None:
    rows = pandas.DataFrame(X.round(3)).to_csv(index=False, header=False)
    (tmp_path / "t.csv").write_text("2019,2020,2021\n" + rows)
    words = typed(refused(tmp_path / "t.csv"))
    assert words == ["data.header=none", "data.header=first"] and all(fits(tmp_path / "t.csv", word) for word in words)
    (tmp_path / "t.csv").write_text("1,2,?\n" + rows)
    assert fits(tmp_path / "t.csv", *typed(refused(tmp_path / "t.csv"))[:1])


# -- frames and arrays ------------------------------------------------------------------------------------------------


def test_frames_and_series_in_other_forms_are_brought_in_as_it_is_printed() -> None:
    frame = pandas.DataFrame(X, columns=list("abc"))
    lazy = polars.from_pandas(frame).lazy()
    assert load(python(refused(lazy), r"frame\.collect\(\)", frame=lazy)).columns == ("a", "b", "c")
    assert load(python(refused(frame["a"]), r"x\.to_frame\(\)", x=frame["a"])).columns == ("a",)


HOLED = np.array(X)
HOLED[:, 1] = np.nan
STILL = np.c_[np.full((40, 8), 3.0), X]


@pytest.mark.parametrize(
    ("x", "pattern"),
    [
        (X[:, 0], r"x\[:, None\]"),
        (HOLED, r"np\.delete\(x, \[1\], axis=1\)"),
        (np.ma.masked_invalid(HOLED), r"np\.delete\(x, \[1\], axis=1\)"),
        (torch.eye(40).to_sparse(), r"x\.to_dense\(\)"),
        (X + 1j * X, r"np\.stack\(\[x\.real.*\)"),
        (X.astype(str), r"x\.astype\(float\)"),
        ((100 * X).astype("datetime64[h]"), r"\(x - x\.min.*\)"),
        ((100 * X).astype("timedelta64[h]"), r"x / np\.timedelta64\(1, 'D'\)"),
        (np.array([*map(tuple, X)], [("a", "f4"), ("b", "f8"), ("c", "f8")]), r"np\.stack\(\[x\[name\].*?, 1\)"),
        (X.astype(object), r"np\.asarray\(x, dtype=np\.float32\)"),
        (pandas.DataFrame(X, dtype=object).mask(X > 2, pandas.NA).to_numpy(), r"pandas\.DataFrame\(x\)"),
    ],
    ids=[
        "one axis",
        "empty column",
        "masked",
        "sparse",
        "complex",
        "text",
        "dates",
        "spans",
        "records",
        "objects",
        "objects with gaps",
    ],
)
def test_code_for_arrays_runs_as_it_is_printed(x: Any, pattern: str) -> None:
    data = load(python(refused(x), pattern, x=x))
    assert len(data.train) == 32


@pytest.mark.parametrize("model", ["vae", "linear_gaussian", "mixture"])
def test_all_constant_columns_of_an_array_are_left_out_at_once(tmp_path: Path, model: str) -> None:
    np.save(tmp_path / "x.npy", STILL)
    options = {"model.noise": "diagonal"} if model == "linear_gaussian" else {}
    with pytest.raises(RequestError) as found:
        prepare(STILL, steps=1, model=model, out=tmp_path / "run", options=options)
    x = python(str(found.value), r"np\.delete\(x, \[.*?\], axis=1\)", x=STILL)
    assert np.array_equal(x, X)
    prepare(x, steps=1, model=model, out=tmp_path / "run", options=options)
    if model == "linear_gaussian":
        assert fits(tmp_path / "x.npy", "--model", model, re.findall(r"model\.noise=\w+", str(found.value))[0])


WHOLE = RNG.integers(0, 300, (40, 3))


@pytest.mark.parametrize("x", [WHOLE - 50, WHOLE], ids=["negative", "large"])
def test_a_domain_that_is_offered_takes_the_array(tmp_path: Path, x: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", x)
    words = typed(refused(x, domain="levels"))
    assert words and all(fits(tmp_path / "x.npy", word) for word in words)


def test_levels_that_are_offered_take_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", WHOLE[WHOLE.max(1) < 200])
    words = typed(refused(tmp_path / "x.npy", levels=5))
    assert words == [f"data.levels={WHOLE[WHOLE.max(1) < 200].max() + 1}"] and fits(tmp_path / "x.npy", *words)


@pytest.mark.parametrize("names", [["b c", "a"], ["it's", "x y;z"], ["a:b", "c"], ["名"], ["-n", "--m"]], ids=str)
def test_an_array_of_an_archive_is_named_as_it_is_printed(tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "my data, it's; here"
    folder.mkdir()
    np.savez(folder / "x y.npz", **{name: X + i for i, name in enumerate([*names, "other"])})
    said = refused(folder / "x y.npz")
    word = said.partition(":NAME, such as ")[2]
    handed = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout.decode()
    assert fits(handed) and load(handed).domain.shape == (3,)
    np.savez(folder / "x y.npz", x=X, y=np.arange(3))
    word = refused(folder / "x y.npz").partition("This takes x alone: ")[2]
    handed = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout.decode()
    assert fits(handed)


FORMATS: dict[str, Callable[[pandas.DataFrame, Path], Any]] = {
    ".json": lambda frame, path: frame.to_json(path),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    ".feather": lambda frame, path: frame.to_feather(path),
    ".dta": lambda frame, path: frame.to_stata(path, write_index=False),
}


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_of_another_format_is_written_anew_as_it_is_printed(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"t{ending}"
    FORMATS[ending](pandas.DataFrame(X, columns=list("abc")), path)
    python(refused(path), r"pandas\.read_\w+\(.*\)(?=\.$)", path=path)
    (made,) = [other for other in tmp_path.iterdir() if other != path]
    assert load(made).columns == ("a", "b", "c")


@pytest.mark.parametrize("cell", [[1, 2], {"u": 1}])
def test_what_has_no_categories_is_not_to_be_encoded(cell: Any) -> None:
    frame = pandas.DataFrame({"a": X[:, 0], "k": [cell] * 40, "z": X[:, 1]})
    said = refused(frame)
    assert "get_dummies" not in said and load(frame, drop=dropped(said)).columns == ("a", "z")


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_broken_pictures_are_left_out_as_it_is_printed(tmp_path: Path) -> None:
    for i in range(12):
        Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{i}, it's.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    said = refused(tmp_path)
    assert "--skip-broken (data.skip_broken=true) leaves them out" in said
    assert fits(tmp_path, "--skip-broken") and fits(tmp_path, "data.skip_broken=true")


def test_what_16_bits_lose_is_kept_as_it_is_printed(tmp_path: Path) -> None:
    for i in range(12):
        v = RNG.integers(0, 4096, (8, 8)).astype(np.uint16)
        Image.fromarray(v).save(tmp_path / f"{i}.png")
    words = typed(" ".join(load(tmp_path).notes))
    assert words == ["data.domain=real"] and fits(tmp_path, *words)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    for i in range(12):
        Image.fromarray(RNG.normal(size=(8, 8)).astype(np.float32)).save(tmp_path / f"{i}.tif")
    words = typed(refused(tmp_path).replace(",", " "))
    assert words[0] == "data.domain=real" and fits(tmp_path, words[0])
