"""Pages in Chinese: nothing that a person reads stays English, in any family, and no name of the data is translated."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape

import quick
from languages.english import Read, english
from report.conftest import HOSTILE, fitted
from report.test_report_page import Seen
from unveil.languages import Tongue
from unveil.report.page import page
from unveil.report.subject import Subject
from unveil.report.wording import names_of
from unveil.runs.store import RunStore


def left(run: RunStore, html: str) -> list[str]:
    return english(Read(html).texts, [*names_of(Subject.of(run)), "digits", "vectors", "people", "experts or flow"])


@pytest.fixture(scope="module")
def named(home: Path) -> RunStore:
    """A table with gaps whose columns and levels are called as the words of a page are."""
    rng = np.random.default_rng(0)
    with (home / "people.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["rate", "step", "validation"])
        for _ in range(120):
            value = f"{rng.normal(40, 10):.1f}" if rng.random() > 0.1 else ""
            rows.writerow([value, ["Training", "lower", "prior"][rng.integers(3)], rng.integers(0, 5)])
    with quick.short_probes(), quick.rough_start():
        return fitted(str(home / "people.csv"), home / "people", model="vae", train__steps=6, model__latent=2)


@pytest.fixture(scope="module")
def other(request: pytest.FixtureRequest, home: Path, digits_file: str) -> RunStore:
    """A run of a family with panels of its own."""
    name: str = request.param
    if name != "joint":
        return fitted(digits_file, home / name, model=name, train__steps=4)
    x = (np.random.default_rng(0).random((60, 8, 8)) < 0.3).astype(np.uint8)
    texts = [("a b", "b a")[i % 2] for i in range(60)]
    return fitted(x, home / name, model="joint", model__latent=3, model__width=8, train__steps=4, text=texts)


@pytest.mark.parametrize("which", ["images", "vectors", "mixture", "named"])
def test_nothing_that_is_read_stays_english(which: str, request: pytest.FixtureRequest) -> None:
    run: RunStore = request.getfixturevalue(which)
    html = page(run, "zh")
    assert left(run, html) == []
    assert '<html lang="zh-Hans">' in html and "它究竟有多好" in html
    assert left(run, page(run)) != []  # the test sees English where there is some


@pytest.mark.parametrize("other", ["hvae", "vqvae", "vdm", "joint"], indirect=True)
def test_panels_of_a_family_are_translated(other: RunStore) -> None:
    assert left(other, page(other, "zh")) == []


def test_classes_and_columns_are_never_translated(named: RunStore) -> None:
    html = page(named, "zh")
    figures = Seen(html).page_data
    ticks = json.dumps(figures, ensure_ascii=False)
    assert '"Training"' in ticks and '"lower"' in ticks and '"训练"' not in ticks
    assert ">rate</h3>" in html and ">step</h3>" in html  # of columns
    assert "<dt>码率</dt>" in html


def test_hostile_names_stay_escaped(images: RunStore) -> None:
    html = page(images, "zh")
    assert "<img src=x" not in html and "<b>bold" not in html
    shown = Seen(html)
    explorer = shown.kept["explorer-data"]
    assert sorted(json.loads(explorer)["classes"]) == sorted(HOSTILE) and not set(explorer) & set("<>&")
    assert str(escape(HOSTILE[2][:4])) in html


def test_files_of_a_run_hold_english_alone(images: RunStore) -> None:
    before = {path: path.read_bytes() for path in images.path.iterdir() if path.is_file()}
    page(images, "zh")
    assert {path: path.read_bytes() for path in images.path.iterdir() if path.is_file()} == before
    assert Tongue("zh")(images.result["sentences"][0]) != images.result["sentences"][0]
