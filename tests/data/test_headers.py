"""The first line of a table of text: names, or a row; separators; compressed files and endings of any case."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import narwhals
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

from asnumbers import load, read
from unveil.cli import main
from unveil.data import read_new
from unveil.data.firstlines import is_row
from unveil.data.textfiles import text_file
from unveil.data.texttables import text_table
from unveil.domain import Domain
from unveil.errors import RequestError, decisions

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(60, 3)), 4)


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(RequestError) as refused:
        load(path, **options)  # type: ignore[arg-type]
    return str(refused.value)


# -- rows that became names -------------------------------------------------------------------------------------------

FIRST: dict[str, Callable[[int], str]] = {  # row i
    "only numbers": lambda i: f"{X[i, 0]},{X[i, 1]}",
    "iris": lambda i: f"{X[i, 0]},{X[i, 1]},{'setosa' if i % 2 else 'virginica'}",
    "adult": lambda i: f"{39 + i * 7 % 40}, State-gov, {77516 - 900 * i % 4001}, Bachelors",
    "cars": lambda i: (
        f"Car {i},{21 + (i * 11) % 7 - 3 * (i > 0)},{6 + (i > 0) * (i % 4 - 2)},{160 - (i > 0) * (i % 9 - 4)}"
    ),
    "index and label": lambda i: f"{i},{int(i % 3 == 0)}",
    "index and numbers": lambda i: f"{i},{X[i, 0]}",
    "small integers": lambda i: f"{i % 2},{(i + 1) % 3},{(i + 2) % 4}",
}


ROWS = [kind for kind in FIRST if kind != "small integers"]


@pytest.mark.parametrize("kind", ROWS)
def test_a_first_line_that_is_a_row_is_taken_as_one_and_said(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, "\n".join(map(FIRST[kind], range(60))))
    drop = {"iris": "2", "adult": "1,3", "cars": "0"}.get(kind, "")
    raw = read(path, drop=drop)
    assert len(raw.x) == 60 and set(raw.columns or ()) < {"0", "1", "2", "3"}
    (said,) = (note for note in raw.notes if "The first line of t.csv is a row" in note)
    assert "data.header=first" in said and said in decisions(raw.notes)
    assert np.array_equal(raw.x, read(path, header="none", drop=drop).x)
    assert np.array_equal(raw.x, read(pd.read_csv(path, header=None), drop=drop).x)
    names = FIRST[kind](0).split(",")
    taken = read(path, header="first", drop=",".join(names[int(place)] for place in drop.split(",") if place))
    assert len(taken.x) == 59 and np.array_equal(taken.x, raw.x[1:])


EITHER = {  # first lines that may be names or a row
    "small integers": ("0,1,2", "{4},{5},{5}"),
    "years": ("2019,2020,2021", "{0},{1},{0}"),
    "years among counts": ("2019,2020,2021", "1{3}1,2{3}7,3{3}9"),
    "wavelengths": ("400.5,401.0,401.5", "{3}1.5,{3}2.5,6{3}.5"),
    "mark": ("?,2.3,4.4", "{0},{1},{0}"),
    "far from all below": ("7.5,0.25,9.5", "{0},{1},{0}"),
}


@pytest.mark.parametrize("kind", EITHER)
def test_a_first_line_that_may_be_either_is_refused(tmp_path: Path, kind: str) -> None:
    said = refusal(written(tmp_path, in_rows(*EITHER[kind])))
    assert "first line" in said and "data.header=none" in said and "data.header=first" in said and "drop" not in said


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst", ".csv.zip"])
def test_no_thread_of_pyarrow_holds_a_file_of_python(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that lets go of one while the process ends aborts it."""
    read_csv, streams = pyarrow.csv.read_csv, []

    def watched(stream: object, *options: object) -> object:
        streams.append(stream)
        return read_csv(stream, *options)

    monkeypatch.setattr(pyarrow.csv, "read_csv", watched)
    packed(tmp_path / f"t{suffix}", pd.DataFrame(X, columns=list("abc")).to_csv(index=False).encode())
    assert len(read(tmp_path / f"t{suffix}").x) == 60
    assert [type(stream) for stream in streams] == [pa.OSFile if suffix == ".csv" else pa.BufferReader]


