"""The page of a comparison: draws of each run beside each other, and one large step against many small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from report.conftest import fitted
from report.test_report_page import Seen
from unveil.api import Run
from unveil.evaluation.compare import compare
from unveil.models.vdm.walks import STEPS
from unveil.report.beside import beside
from unveil.report.comparison import comparison_page


@pytest.fixture(scope="module")
def diffusion(home: Path, digits_file: str) -> Run:
    options = {"model": "vdm", "model__width": 8, "model__network": "mlp", "train__steps": 5}
    return fitted(digits_file, home / "diffusion", **options)


def test_a_diffusion_is_shown_in_one_step_beside_a_vae(images: Run, diffusion: Run) -> None:
    panels = beside([images, diffusion])
    assert list(panels["draws"].row_labels) == ["images", "diffusion", "diffusion, in one step"]
    steps = panels["steps"].series
    assert set(steps) == {"images", "diffusion"} and steps["diffusion"][0] == STEPS
    level, falling = steps["images"][1], steps["diffusion"][1]
    assert len(set(level)) == 1 and falling[0] > falling[-1]  # one large step loses more than fifty small ones


def test_the_page_draws_them(images: Run, diffusion: Run) -> None:
    seen = Seen(comparison_page(compare([images, diffusion])))
    assert "beside" in seen.sections and "diffusion, in one step" in seen.text
    assert {"curves", "rates", "own_steps"} <= seen.page_data["figures"].keys()
    assert len([attrs for tag, attrs in seen.tags if tag == "img" and str(attrs.get("src")).startswith("data:")]) == 36


def test_vectors_are_clouds(vectors: Run, linear: Run) -> None:
    seen = Seen(comparison_page(compare([vectors, linear])))
    assert {"own_draws_0", "own_draws_1"} <= seen.page_data["figures"].keys()
    assert "own_steps" not in seen.page_data["figures"]
