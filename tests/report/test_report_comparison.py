"""The page of a comparison: draws of each run beside each other, and one large step against many small ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from report.conftest import fitted
from report.test_report_page import Seen
from unveil.estimators.label import label_of
from unveil.evaluation.compare import compare
from unveil.evaluation.evaluate import evaluate_run
from unveil.panels import Lines, Strip
from unveil.report.beside import beside
from unveil.report.comparison import comparison_page, write_comparison
from unveil.report.evidence_figures import bracket
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


def test_names_of_runs_lead_to_their_reports(images: RunStore, diffusion: RunStore, tmp_path: Path) -> None:
    (tmp_path / "deep down").mkdir()
    page = write_comparison(compare([images, diffusion]), tmp_path / "deep down" / "both.html")
    seen = Seen(page.read_text(encoding="utf-8"))
    links = [str(dict(attrs)["href"]) for tag, attrs in seen.tags if tag == "a" and "#" not in str(dict(attrs)["href"])]
    assert {(page.parent / unquote(link)).resolve() for link in links} == {
        run.report_path.resolve() for run in (images, diffusion) if run.report_path.is_file()
    }
    assert links


def test_layers_are_told_apart_by_their_number(diffusion: RunStore) -> None:
    names = [
        label_of(evaluate_run(diffusion, estimator="layers", limit=2, options={"estimator.num_steps": steps}))
        for steps in ("3", "7")
    ]
    assert names == ["LAYERS-4 (num_steps = 3)", "LAYERS-4 (num_steps = 7)"]


def test_a_bound_above_the_truth_by_its_noise_is_drawn_at_it() -> None:
    def row(name: str, direction: str, log_px: float) -> dict[str, Any]:
        return {"name": name, "direction": direction, "log_px": log_px, "stderr_mc": 0.1}

    truth, noisy, wrong = row("exact", "exact", -10.0), row("IWAE-10", "lower", -9.9), row("ELBO", "lower", -5.0)
    traces = bracket([wrong, noisy, truth], "log p(x)")["data"]
    assert [trace["x"] for trace in traces] == [[-5.0], [-10.0], [-10.0]]
    assert "−9.90" in traces[1]["y"][0] and "equal to the true value within its noise" in traces[1]["y"][0]
