"""Cells of text that a spreadsheet would run: said, quoted on request, and numbers left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quick import fitted
from unveil.cli import main
from unveil.output.exports import csv, write_table
from unveil.output.formulas import Formulas

RNG = np.random.default_rng(0)
BAD = ["=cmd|' /C calc'!A0", "+49 (0) 30", "-x", "@sum(1)", "\tx", "\r=1", "=1+1"]
GOOD = ["-5", "+3.5", "-1,5", "-1.304,25", "-3 %", "-5%", "-1,304", "+7", "-", "--", "a=b", "", "'=1", "-1e-5"]


@pytest.mark.parametrize("text", BAD)
def test_texts_that_begin_like_formulas_are_quoted_on_request(text: str) -> None:
    asked, plain = Formulas(quotes=True), Formulas()
    assert asked.row([text, 1, None]) == [f"'{text}", 1, None] and plain.row([text]) == [text]
    assert asked.count == plain.count == 1 and plain.first == text
    assert "--safe-csv" in plain.notes(Path("t.csv"))[0] and "apostrophe stands" in asked.notes(Path("t.csv"))[0]


@pytest.mark.parametrize("text", GOOD)
def test_numbers_and_marks_are_left(text: str) -> None:
    cells = Formulas(quotes=True)
    assert cells.row([text]) == [text] and cells.notes(Path("t.csv")) == ()


def test_names_of_columns_and_cells_of_results_are_seen_to(tmp_path: Path) -> None:
    columns = {"=a": np.array([-1.5, 2.0]), "file": np.array(["=x.png", "y.png"], object)}
    assert csv(columns, Formulas(True)) == b"'=a,file\n-1.5,'=x.png\n2.0,y.png\n"
    assert csv(columns) == b"=a,file\n-1.5,=x.png\n2.0,y.png\n"
    cells = Formulas(True)
    write_table(tmp_path / "t.csv", columns, {}, cells)
    assert cells.count == 2


def test_the_verbs_say_it_and_quote_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, run, out = tmp_path / "t.csv", tmp_path / "run", tmp_path / "full.csv"
    rows = [
        f"=HYPERLINK({i}),{a:.3f},{'' if i == 5 else f'{b:.3f}'}" for i, (a, b) in enumerate(RNG.normal(size=(40, 2)))
    ]
    path.write_text("\n".join(["name,a,=b", *rows]) + "\n")
    fitted(path, run, model="linear_gaussian", latent=1, steps=3, data__drop="name")
    assert main(["impute", str(run), str(path), "-o", str(out)]) == 0
    assert "41 cells of full.csv begin like a formula, first '=b'" in capsys.readouterr().err
    assert out.read_text().splitlines()[1] == rows[0]
    assert main(["impute", str(run), str(path), "-o", str(out), "--safe-csv"]) == 0
    assert "an apostrophe stands before each" in capsys.readouterr().err
    assert out.read_text().splitlines()[:2] == ["name,a,'=b", f"'{rows[0]}"]
    assert main(["sample", str(run), "-n", "5", "-o", str(out), "--safe-csv"]) == 0
    assert out.read_text().splitlines()[0] == "a,'=b" and "1 cell of full.csv" in capsys.readouterr().err
    assert main(["score", str(run), str(path), "-o", str(out)]) == 0
    assert "formula" not in capsys.readouterr().err