def test_a_process_that_was_refused_ends_as_it_should(tmp_path: Path) -> None:
    path = written(tmp_path, in_rows(*EITHER["years"]))
    thrice = (
        f"import sys, unveil.cli; sys.exit([unveil.cli.main(['fit', {str(path)!r}, '--dry-run']) for _ in range(3)][2])"
    )
    done = subprocess.run([sys.executable, "-c", thrice], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("data.header=none") >= 3 and "terminate" not in done.stderr


UNLIKE = {  # first lines that are no names, whatever stands below them
    "number and label": ("5.1,3.5,Iris-setosa", "{0},{1},{2}"),
    "label and number": ("Iris-setosa,0.455,0.365", "{2},{0},{1}"),
    "date": ("2020-01-01,1.5,2.5", "2020-03-{3},{0},{1}"),
    "time": ("1.3.2020 12:30,7,1.5", "{3}.3.2020 12:30,{0},{1}"),
    "marks among whole numbers": ("13,?,NA", "{3},{3},{3}"),
    "decimal comma": ("0.5,'7,5'", "{0},'{3},5'"),
    "labels": ("Iris-setosa,a", "{2},a"),
    "a name of its own": ("Alice,1.5,7,Iris-setosa", "x{3},{0},{1},{2}"),
    "falling numbers": ("25,12", "{3},{3}"),
    "one column": ("20.5", "{0}"),
    "one value far off": ("20.5,99.5,20.1,20.2,20.9", "{0},{0},{0},{0},{0}"),
}


def in_rows(first: str, row: str) -> str:
    kinds = ("Iris-setosa", "Iris-virginica")
    cells = [(f"{20 + x:.2f}", f"{60 - y:.2f}", kinds[i % 2], 10 + i % 19) for i, (x, y, _) in enumerate(X)]
    rows = [row.format(*given, i % 2, i % 3) for i, given in enumerate(cells)]
    return "\n".join([first, *rows]).replace("'", '"')


def taken_as_row(path: Path) -> bool:
    held = pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True))
    series = [narwhals.from_native(column, series_only=True) for column in held.columns]
    return is_row(text_table(partial(text_file, path), "auto", None)[0], series, None)


@pytest.mark.parametrize("kind", UNLIKE)
def test_a_first_line_of_cells_is_a_row(tmp_path: Path, kind: str) -> None:
    assert taken_as_row(written(tmp_path, in_rows(*UNLIKE[kind])))


def lines_of(table: str) -> list[str]:
    return (Path(os.environ["UNVEIL_DATA"]) / "tables" / f"{table}.csv").read_text().splitlines()


@pytest.mark.needs_data
@pytest.mark.parametrize(
    "table", ["auto_imports", "banknote_authentication", "german", "horse-colic", "winequality-red"]
)
def test_real_tables_without_a_header_are_taken_so(tmp_path: Path, table: str) -> None:
    lines = lines_of(table)
    named = [",".join(f"c{i}" for i in range(lines[0].count(",") + 1)), *lines]
    assert taken_as_row(written(tmp_path, "\n".join(lines)))
    assert not taken_as_row(written(tmp_path, "\n".join(named)))


@pytest.mark.needs_data
@pytest.mark.parametrize("table", ["healthexp", "mpg", "penguins", "taxis", "tips"])
def test_real_tables_with_a_header_keep_it_and_without_it_have_none(tmp_path: Path, table: str) -> None:
    lines = lines_of(table)
    assert not taken_as_row(written(tmp_path, "\n".join(lines)))
    assert taken_as_row(written(tmp_path, "\n".join(lines[1:])))


