"""Under the least and the most likely pictures stands which they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quick import fitted
from unveil.panels import Strip
from unveil.report.rounding import fixed, shortened
from unveil.report.sections.extremes import extremes
from unveil.report.subject import Subject


@pytest.mark.parametrize("labelled", [True, False])
def test_a_picture_of_a_folder_has_label_file_and_number_on_lines_of_their_own(tmp_path: Path, labelled: bool) -> None:
    rng, folders = np.random.default_rng(0), ("cat", "ship") if labelled else ("all", "all")
    for i in range(60):
        place = tmp_path / "photos" / folders[i % 2] if labelled else tmp_path / "photos"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8)).save(place / f"img_{i:03d}.png")
    run = fitted(tmp_path / "photos", tmp_path / "run", latent=2, model__width=8, steps=3)
    found = extremes(Subject.of(run.store))
    assert found is not None and run.data.files is not None
    strip = found.parts[0]
    assert isinstance(strip, Strip)
    log_px = run.store.scores("test")
    place = int(log_px.argmin())
    *label, name, value = strip.captions[0][0].split("\n")
    path = run.data.files[int(run.data.test.rows[place])]
    assert name == path.rsplit("/", 1)[-1] and value == fixed(float(log_px[place]), 1)
    assert label == ([path.split("/")[0]] if labelled else [])


def test_a_long_name_keeps_both_ends() -> None:
    assert shortened("a_very_long_name_017.png", 14) == "a_ve…e_017.png" and shortened("short", 14) == "short"
