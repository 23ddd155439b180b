"""What only one family has: any panel is drawn, whatever the family, and its words stay text."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from report.conftest import HOSTILE
from report.test_report_page import Seen
from unveil.api import Run
from unveil.batch import Batch
from unveil.model import Model
from unveil.model.shared.panels import Bars, Lines, Strip
from unveil.report.family import MOST, family
from unveil.report.page import page
from unveil.report.subject import Subject


def panels_of(model: Model, batch: Batch) -> dict[str, Any]:
    rows = torch.stack([batch.x[:20], batch.x[:20].flip(0)])
    return {
        "rate": Bars("Rate per group", "How much each says.", [HOSTILE[1], "z2"], [1.5, math.nan], "nats"),
        "steps": Lines("Bound", "", {"a": ([1, 10, 100], [3.0, 2.0, 1.0]), "b": ([1], [0.5])}, "steps", "bits", True),
        "chain": Strip("From noise", "Left to right.", rows, [HOSTILE[0], "second"]),
        "of_no_figure": torch.zeros(len(batch)),
    }


@pytest.fixture
def with_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    from unveil.models.vae import VAE

    monkeypatch.setattr(VAE, "panels", panels_of)


def test_images_are_rows_with_labels(images: Run, with_panels: None) -> None:
    shown, figures = family(Subject.of(images.store))
    assert [part.title for part in shown] == ["Rate per group", "Bound", "From noise"]
    assert set(figures) == {"own_rate", "own_steps"}
    assert figures["own_rate"]["data"][0]["y"] == [1.5, None] and "<b>" not in figures["own_rate"]["data"][0]["x"][0]
    assert figures["own_steps"]["layout"]["xaxis"]["type"] == "log" and figures["own_steps"]["layout"]["showlegend"]
    (first, row), (second, _) = shown[2].rows
    assert (first, second) == (HOSTILE[0], "second") and len(row.images) == MOST


def test_vectors_are_clouds_in_one_box(vectors: Run, with_panels: None) -> None:
    shown, figures = family(Subject.of(vectors.store))
    clouds = [figures[name] for name in shown[2].figures]
    assert len(clouds) == 2 and not shown[2].rows
    assert clouds[0]["layout"]["xaxis"] == clouds[1]["layout"]["xaxis"]
    assert clouds[0]["data"][0]["x"] == clouds[1]["data"][0]["x"][::-1]


@pytest.mark.parametrize("which", ["images", "vectors"])
def test_the_page_has_them_in_a_section_of_their_own(
    which: str, with_panels: None, request: pytest.FixtureRequest
) -> None:
    shown = Seen(page(request.getfixturevalue(which)))
    assert "own" in shown.sections and "Only in a vae" in shown.text and "Left to right." in shown.text
    assert {"own_rate", "own_steps"} <= shown.page_data["figures"].keys()
    assert not [attrs for tag, attrs in shown.tags if tag == "img" and attrs.get("src") == "x"]


def test_a_family_without_any_has_no_section(images: Run) -> None:
    assert "own" not in Seen(page(images.store)).sections
