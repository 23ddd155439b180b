"""Tables at use whose columns are not those of training: one sentence each, by the command line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quick import fitted
from unveil.cli import main

HEAD, ROW = "sex,size,age,day", "male,S,25,2021-01-03"
Answer = tuple[int, str, list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, rng, lines = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0), [f"id,{HEAD}"]
    for i in range(80):
        sex = int(rng.integers(2))
        age, day = 20 + 20 * sex + rng.integers(9), 1 + rng.integers(28)
        lines.append(f"{i},{('male', 'female')[sex]},{'SML'[rng.integers(3)]},{age},2021-01-{day:02d}")
    (path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    fitted(str(path / "t.csv"), path / "run", model="any_order", model__width=8, model__depth=1, steps=5)
    return path


@pytest.fixture
def use(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """What a verb says of the lines of a table, and the lines that it writes."""

    def called(verb: str, *lines: str) -> Answer:
        new, out = tmp_path / "new.csv", tmp_path / "out.csv"
        new.write_text("\n".join(lines) + "\n", encoding="utf-8")
        code = main([verb, str(folder / "run"), str(new), "-o", str(out)])
        return code, capfd.readouterr().err, out.read_text(encoding="utf-8").splitlines() if code == 0 else []

    return called


@pytest.mark.parametrize("verb", ["score", "impute"])
@pytest.mark.parametrize(
    ("head", "row", "said"),
    [
        ("sex,size,age", "male,S,25", "The table lacks the column 'day' that the run was fitted on."),
        ("sex,size,Age,day", ROW, "The table lacks the column 'age' that the run was fitted on.\nDid you mean 'Age'?"),
        ("gender,size,age,day", ROW, "lacks the column 'sex' that the run was fitted on.\nIt has, unused, gender."),
        (HEAD, "male,S,old,2021-01-03", "Column 'age' of the table is not numeric"),
        (HEAD, "male,S,25,03.01.2021", "Column 'day' holds '03.01.2021', and the run was fitted on dates there"),
    ],
    ids=["missing", "renamed", "another", "text", "date"],
)
def test_columns_that_cannot_be_read_are_named(
    verb: str, head: str, row: str, said: str, use: Callable[..., Answer]
) -> None:
    code, err, _ = use(verb, head, row)
    assert code == 2 and said in err and err.count("Error") == 1


def test_order_and_further_columns_change_no_score(use: Callable[..., Answer]) -> None:
    _, plain, wanted = use("score", HEAD, ROW)
    code, err, found = use("score", "day,age,colour,size,sex", "2021-01-03,25,red,S,male")
    assert code == 0 and found == wanted
    assert "Column 'colour' of the table is not used: the run was fitted without." in err and "colour" not in plain
    _, err, found = use("score", f"id,{HEAD}", f"7,{ROW}")  # which training left out
    assert found == wanted and "'id'" not in err


def test_a_level_that_training_had_none_of_is_named_and_not_observed(use: Callable[..., Answer]) -> None:
    said = "Levels came that training had none of ('size': 'XXL'): they are taken as missing."
    code, err, found = use("score", HEAD, "male,XXL,25,2021-01-03", "male,,25,2021-01-03")
    assert code == 0 and said in err
    assert found[1].split(",")[1] == found[2].split(",")[1]  # log p of the same three columns
    code, err, found = use("impute", HEAD, "male,XXL,25,2021-01-03", "male,XXL,,2021-01-03")
    assert code == 0 and said in err and found[1] == "male,XXL,25,2021-01-03"  # what stands in a cell is no gap
    sex, size, age, when = found[2].split(",")
    assert (sex, size, when) == ("male", "XXL", "2021-01-03") and age


def test_a_column_of_which_nothing_is_known_is_said_with_what_may_be_meant(use: Callable[..., Answer]) -> None:
    code, err, _ = use("score", HEAD, "MALE,S,25,2021-01-03", "FEMALE,S,25,2021-01-03")
    assert code == 0 and "No value of 'sex' is known to the run, so the column tells nothing." in err
    assert "Did you mean 'female' for 'FEMALE'?" in err
    code, err, _ = use("score", HEAD, "male,s,25,2021-01-03", "male,S,25,2021-01-03")
    assert code == 0 and "Did you mean 'S' for 's'?" in err and "No value of" not in err


def test_numbers_where_training_had_words_are_levels_of_no_use(use: Callable[..., Answer]) -> None:
    code, err, found = use("impute", HEAD, "1,S,25,2021-01-03", "2,M,25,2021-01-03")
    assert code == 0 and "('sex': '1', '2'): they are taken as missing." in err
    assert [row.split(",")[0] for row in found[1:]] == ["1", "2"]


def test_a_number_between_two_cells_is_said(use: Callable[..., Answer]) -> None:
    code, err, found = use("score", HEAD, ROW, "male,S,25.6,2021-01-03", "male,S,26,2021-01-03")
    assert code == 0 and "Column 'age' holds whole numbers in training and now 25.6 (row 1), as 1 rows do" in err
    assert found[2].split(",")[1] == found[3].split(",")[1]
    assert "now" not in use("score", HEAD, "male,S,25.0,2021-01-03")[1]


@pytest.mark.parametrize(
    "values",
    [["yes", "yes", "no", ""], ["Dec 19, 2020", "Sep 09, 2020", "Mar 01, 2021", ""], ["male", "female", "male", ""]],
    ids=["yes and no", "months by name", "words"],
)
def test_gaps_of_words_are_filled_as_they_are_written(tmp_path: Path, values: list[str]) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "full.csv"
    rows = [f'{i % 7},"{values[i % 4]}"' for i in range(60)]
    source.write_text("\n".join(["a,b", *rows]) + "\n")
    fitted(str(source), tmp_path / "run", model="any_order", model__width=8, model__depth=1, steps=2)
    assert main(["impute", str(tmp_path / "run"), str(source), "-o", str(out)]) == 0
    filled = [row[1] for row in csv.reader(out.read_text(encoding="utf-8").splitlines())][1:]
    assert all(filled) and all(new == old for new, old in zip(filled, values * 15, strict=True) if old)


def test_gaps_of_words_that_look_like_powers_are_filled(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [f"0{i % 3}067,{'yes' if i % 2 else 'no'},0{8 + i % 2}:30:00,{i % 5}.5" for i in range(80)]
    lines = ["zip,flag,at,size", *rows]
    new, out = tmp_path / "t.csv", tmp_path / "out.csv"
    new.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {"model": "any_order", "model__width": 8, "model__depth": 1, "data__kinds": "at=category"}
    fitted(str(new), tmp_path / "run", steps=5, **options)
    lines[3:5] = [",,,2.5", "00067,,09:30:00,"]
    new.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["impute", str(tmp_path / "run"), str(new), "-o", str(out)]) == 0, capfd.readouterr().err
    full = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()]
    assert full[3][0] in ("00067", "01067", "02067") and full[3][1] in ("yes", "no") and full[3][2][2:] == ":30:00"
    assert [",".join(row) for row in full[5:]] == lines[5:] and full[4][1] in ("yes", "no") and full[4][3]
