"""Usual marks of a missing value that stand apart are said, with what takes them so; measurements are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asnumbers import load
from unveil.data.stray import stray
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
N = 300
OTHER = RNG.normal(size=N).round(3)

MARKED: dict[str, tuple[float, Any, float]] = {  # the mark, what is measured, the share of the mark
    "temperatures": (-999, RNG.normal(15, 8, N).round(1), 0.1),
    "humidity": (-99.9, RNG.normal(60, 12, N).round(1), 0.08),
    "much": (-9999, RNG.normal(0, 1, N), 0.4),
    "16 bits": (-32768, RNG.normal(100, 30, N).round(1), 0.4),
    "answers": (-99, RNG.integers(1, 6, N), 0.1),
    "one digit": (9, RNG.integers(1, 6, N), 0.1),
    "minutes": (999, RNG.integers(1, 60, N), 0.1),
    "negative among amounts": (-99, RNG.lognormal(5, 2, N).round(2), 0.05),
    "netcdf": (9.96921e36, RNG.normal(size=N), 0.4),
    "grib": (1e20, RNG.normal(size=N), 0.4),
}


def marked(kind: str) -> pd.DataFrame:
    mark, values, share = MARKED[kind]
    column = np.array(values, float)
    column[RNG.random(N) < share] = mark
    column[:2] = mark
    return pd.DataFrame({"t": column, "other": OTHER})


def notes(x: Any) -> list[str]:
    return [note for note in load(x, domain="real").notes if " stands in " in note or "Far from all" in note]


@pytest.mark.parametrize("kind", MARKED)
def test_a_usual_mark_apart_is_said_with_the_key_that_takes_it(tmp_path: Path, kind: str) -> None:
    frame, mark = marked(kind), MARKED[kind][0]
    frame.to_csv(tmp_path / "t.csv", index=False)
    count = int((frame["t"] == mark).sum())
    for source in (tmp_path / "t.csv", frame):
        (said,) = notes(source)
        assert f"stands in {count} rows of column 't', far from all its other values; if it means missing: " in said
        option = re.search(r"data\.na_values=(\S+)$", said)
        assert option and float(option[1]) == mark
        data = load(source, na_values=option[1])
        assert not [note for note in data.notes if " stands in " in note]
        whole = [part.observed for part in (data.train, data.valid, data.test) if part.observed is not None]
        assert sum(int((~seen).sum()) for seen in whole) == count


@pytest.mark.parametrize("kind", MARKED)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_usual_mark_in_an_array_is_said_with_the_line_that_takes_it(kind: str, dtype: str) -> None:
    x = marked(kind).to_numpy()
    if dtype == "int64" and (abs(MARKED[kind][0]) > 1e9 or MARKED[kind][0] % 1):
        x = np.where(x == MARKED[kind][0], -999, x)
    x = x.astype(dtype)
    (said,) = [note for note in notes(x) if "column 0" in note]
    line = re.search(r"x = .*$", said)
    assert line
    scope = {"x": x, "np": np}
    exec(line[0], scope)
    assert not [note for note in notes(scope["x"]) if "column 0" in note]
    assert np.isnan(scope["x"][:, 0]).sum() > 2 and not np.isnan(scope["x"][:, 1]).any()


INTEGERS = [
    ("int16", -999), ("int16", -9999), ("int16", -32768), ("int8", -99), ("int8", -1), ("int32", -2147483648),
    ("int64", -(2**63)), ("int64", -9999), ("uint16", 65535), ("uint32", 4294967295), ("int32", 2147483647),
]  # fmt: skip


@pytest.mark.parametrize("shape", [(N, 3), (N, 4, 4)], ids=["table", "pictures"])
@pytest.mark.parametrize(("dtype", "mark"), INTEGERS)
def test_a_usual_mark_among_integers_is_said_and_taken_as_it_is_printed(
    tmp_path: Path, dtype: str, mark: int, shape: tuple[int, ...]
) -> None:
    """In a refusal, or before the first step; in memory by a line, of a file by a key."""
    x = RNG.integers(0, 60, shape).astype(dtype)
    holes = RNG.random(shape) < 0.05
    x[holes] = mark
    np.save(tmp_path / "x.npy", x)
    scope = {"x": x, "np": np}
    exec(re.search(r"x = np\.where\(.*?, np\.nan, x\)", told(x))[0], scope)
    assert np.array_equal(np.isnan(scope["x"]), holes)
    option = re.search(r"data\.na_values=(-?\d+)", told(tmp_path / "x.npy"))[1]
    data = load(tmp_path / "x.npy", na_values=option)
    assert f"Taken as missing values: {mark} ({holes.sum():,})." in data.notes
    parts = [data.train, data.valid, data.test]
    assert sum(0 if part.observed is None else int((~part.observed).sum()) for part in parts) == holes.sum()
    assert max(float(part.x.max()) for part in parts) < 60


def told(source: Any) -> str:
    """What is said of a source, or why it is refused."""
    try:
        return " ".join(load(source).notes)
    except RequestError as error:
        return str(error)


def test_one_mark_far_from_all_integers_is_enough_and_words_are_none_of_an_array() -> None:
    x = RNG.integers(0, 60, (N, 3))
    assert "missing" not in told(x) and "missing" not in told(x.astype(np.uint8) + 190)
    assert "If -9999 means missing" in told(np.where(np.arange(3 * N).reshape(N, 3) == 7, -9999, x))
    assert "65535 stands in 1 row of column 1" in told(np.where(np.arange(3 * N).reshape(N, 3) == 7, 65535, x))
    with pytest.raises(RequestError, match="it takes numbers, such as"):
        load(x, na_values="none")
    assert load(x, na_values="-999").sha256 == load(x).sha256


@pytest.mark.parametrize(
    "values",
    [
        RNG.integers(18, 100, N),
        np.r_[99, 99, 999, 999, RNG.lognormal(5, 2, N - 4)],
        np.r_[-9, -9, RNG.integers(-12, 12, N - 2)],
        np.r_[-1, -1, RNG.integers(1, 6, N - 2)],
        np.r_[999.0, RNG.normal(500, 100, N - 1)],
        np.r_[5000, 5000, RNG.integers(1, 60, N - 2)],
        RNG.integers(1, 10, N),
    ],
    ids=["ages", "amounts", "both signs", "minus one", "once", "no mark", "a scale to nine"],
)
def test_what_a_column_may_well_hold_is_not_remarked_upon(values: Any) -> None:
    assert not notes(pd.DataFrame({"t": np.asarray(values, float), "other": OTHER}))


def test_a_mark_that_another_column_holds_honestly_is_taken_in_its_own_alone() -> None:
    frame = pd.DataFrame({"t": np.r_[9, 9, RNG.integers(1, 6, N - 2)], "n": RNG.integers(0, 30, N), "other": OTHER})
    (said,) = notes(frame)
    line = re.search(r"frame\['t'\] = .*(?= in pandas)", said)
    assert line and "data.na_values" not in said
    exec(line[0], {"frame": frame})
    assert frame["t"].isna().sum() == 2 and not notes(frame)
    x = np.stack([np.r_[9, 9, RNG.integers(1, 6, N - 2)], RNG.integers(0, 30, N)], 1)
    scope = {"x": x - 40 * np.eye(2, dtype=int)[1], "np": np}
    scope["x"][:, 1] += 40
    (said,) = notes(scope["x"])
    exec(said.split("missing: ")[1], scope)
    assert np.isnan(scope["x"]).sum(0).tolist() == [2, 0]


def test_what_is_masked_is_said_with_the_key_or_the_line_that_takes_it() -> None:
    x = RNG.normal(size=(N, 3))
    x[[7, 9], 1] = 9999.9
    (said,) = notes(pd.DataFrame(x, columns=list("abc")))
    assert said.endswith("If it means missing: data.na_values=9999.9")
    for array in (x, x.astype(np.float32), x.reshape(N, 3, 1)):
        (said,) = notes(array)
        scope = {"x": array, "np": np}
        exec(said.split("missing: ")[1], scope)
        assert "np.where(x == 9999.9, np.nan, x)" in said and np.isnan(scope["x"]).sum() == 2


def test_counts_that_differ_are_no_fill_value() -> None:
    visits = RNG.integers(0, 2, (N, 1)).astype(float)
    visits[[3, 8], 0] = 5012, 4988
    assert not stray(visits, None).any()
    visits[[3, 8], 0] = 5e9, 6e9
    assert stray(visits, None).sum() == 2
    visits[[3, 8], 0] = 9999
    assert stray(visits, None).sum() == 2
    visits += 0.25 * RNG.random((N, 1))
    visits[[3, 8], 0] = 5e4, 4e4
    assert stray(visits, None).sum() == 2
