"""What only one family has: any panel is drawn, whatever the family; and a new section is one function."""

from __future__ import annotations

import math

import pytest
import torch

from report.conftest import HOSTILE
from report.test_report_page import Seen
from unveil.batch import Batch
from unveil.model import Model
from unveil.panels import Bars, Lines, Panel, Strip
from unveil.report import sections
from unveil.report.drawing import MOST, Drawing, Shown
from unveil.report.exhibits import Group, Plot
from unveil.report.page import environment, page
from unveil.report.subject import Subject
from unveil.runs.store import RunStore


def panels_of(model: Model, batch: Batch) -> tuple[Panel, ...]:
    rows = torch.stack([batch.x[:20], batch.x[:20].flip(0)])
    return (
        Bars("Rate per group", "How much each says.", [HOSTILE[1], "z2"], [1.5, math.nan], "nats"),
        Lines("Bound", "", {"a": ([1, 10, 100], [3.0, 2.0, 1.0]), "b": ([1], [0.5])}, "steps", "bits", True),
        Strip("From noise", "Left to right.", rows, [HOSTILE[0], "second"]),
        Panel("In words", "Words alone."),
    )


@pytest.fixture
def with_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    from unveil.models.vae import VAE

    monkeypatch.setattr(VAE, "panels", panels_of)


def drawn(run: RunStore) -> tuple[Drawing, list[Shown]]:
    subject = Subject.of(run)
    group = Group("", "", subject.panels())
    made = Drawing.of({"own": group}, environment(), subject.paint, subject.column_names)
    return made, list(made.shown(group, "own").parts)


def test_images_are_rows_with_labels(images: RunStore, with_panels: None) -> None:
    made, shown = drawn(images)
    assert [part.panel.title for part in shown] == ["Rate per group", "Bound", "From noise", "In words"]
    rate, steps = made.figures["own_0"], made.figures["own_1"]
    assert rate["data"][0]["y"] == [1.5, None] and "<b>" not in rate["data"][0]["x"][0]
    assert steps["layout"]["xaxis"]["type"] == "log" and steps["layout"]["showlegend"]
    first, second = shown[2].rows
    assert (first.label, second.label) == (HOSTILE[0], "second") and len(first.images) == MOST


def test_vectors_are_clouds_in_one_box(vectors: RunStore, with_panels: None) -> None:
    made, shown = drawn(vectors)
    names = [part.figure[0] for part in shown[2].parts if part.figure is not None]
    clouds = [made.figures[name] for name in names]
    assert len(clouds) == 2 and not shown[2].rows
    assert clouds[0]["layout"]["xaxis"] == clouds[1]["layout"]["xaxis"]
    assert clouds[0]["data"][0]["x"] == clouds[1]["data"][0]["x"][::-1]


@pytest.mark.parametrize("which", ["images", "vectors"])
def test_the_page_has_them_in_a_section_of_their_own(
    which: str, with_panels: None, request: pytest.FixtureRequest
) -> None:
    shown = Seen(page(request.getfixturevalue(which)))
    assert "own" in shown.sections and "Only in a vae" in shown.text
    assert "Left to right." in shown.text and "Words alone." in shown.text
    assert {"own_0", "own_1"} <= shown.page_data.keys()
    assert not [attrs for tag, attrs in shown.tags if tag == "img" and attrs.get("src") == "x"]


def test_a_family_without_any_has_no_section(images: RunStore) -> None:
    assert "own" not in Seen(page(images)).sections


def test_a_new_section_is_one_function(images: RunStore, vectors: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else has to know of it: it is on the page in its order, where its condition holds."""
    monkeypatch.setattr(sections, "_found", dict(sections._found))

    @sections.section("brightness", order=35)
    def brightness(subject: Subject) -> Group | None:
        if not subject.domain.is_image:
            return None
        values = subject.test.x.float().flatten(1).mean(1)[:3].tolist()
        figure = {"data": [], "layout": {"height": 200}}
        return Group("Brightness", "", [Bars("", f"{HOSTILE[2]}", list("abc"), values), Plot("", "", "mine", figure)])

    found = Seen(page(images))
    assert found.sections[found.sections.index("samples") + 1] == "brightness"
    assert {"brightness_0", "mine"} <= found.page_data.keys() and HOSTILE[2] in " ".join(found.words)
    assert "brightness" not in Seen(page(vectors)).sections
