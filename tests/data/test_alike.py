"""Levels that differ only in capitals and blanks are said, with what makes one of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unveil.cli import main
from unveil.data import load
from unveil.data.alike import alike, said_alike

RNG = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "ans": RNG.choice(["Yes", "yes", " yes", "no"], 200, p=[0.6, 0.1, 0.1, 0.2]),
        "city name": RNG.choice(["New York", "New  York", "Rome"], 200),
        "v": RNG.normal(size=200),
    }
)
SAID = "has levels that differ only in capitals or blanks"


def test_levels_alike_are_named_and_the_remedy_makes_one_of_them() -> None:
    notes = [note for note in load(FRAME).notes if SAID in note]
    assert len(notes) == 2 and "Column 'ans'" in notes[0] and "('Yes', 'yes')" in notes[0]
    frame = FRAME.copy()
    for note in notes:
        exec(note.partition("in pandas: ")[2], {"frame": frame})
    assert set(frame["ans"]) == {"Yes", "no"} and len(set(frame["city name"])) == 2
    assert not [note for note in load(frame).notes if SAID in note]


def test_the_terminal_and_python_say_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    assert main(["fit", str(tmp_path / "t.csv"), "--dry-run", "model=vae", "model.width=8"]) == 0
    assert re.search(r"Column 'ans'\s+has\s+levels", capfd.readouterr().err)


def test_labels_alike_are_said_too() -> None:
    notes = load(FRAME, label="ans").notes
    assert any(note.startswith("The column of labels 'ans'") and SAID in note for note in notes)


def test_many_groups_are_counted_and_small_letters_are_offered() -> None:
    towns = [f"{case}own{letter}" for letter in "abcdef" for case in "Tt"]
    assert len(alike(towns)) == 6 and not alike(["yes", "no", "y es"])
    frame = pd.DataFrame({"town": RNG.choice(towns, 300), "v": RNG.normal(size=300)})
    table = load(frame).table
    assert table is not None
    (note,) = said_alike(table.columns)
    assert "; and 3 more such groups)" in note
    exec(note.partition("in pandas: ")[2], {"frame": frame})
    assert len(set(frame["town"])) == 6
