"""The page of a comparison: draws of each run beside each other, and one large step against many small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from report.conftest import fitted
from report.test_report_page import Seen
from unveil.evaluation.compare import compare
from unveil.panels import Lines, Strip
from unveil.report.beside import beside
from unveil.report.comparison import comparison_page
from unveil.runs.store import RunStore


@pytest.fixture(scope="module")
def diffusion(home: Path, digits_file: str) -> RunStore:
    options = {"model": "vdm", "model__width": 8, "model__network": "mlp", "train__steps": 5}
    return fitted(digits_file, home / "diffusion", **options)


def test_a_diffusion_is_shown_in_one_step_beside_a_vae(images: RunStore, diffusion: RunStore) -> None:
    draws, bounds = beside([images, diffusion])
    assert isinstance(draws, Strip) and draws.row_labels == ["images", "diffusion", "diffusion, in one step"]
    assert isinstance(bounds, Lines)
    steps = bounds.series
    assert set(steps) == {"images", "diffusion"} and tuple(steps["diffusion"][0]) == diffusion.model.compared_steps
    level, falling = steps["images"][1], steps["diffusion"][1]
    assert len(set(level)) == 1 and falling[0] > falling[-1]  # one large step loses more than fifty small ones


def test_the_page_draws_them(images: RunStore, diffusion: RunStore) -> None:
    seen = Seen(comparison_page(compare([images, diffusion])))
    assert "beside" in seen.sections and "diffusion, in one step" in seen.text
    assert {"curves", "rates", "beside_1"} <= seen.page_data.keys()
    assert len([attrs for tag, attrs in seen.tags if tag == "img" and str(attrs.get("src")).startswith("data:")]) == 36


def test_vectors_are_clouds(vectors: RunStore, linear: RunStore) -> None:
    seen = Seen(comparison_page(compare([vectors, linear])))
    assert {"beside_0_0", "beside_0_1"} <= seen.page_data.keys()
    assert "beside_1" not in seen.page_data
