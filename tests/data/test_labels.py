"""Labels: text stays the text that it is, and what is missing in x is missing in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asnumbers import load
from unveil.data import Data
from unveil.errors import RequestError

X = np.random.default_rng(0).normal(size=(60, 3)).round(3)


def of_file(folder: Path, labels: Sequence[str], **options: Any) -> Data:
    rows = [f"{a},{b},{labels[i % len(labels)]}" for i, (a, b, _) in enumerate(X)]
    (folder / "t.csv").write_text("\n".join(["a,b,m", *rows]) + "\n")
    return load(folder / "t.csv", label="m", **options)


def unknown(data: Data) -> int:
    return sum(int((part.y == -1).sum()) for part in (data.train, data.valid, data.test) if part.y is not None)


KEPT = {
    "zeros": (["001", "01", "1", "1"], ("001", "01", "1")),
    "fractions of zero": (["1.0", "2.0", "1.0"], ("1.0", "2.0")),
    "plus": (["+1", "2", "3"], ("+1", "2", "3")),
    "truth": (["true", "false", "TRUE"], ("TRUE", "false", "true")),
    "long": ["18446744073709551617", "18446744073709551618"],
    "integers": (["10", "9", "2"], ("2", "9", "10")),
    "exponents": (["1e3", "1000", "7"], ("1000", "1e3", "7")),
    "signs": (["+", "-", "+"], ("+", "-")),
}


@pytest.mark.parametrize("kind", KEPT)
def test_labels_of_a_file_are_the_text_that_stands_there(tmp_path: Path, kind: str) -> None:
    labels, classes = KEPT[kind] if isinstance(KEPT[kind], tuple) else (KEPT[kind], tuple(KEPT[kind]))
    data = of_file(tmp_path, labels)
    assert data.classes == classes and unknown(data) == 0 and data.train.y is not None
    said = [data.classes[code] for code in data.train.y]
    assert said == [labels[row % len(labels)] for row in data.train.rows]


@pytest.mark.parametrize("mark", ["?", "None", "NA", "", "-", " n/a ", "NULL", "unknown"])
@pytest.mark.parametrize("labels", [("a", "b"), ("0", "1"), ("01", "02")])
def test_what_is_missing_in_x_is_a_label_that_is_not_known(tmp_path: Path, mark: str, labels: Sequence[str]) -> None:
    data = of_file(tmp_path, [*labels, mark])
    assert data.classes == tuple(labels) and unknown(data) == 20
    assert any("20 of 60 labels are not known" in note for note in data.notes)
    text = pd.DataFrame(X, columns=list("abc")).assign(m=[*labels, mark] * 20)
    for same in (load(text, label="m"), load(X, y=text["m"].to_numpy()), load(X, y=text["m"].to_numpy().astype(str))):
        assert same.classes == tuple(labels) and unknown(same) == 20


def test_marks_of_the_user_are_labels_that_are_not_known(tmp_path: Path) -> None:
    assert unknown(of_file(tmp_path, ["a", "b", "-9"], na_values="-9")) == 20
    assert of_file(tmp_path, ["1", "2", "-9"], na_values="-9").classes == ("1", "2")
    assert of_file(tmp_path, ["1.0", "2.0", "-9.0"], na_values="-9").classes == ("1.0", "2.0")
    frame = pd.DataFrame(X, columns=list("abc"))
    assert unknown(load(frame.assign(m=[1, 2, -9] * 20), label="m", na_values="-9")) == 20
    assert unknown(load(frame.assign(m=["u", "v", "none given"] * 20), label="m", na_values="none given")) == 20


def test_a_label_of_minus_one_is_not_known_however_it_is_written(tmp_path: Path) -> None:
    assert of_file(tmp_path, ["-1.0", "0.0", "1.0"]).classes == ("0.0", "1.0")
    assert of_file(tmp_path, ["-1", "0", "?"]).classes == ("0",)
    assert of_file(tmp_path, ["-1", "1"]).classes == ("-1", "1")


def test_measurements_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="integers or strings"):
        of_file(tmp_path, ["1.5", "2.25", "3"])
    with pytest.raises(RequestError, match="holds nothing"):
        of_file(tmp_path, ["", "", ""])


def test_an_empty_text_is_not_known() -> None:
    data = load(X, y=np.array(["", "a", "b"] * 20))
    assert data.classes == ("a", "b") and unknown(data) == 20
