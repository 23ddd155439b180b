"""Whatever a run writes for a table of text stands there as its file had it, and is read again as the same numbers."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.data import load
from unveil.errors import RequestError
from unveil.runs.given import fitted_table
from unveil.use.where import conditions

RNG = np.random.default_rng(3)
ROWS = 120
MIXED: dict[str, Any] = {"model": "vae", "model__width": 8, "latent": 2, "steps": 3}
PATTERNS = {
    "share": r"\d{1,3}%",
    "rate": r"-?\d+\.\d %",
    "price": r"\d,\d{3}",
    "balance": r"\d+\.\d\d|\(\d+\.\d\d\)",
    "when": r"2024-03-\d\dT\d\d:\d\d:00\+02:00",
    "code": r"0\d{3}",
    "weight": r"\d+\.\d0",
    "whole": r"\d+\.0",
    "tiny": r"-?\d\.\d\de[-+]\d\d",
    "ok": "true|false",
    "shoe": r"3[89]\.50",
    "town": r"0050[123]",
}
GAPS = ("share", "price", "balance", "when", "weight", "ok")


def cells(i: int) -> dict[str, str]:
    v, w = RNG.normal(size=2)
    return {
        "share": f"{40 + 8 * v:.0f}%",
        "rate": f"{2 + w:.1f} %",
        "price": f"{5000 + 900 * v:,.0f}",
        "balance": f"({-10 * w:.2f})" if w < 0 else f"{10 * w:.2f}",
        "when": f"2024-03-{1 + i % 28:02}T{i % 24:02}:{(7 * i) % 60:02}:00+02:00",
        "code": f"{RNG.integers(100, 900):04}",
        "weight": f"{70 + 9 * v:.1f}0",
        "whole": f"{abs(round(20 + 5 * w))}.0",
        "tiny": f"{v * 1e-7:.2e}",
        "ok": "true" if w > 0 else "false",
        "shoe": f"{38.5 + i % 2:.2f}",
        "town": f"0050{1 + i % 3}",
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, PATTERNS)
        rows.writeheader()
        for i in range(ROWS):
            row = cells(i)
            if i % 5 == 0:
                row[GAPS[(i // 5) % len(GAPS)]] = ""
            rows.writerow(row)
    return path


@pytest.fixture(scope="module")
def run(source: Path) -> Run:
    kinds = "code=whole,shoe=category"
    return fitted(str(source), source.parent / "run", **MIXED, data__kinds=kinds)


def rows_of(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=separator))


def test_samples_are_written_as_the_file_was_and_read_as_the_same_columns(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new.csv"
    assert main(["sample", str(run.path), "-n", "100", "-o", str(out)]) == 0
    for row in rows_of(out):
        assert {name for name, text in row.items() if not re.fullmatch(PATTERNS[name], text)} == set()
    again, first = load(str(out), kinds="code=whole,shoe=category").table, fitted_table(run.store)
    assert again is not None and first is not None
    for new, old in zip(again.columns, first.columns, strict=True):
        assert (new.name, new.cells, sorted(new.shown)) == (old.name, old.cells, sorted(old.shown))


@pytest.mark.filterwarnings("default")  # which a terminal shows as notes
def test_gaps_reconstructions_and_paths_are_written_so_too(run: Run, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    assert main(["impute", str(run.path), str(source), "-o", str(out), "--num-samples", "8"]) == 0
    for row in rows_of(out):
        assert {name for name, text in row.items() if not re.fullmatch(PATTERNS[name], text)} == set()
    for verb, prefix in (("reconstruct", "reconstruction of "), ("interpolate", "")):
        assert main([verb, str(run.path), str(source), "-o", str(out)]) == 0
        for row in rows_of(out):
            assert row[f"{prefix}share"].endswith("%") and re.fullmatch(r"\d,\d{3}(\.\d+)?", row[f"{prefix}price"])
            for name in ("when", "ok", "shoe", "town"):
                assert re.fullmatch(PATTERNS[name], row[f"{prefix}{name}"])
            assert verb == "interpolate" or re.fullmatch(f"({PATTERNS['price']})?", row["price"])
    assert main(["reconstruct", str(run.path), str(source), "-o", str(out)]) == 0
    pairs = list(zip(rows_of(out), rows_of(source), strict=False))
    assert any(not came[name] for _, came in pairs for name in GAPS)
    assert all(bool(row[name]) == bool(came[name]) for row, came in pairs for name in PATTERNS)  # a gap stays one


@pytest.mark.filterwarnings("default")  # which a terminal shows as notes
def test_measurements_alone_keep_their_marks_in_samples(tmp_path: Path) -> None:
    """A run on a table without mixed columns, with decimal commas between semicolons."""
    source, out = tmp_path / "t.csv", tmp_path / "new.csv"
    rows = [f"{50 + 9 * v:.1f}%;{5000 + 900 * v:.2f};{w:.3f}".replace(".", ",") for v, w in RNG.normal(size=(80, 2))]
    source.write_text("\n".join(["a;b;c", *rows]) + "\n")
    run = fitted(str(source), tmp_path / "run", model="linear_gaussian", latent=1, steps=3)
    for verb in ("sample", "interpolate"):
        given = [str(source)] if verb == "interpolate" else []
        assert main([verb, str(run.path), *given, "-o", str(out)]) == 0
        for row in rows_of(out, ";"):
            assert re.fullmatch(r"-?\d+,\d%", row["a"]) and re.fullmatch(r"-?\d+,\d\d", row["b"])
            assert re.fullmatch(r"-?\d,\d\d\d", row["c"])


def test_dates_with_several_offsets_are_written_in_utc(tmp_path: Path) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "new.csv"
    days = [f"2024-{1 + i % 12:02}-{1 + i % 28:02} 12:{i % 60:02}:00+0{1 + (3 < i % 12 < 9)}:00" for i in range(ROWS)]
    source.write_text("\n".join(["day,n", *(f"{day},{i % 7}" for i, day in enumerate(days))]) + "\n")
    run = fitted(str(source), tmp_path / "run", **MIXED)
    assert main(["sample", str(run.path), "-o", str(out)]) == 0
    assert all(re.fullmatch(r"2024-\d\d-\d\d 1[01]:\d\d:00\+00:00|.*\+00:00", row["day"]) for row in rows_of(out))


def test_small_numbers_keep_their_digits_in_means(tmp_path: Path) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "new.csv"
    rows = [f"{1e-6 * float(v)!r},{'xy'[i % 2]}" for i, v in enumerate(RNG.random(ROWS))]
    source.write_text("\n".join(["a,k", *rows]))
    run = fitted(str(source), tmp_path / "run", **MIXED)
    assert main(["sample", str(run.path), "-o", str(out), "--mean", "-n", "20"]) == 0
    assert len({row["a"] for row in rows_of(out)} - {"0"}) > 5


def test_conditions_are_read_as_the_file_is_written(run: Run, tmp_path: Path) -> None:
    table = fitted_table(run.store)
    assert table is not None
    asked = {
        "share=40%": 40, "share=40": 40, "price>=5,000": 5000, "price<5000": 5000, "balance<(2.50)": -2.5,
        "rate>2.1 %": 2.1, "code=0123": 123, "weight>70.50": 70.5, "tiny<1.25e-08": 1.25e-8,
        "shoe=38.50": "38.5", "shoe=38.5": "38.5",
        "ok=true": "True", "ok=True": "True", "town=00502": "00502",
        "when>2024-03-02T12:30:00+02:00": "2024-03-02T12:30", "when>2024-03-02T12:30:00": "2024-03-02T12:30",
        "when>2024-03-02T11:30:00Z": "2024-03-02T13:30", "when<2024-03-02": "2024-03-02T00:00",
    }  # fmt: skip
    for text, expected in asked.items():
        (found,) = conditions(run.store, text)
        column = table.columns[found.column]
        (value,) = column.values(np.array([found.code]))
        if column.kind == "date":
            assert value == np.datetime64(str(expected)), text
        else:
            assert value == (expected if isinstance(expected, str) else pytest.approx(expected)), text
    several = conditions(run.store, 'price>=5,000,share<55%,"price<6,100",ok=true')
    assert [table.columns[c.column].name for c in several] == ["price", "share", "price", "ok"]
    out = tmp_path / "new.csv"
    assert main(["sample", str(run.path), "-n", "9", "-o", str(out), "--where", "price>=5,000,share<55%,ok=true"]) == 0
    assert all(row["price"] >= "5,000" and int(row["share"][:-1]) < 55 and row["ok"] == "true" for row in rows_of(out))
    for value in (1234, 1234.0, "1,234"):
        assert conditions(run.store, {"price": value}) == conditions(run.store, "price=1,234")
    with pytest.raises(RequestError, match=r"'price' holds no percent signs and where gives '5%'"):
        conditions(run.store, "price=5%")


def test_dates_of_a_file_are_conditions_as_they_stand_there(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text("\n".join(["day;a", *(f"{1 + i % 28:02}.{1 + i % 9:02}.2024;0,{i % 7}" for i in range(ROWS))]))
    run = fitted(str(source), tmp_path / "run", **MIXED)
    for text in ("day=03.01.2024", "day=2024-01-03", "day=2024-01-03 "):
        (found,) = conditions(run.store, text)
        assert fitted_table(run.store).columns[0].values(np.array([found.code]))[0] == np.datetime64("2024-01-03")
    assert conditions(run.store, "a=0,3,day>03.01.2024")[0] == conditions(run.store, {"a": 0.3})[0]
    with pytest.raises(RequestError, match=r"holds dates and where gives '03/01/2024'; write it as %d.%m.%Y"):
        conditions(run.store, "day=03/01/2024")
