"""Synthetic rows on the page: what a diagnosis measured of them, whatever the columns are called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from report.conftest import HOSTILE
from report.test_report_evidence import diagnosed, diagnosis, shown, strict_json, told
from unveil.diagnostics.closeness import Closeness
from unveil.diagnostics.synthetic import Synthetic
from unveil.diagnostics.trends import Trends
from unveil.diagnostics.usefulness import ToldApart, Useful
from unveil.errors import RequestError
from unveil.report.exhibits import Group
from unveil.report.sections.synthetic import SHOWN, synthetic
from unveil.runs.store import RunStore

NAMES = (*HOSTILE, "age")
USEFUL = Useful("age", "R2", 0.81, 0.02, 0.93, 0.01, -0.12, 0.015, 0.0, 800, 200)
CLOSE = Closeness(1.31, 1.29, 0.043, 0.507, 0.011, 0.002, 0.001, 0.003, 0.002, 2000, 200, 800)


def part(names: tuple[str, ...] = NAMES, **changes: Any) -> dict[str, Any]:
    """What a diagnosis holds of synthetic rows whose second pair is the worst."""
    size = len(names)
    square = tuple(tuple(None if i == j else 0.02 + 0.2 * ({i, j} == {0, 2}) for j in range(size)) for i in range(size))
    chance = tuple(tuple(None if i == j else 0.03 for j in range(size)) for i in range(size))
    errors = tuple(0.01 * (d + 1) for d in range(size))
    of = Trends(errors, (0.02,) * size, tuple(range(size)), square, chance)
    found = Synthetic(names, 800, 200, "test rows", True, of, ToldApart(0.612, 0.011, 200), USEFUL, CLOSE, True)
    return {**found.to_json(), **changes}


def test_measures_columns_and_pairs_are_shown(vectors: RunStore, tmp_path: Path) -> None:
    seen = shown(diagnosed(vectors, tmp_path / "run", diagnosis(synthetic=part())))
    for said in (
        "800 synthetic rows are compared with 200 real ones: test rows.",
        "mean error of a column 2.5 % 2.0 % lower",
        "told from real rows, AUC 0.612 ± 0.011 0.500 near 0.5",
        "age learned from them, R2 0.810 ± 0.020 0.930 ± 0.010 higher",
        "nearer to a training than to a held-out row 50.7 % ± 1.1 % 50.0 % near 50 %",
        "copies of a training row 0.2 % 0.3 % not above real rows",
        "Columns that are farthest off: age 4.0 % (by chance 2.0 %)",
        "the share of gaps is not judged",
    ):
        assert said in seen.text
    figures = strict_json(seen.data)
    (tiles,) = figures["synthetic_pairs"]["data"]
    assert tiles["z"][0][2] == tiles["z"][2][0] == pytest.approx(19) and tiles["z"][1][0] == 0
    assert tiles["z"][0][0] is None and tiles["zmax"] == pytest.approx(19)
    bars, marks = figures["synthetic_columns"]["data"]
    assert bars["x"] == [1, 2, 3, 4] and marks["x"] == [2] * 4  # from below, so the worst stands above
    written = [figures["synthetic_columns"]["layout"]["yaxis"]["ticktext"], *tiles["text"]]
    assert not [name for names in written for name in names if "<" in name or ">" in name]
    assert not [attrs for tag, attrs in seen.tags if tag == "img" and attrs.get("src") == "x"]


def test_of_many_columns_the_worst_are_drawn(vectors: RunStore) -> None:
    many = part(tuple(f"c{d}" for d in range(SHOWN + 5)))
    group = synthetic(told(vectors, diagnosis(synthetic=many)))
    assert group is not None
    plot = next(panel for panel in group.parts if panel.title == "Columns")
    names = plot.figure["layout"]["yaxis"]["ticktext"]  # type: ignore[attr-defined]
    assert len(names) == SHOWN and names[-1] == f"c{SHOWN + 4}" and f"The {SHOWN} that are" in plot.words


def test_without_a_measure_it_says_why_or_nothing(vectors: RunStore) -> None:
    left_out = synthetic(told(vectors, diagnosis(why={"synthetic": "rows are few."})))
    assert left_out == Group("Synthetic rows", "Left out: rows are few.", [])
    assert synthetic(told(vectors, diagnosis())) is None
    alone = part(("age",))
    alone["trends"] |= {"paired": [0], "pairs": [[None]], "pairs_chance": [[None]], "columns": [None]}
    group = synthetic(told(vectors, diagnosis(synthetic=alone)))
    assert group is not None and not [panel for panel in group.parts if panel.title]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("names",), ["a"], "its errors are not those of its columns"),
        (("trends", "pairs"), [[None]], "its errors are not those of its columns"),
        (("trends", "paired"), [0, 1, 2, 9], "it pairs columns that it does not name"),
        (("words",), [], "words must be a list of length >= 1"),
        (("rows",), [["a"]], "must be a list of length"),
    ],
)
def test_a_part_that_does_not_fit_itself_is_refused(
    place: tuple[str, ...], value: Any, words: str, vectors: RunStore, tmp_path: Path
) -> None:
    found = part()
    held = found[place[0]] if len(place) > 1 else found
    held[place[-1]] = value
    run = Path(shutil.copytree(vectors.path, tmp_path / "run"))
    (run / "diagnosis.json").write_text(json.dumps(diagnosis(synthetic=found)))
    with pytest.raises(RequestError, match=words):
        _ = RunStore.load(run).diagnosis