@pytest.mark.needs_data
@pytest.mark.parametrize("table", ["banknote_authentication", "winequality-red"])
def test_a_real_table_of_numbers_without_a_header_needs_no_option(table: str) -> None:
    path = Path(os.environ["UNVEIL_DATA"]) / "tables" / f"{table}.csv"
    raw = read(path)
    assert len(raw.x) == len(lines_of(table)) and raw.columns == tuple(map(str, range(raw.x.shape[1])))


def written_or_refused(path: Path) -> str:
    try:
        return str(load(path).columns)
    except RequestError as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        "name,value\nname,1.5\nother,2.5\nthird,3.5\n",  # a name that a cell holds as well
        "city,2020-01-01,2020-02-01,2020-03-01\n" + "\n".join(f"town {i},{i}.5,{i}.25,{i}.75" for i in range(9)),
        "a,b\n1,2\n3,4\na,b\n5,6\n7,8\n",  # two files in one
        "NA,K,CL\n" + "\n".join(f"{i}.5,{i}.25,{i}.75" for i in range(9)),
        "5%,50%,95%\n" + "\n".join(f"{i}.5,{i}.25,{i}.75" for i in range(9)),
    ],
)
def test_names_that_resemble_cells_are_names(tmp_path: Path, text: str) -> None:
    assert "data.header" not in written_or_refused(written(tmp_path, text))


NAMED = {
    "names": "a,b,c",
    "years": "country,2019,2020",
    "array": "0,1,2",
    "spectrum": "id,1100.5,1102.5",
    "unlike their values": "x,500,7000",
}


@pytest.mark.parametrize("kind", NAMED)
def test_names_that_are_numbers_stay_names(tmp_path: Path, kind: str) -> None:
    names = NAMED[kind].split(",")
    rows = [",".join(str(v) for v in row) for row in X]
    data = load(written(tmp_path, "\n".join([NAMED[kind], *rows])))
    assert data.columns == tuple(names) and sum(map(len, (data.train, data.valid, data.test))) == 60


def test_years_as_names_are_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(["2019,2020,2021", *(",".join(map(str, row)) for row in X)]))
    assert "holds only numbers" in refusal(path)
    assert load(path, header="first").columns == ("2019", "2020", "2021")


def test_names_that_come_twice_are_told_apart_in_a_file_and_refused_in_a_frame(tmp_path: Path) -> None:
    rows = "\n".join(",".join(map(str, row)) for row in X)
    (said,) = (note for note in read(written(tmp_path, "a,b,a\n" + rows)).notes if "have the same name" in note)
    assert "'a' in place 2 is taken as 'a.1'" in said and "data.header=none" in said
    for frame in (pa.table([[1.0] * 20] * 2, ["b", "b"]), pd.DataFrame(X[:, :2], columns=["b", "b"])):
        with pytest.raises(RequestError, match="have the same name, 'b'"):
            load(frame)
    again = written(tmp_path, "1,2,1\n" + rows)
    assert len(read(again).x) == 61


SHORT = ("--model", "linear_gaussian", "evaluation.baselines=none")


@pytest.mark.parametrize("header", [(), ("data.header=none",)])
def test_a_run_without_a_header_takes_new_files_without_one(tmp_path: Path, header: tuple[str, ...]) -> None:
    path = written(tmp_path, "\n".join(",".join(map(str, row)) for row in X))
    full, run = tmp_path / "full.csv", str(tmp_path / "run")
    gap = written(
        tmp_path, "\n".join(["," + ",".join(map(str, X[0, 1:])), *path.read_text().splitlines()[1:]]), "g.csv"
    )
    assert main(["fit", str(path), *header, *SHORT, "--out", run]) == 0
    assert main(["impute", run, str(gap), "--out", str(full)]) == 0
    lines = full.read_text().splitlines()
    assert len(lines) == 60 and lines[1:] == gap.read_text().splitlines()[1:] and lines[0].endswith(f"{X[0, 2]}")


