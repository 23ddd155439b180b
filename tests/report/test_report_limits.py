"""A page has an end: long names are shown by their ends, and a part that is too large is left out with a word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from quick import fitted
from unveil.report import page
from unveil.report.exhibits import Group, sentences
from unveil.report.page import rendered, with_short_names

LONG = "name" * 1_000
LABEL = {"data__label": "label"}


def test_names_without_end_do_not_fail_a_fit(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    lines = [f"a,{LONG},label", *(f"{a},{b},{'xy'[i % 2] * 1_000}" for i, (a, b) in enumerate(rows))]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    run = fitted(str(tmp_path / "t.csv"), tmp_path / "run", report=True, steps=2, latent=2, model__width=4, **LABEL)
    html = run.store.report_path.read_text(encoding="utf-8")
    assert len(html) < page.MOST_BYTES and LONG not in html
    assert LONG[:20] in html and "…" in html
    info = json.loads((tmp_path / "run" / "data.json").read_text(encoding="utf-8"))
    assert LONG in info["columns"] and max(map(len, info["classes"])) == 1_000, "the files hold the whole"


def test_a_part_that_is_too_large_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {name: Group(name, "", sentences(name * size)) for name, size in (("small", 10), ("large", 1000))}
    whole = len(rendered("frame.html", parts).encode())
    monkeypatch.setattr(page, "MOST_BYTES", whole - 1)
    html = rendered("frame.html", parts)
    assert len(html) < whole and "small" * 10 in html and "large" * 1000 not in html
    assert "This part was left out: with it the page would have been larger than" in html


def test_pictures_and_numbers_stay_whole() -> None:
    uri = "data:image/png;base64," + "A" * 100_000
    found = with_short_names({"uri": uri, "names": [9 * LONG, 1.0, None]})
    assert found["uri"] == uri and len(found["names"][0]) == page.LONGEST and found["names"][1:] == [1.0, None]
