"""Columns that hold numbers and other texts: what is no number is said, and what it is taken for."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unveil.data import load
from unveil.errors import RequestError

RNG = np.random.default_rng(4)
N = 400
NUMBERS = [str(v) for v in RNG.integers(30, 90, N)]


def frame(cells: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"c": cells, "v": RNG.normal(size=N).round(2)})


def with_texts(texts: list[str], every: int) -> list[str]:
    return [texts[i // every % len(texts)] if i % every == 0 else cell for i, cell in enumerate(NUMBERS)]


def taken(cells: list[str], **how: Any) -> tuple[str, list[str]]:
    data = load(frame(cells), **how)
    assert data.table is not None
    return data.table.columns[0].kind, [note for note in data.notes if "'c'" in note]


@pytest.mark.parametrize(
    ("cells", "kind", "said"),
    [
        (with_texts(["<35", ">85"], 40), "whole", "'<35', '>85' in 10 rows: taken as missing"),
        (with_texts(["n/a (sick)"], 100), "whole", "'n/a (sick)' in 4 rows: taken as missing"),
        (with_texts([f"<{i}" for i in range(8)], 50), "category", "text in 8 rows, such as '<0', '<1', '<2': it is"),
        (with_texts(["<35", ">85"], 3), "category", "text in 134 rows, such as '<35', '>85': it is taken as category"),
        (with_texts(["5 kg", "11 lb"], 50), "whole", "'5 kg', '11 lb' in 8 rows: taken as missing"),
        ([f"{n} {'kg' if i % 4 else 'lb'}" for i, n in enumerate(NUMBERS)], "category",
         "numbers in several units, 'kg' in 300 rows, 'lb' in 100 rows: it is taken as category, each text a level"),
        ([f"{n} kg" for n in NUMBERS], "category", "each with 'kg' beside it: it is taken as category"),
        ([f"${n}" for n in NUMBERS], "category", "each with '$' beside it: it is taken as category"),
        ([f"{n}%" if i % 4 else n for i, n in enumerate(NUMBERS)], "category", "percent sign and numbers without"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_said_and_what_it_is_taken_for(cells: list[str], kind: str, said: str) -> None:
    found, notes = taken(cells)
    assert found == kind and any(said in note for note in notes), notes


def test_the_remedy_for_words_makes_numbers_of_the_others() -> None:
    _, (note,) = taken(with_texts([f"<{i}" for i in range(8)], 50))
    (option,) = [word for word in shlex.split(note.partition("To have numbers: ")[2].split(" takes ")[0])]
    assert taken(with_texts([f"<{i}" for i in range(8)], 50), na_values=option.partition("=")[2])[0] == "whole"


def test_two_units_are_no_numbers_even_where_these_are_asked_for() -> None:
    cells = [f"{n} {'kg' if i % 4 else 'lb'}" for i, n in enumerate(NUMBERS)]
    with pytest.raises(RequestError, match="numbers in several units, 'kg' in 300 rows, 'lb' in 100 rows") as error:
        taken(cells, kinds="c=whole")
    assert "Bring all of them to one unit" in str(error.value)


@pytest.mark.parametrize("cells", [[f"Q{1 + i % 4}" for i in range(N)], [f"{5 * (i % 3)} years" for i in range(N)]])
def test_levels_that_end_or_begin_with_digits_are_levels_without_a_word(cells: list[str]) -> None:
    assert taken(cells) == ("category", [])