def test_a_new_file_with_the_columns_of_the_run_is_not_suspected(tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 2},{i % 3}" for i in range(1, 40))
    path, domain = written(tmp_path, "0,1\n" + rows), Domain("real", (2,))
    assert read_new(path, domain, columns=["0", "1"]).x.shape == (39, 2)
    with pytest.raises(RequestError, match="Give it a first line with the names") as refused:
        read_new(path, domain, columns=["a", "b"])
    assert "data.header" not in str(refused.value)


@pytest.mark.parametrize("text", ["5,\n", "5,7\n", "5,7\n9,1\n", "2020,2021\n7,1\n"])
def test_a_run_without_names_takes_a_first_line_of_cells_as_a_row(tmp_path: Path, text: str) -> None:
    raw = read_new(written(tmp_path, text), Domain("real", (2,)), columns=["0", "1"])
    assert raw.x.shape == (text.count("\n"), 2) and raw.x[0, 0] == float(text.split(",")[0])
    with pytest.raises(RequestError, match="lacks the columns '0', '1'"):
        read_new(written(tmp_path, "a,b\n" + text), Domain("real", (2,)), columns=["0", "1"])


def test_a_header_is_asked_for_of_text_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.to_parquet(tmp_path / "t.parquet")
    assert "tables of text" in refusal(tmp_path / "t.parquet", header="none")
    for x in (frame, X):
        with pytest.raises(RequestError, match=r"data\.header=none is for tables"):
            load(x, header="none")
    assert "data.header came as 'no'" in refusal(tmp_path / "t.parquet", header="no")


# -- the index that pandas wrote --------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_index_that_pandas_wrote_is_no_x_from_the_file_and_from_pandas(tmp_path: Path, times: int) -> None:
    path = tmp_path / "t.csv"
    frame = pd.DataFrame(X, columns=list("abc"))
    for _ in range(times):
        frame.to_csv(path)
        frame = pd.read_csv(path)
    for source in (path, frame, pd.read_csv(path)):
        raw = read(source)
        assert raw.columns == ("a", "b", "c") and np.array_equal(raw.x, X)
        assert any("without a name" in note for note in raw.notes)


def test_commas_at_the_ends_of_lines_are_no_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join([",a,b,,,", *(f"{i},{v},{w},,," for i, (v, w, _) in enumerate(X))]))
    for source in (path, pd.read_csv(path)):
        raw = read(source)
        assert raw.columns == ("a", "b") and np.array_equal(raw.x, X[:, :2])
    assert "3 columns without a name and without values are left out." in read(path).notes


# -- separators and endings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("count", [60, 40_000])
def test_another_separator_is_found_and_said(tmp_path: Path, separator: str, count: int) -> None:
    frame = pd.DataFrame(RNG.normal(size=(count, 3)).round(3), columns=["a, b", "c", "d"])
    frame.to_csv(tmp_path / "t.csv", sep=separator, index=False, decimal="," if separator == ";" else ".")
    raw = read(tmp_path / "t.csv")
    assert raw.columns == ("a, b", "c", "d") and np.array_equal(raw.x, frame.to_numpy())
    assert f"The cells of t.csv are separated by {separator!r}." in raw.notes


def test_a_tsv_with_commas_is_read(tmp_path: Path) -> None:
    pd.DataFrame(X).to_csv(tmp_path / "t.tsv", index=False)
    assert np.array_equal(read(tmp_path / "t.tsv").x, X)


def packed(path: Path, content: bytes) -> None:
    match path.suffix.lower():
        case ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inside.csv", content)
        case ".zst":
            with pa.CompressedOutputStream(str(path), "zstd") as stream:
                stream.write(content)
        case suffix:
            pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(suffix, bytes)
            path.write_bytes(pack(content))


