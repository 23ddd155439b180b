"""What the columns of a table are taken for, before anything is fitted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quick import PLAIN_WORDS as PLAIN
from quick import short_probes
from unveil.cli import main

DRY = ("--dry-run", "--steps", "3", "--model", "any_order", "model.width=8", "model.depth=1", *PLAIN)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    rng, lines = np.random.default_rng(0), ["row,the sex,fare,when,grade,note,empty"]
    for i in range(60):
        sex, fare, when = ("male", "female")[i % 2], rng.integers(9999) / 100, f"2021-0{1 + i % 9}-1{i % 10}"
        grade, note = "abcdef"[i % 6] if i % 5 else "", "".join(rng.choice([*"abcdefgh"], 9))
        lines.append(f"{i},{sex},{fare:.2f},{when},{grade},{note},")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with short_probes():
        yield "t.csv"


def test_a_dry_run_says_what_each_column_is_taken_for(table: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", table, *DRY]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "column kind taken for it because levels or range missing"
    assert [line.split("  ")[0] for line in lines[1:5]] == ["the sex", "fare", "when", "grade"]
    assert "category  2 levels of text" in lines[1] and "2: female, male" in lines[1]
    assert "decimal   2 decimals" in lines[2] and "2021-01-10 to 2021-09-1" in lines[3]
    assert "6: " in lines[4] and ", …" in lines[4] and lines[4].endswith("20.0 %")
    assert (
        "'row' is left out: its numbers count the rows." in lines and "'empty' is left out: it holds no value." in lines
    )
    (typed,) = (line for line in lines if line.startswith("To take a column for another kind: "))
    word = typed.removeprefix("To take a column for another kind: ").partition(", several")[0]
    assert word == "'data.kinds=the sex=ordinal'"
    code = main(["fit", table, *DRY, word.strip("'"), "--json"])
    out, err = capfd.readouterr()
    assert code == 0, err
    found = json.loads(out)["table"]
    assert found["columns"][0]["kind"] == "ordinal" and found["columns"][0]["levels"] == ["female", "male"]
    assert found["columns"][1]["decimals"] == 2 and found["columns"][3]["missing"] == pytest.approx(0.2)
    assert set(found["left_out"]) == {"row", "note", "empty"}
    assert not list(Path().glob("runs"))