@pytest.mark.parametrize("name", ["t.csv.gz", "T.CSV.GZ", "t.csv.bz2", "t.csv.xz", "t.csv.zst", "t.csv.zip", "T.CSV"])
def test_compressed_tables_are_read_as_the_others(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame(X, columns=list("abc"))
    packed(tmp_path / name, frame.to_csv(index=False).encode())
    data = load(tmp_path / name)
    assert data.sha256 == load(frame).sha256 and data.name.lower() == "t"
    assert [row[0] for row in read(tmp_path / name).frame.text.cells()][:2] == [str(v) for v in X[:2, 0]]


def test_damaged_and_foreign_compressed_files_are_refused(tmp_path: Path) -> None:
    content = pd.DataFrame(X).to_csv(index=False).encode()
    for name in ("t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.csv.zst", "t.csv.zip"):
        packed(tmp_path / name, content)
        whole = (tmp_path / name).read_bytes()
        for broken in (b"", whole[: len(whole) // 2], b"\x00" * 40):
            (tmp_path / name).write_bytes(broken)
            assert "\n" not in refusal(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", content)
        archive.writestr("b.csv", content)
    assert "holds 2 tables: a.csv, b.csv" in refusal(tmp_path / "two.csv.zip")
    (tmp_path / "x.npy.gz").write_bytes(b"")
    assert "cannot be read; allowed" in refusal(tmp_path / "x.npy.gz") or "not a file" in refusal(tmp_path / "x.npy.gz")


@pytest.mark.parametrize("name", ["X.NPY", "x.Npy", "X.NPZ"])
def test_arrays_are_read_whatever_the_case_of_their_ending(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        if name.lower().endswith("npz"):
            np.savez(file, x=X, other=X + 1)
        else:
            np.save(file, X)
    assert np.array_equal(read(str(tmp_path / name)).x, X) and load(tmp_path / name).name.lower() == "x"
    if name == "X.NPZ":
        found = load(f"{tmp_path / name}:other")
        assert found.name == "X" and np.array_equal(read(f"{tmp_path / name}:other").x, X + 1)


def test_a_compressed_file_of_text_is_fitted_and_imputed(tmp_path: Path) -> None:
    x = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    pd.DataFrame(x, columns=list("abc")).to_csv(tmp_path / "t.csv.gz", index=False)
    run, full = str(tmp_path / "run"), tmp_path / "full.csv"
    assert main(["fit", str(tmp_path / "t.csv.gz"), *SHORT, "--out", run]) == 0
    assert main(["impute", run, str(tmp_path / "t.csv.gz"), "--out", str(full)]) == 0
    filled = pd.read_csv(full).to_numpy()
    assert np.array_equal(filled[~np.isnan(x)], x[~np.isnan(x)]) and np.isfinite(filled).all()


@pytest.mark.parametrize("kind", FIRST)
def test_a_frame_of_such_a_file_is_taken_with_a_word(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, "\n".join(map(FIRST[kind], range(60))))
    frame = pd.read_csv(path)
    drop = ",".join(name for name in frame if frame[name].dtype.kind not in "if")
    said = [note for note in load(frame, drop=drop).notes if "look like a row" in note]
    assert len(said) == 1 and "header=None" in said[0]


@pytest.mark.parametrize("kind", NAMED)
def test_a_frame_with_names_is_taken_without_a_word(kind: str) -> None:
    frame = pd.DataFrame(X, columns=NAMED[kind].split(","))
    for some in (frame, pd.DataFrame(X), pd.DataFrame(X.round().astype(int))):
        assert not any("look like a row" in note for note in load(some).notes)


def test_each_column_without_a_name_that_names_rows_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",,x\n" + "".join(f"{i}.5,{i},{i * i % 7}\n" for i in range(40)))
    said = "The columns without a name ('', 'Unnamed: 1') are taken as names of the rows, not as x."
    assert said in read(path).notes
