"""The family of a table is the best of a few on validation, where nobody asked for one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from quick import QUICK
from unveil.fitting.prepare import prepare
from unveil.planning import candidates, plan
from unveil.planning.measure import Probe
from unveil.settings.choices import Choices, choose

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.choice(["x", "y"], 40), "b": RNG.integers(0, 9, 40), "c": RNG.normal(size=40).round(1)})


@pytest.fixture(autouse=True)
def _one_update(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UPDATES", "FEWEST"):
        monkeypatch.setattr(candidates, name, 1)


def fitting(tmp_path: Path, **options: Any) -> Any:
    return prepare(FRAME, out=tmp_path / "run", steps=1, options=QUICK, **options)


@pytest.mark.parametrize("best", candidates.CANDIDATES)
def test_the_best_on_validation_is_taken_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: str) -> None:
    def judged(model: Any, split: Any, objective: Any) -> torch.Tensor:
        return torch.full((9,), -1.0 if type(model).registered[1] == best else -2.0)

    monkeypatch.setattr(candidates, "bound_of_each", judged)
    found = fitting(tmp_path)
    assert found.config.model_name == best
    (said,) = (line for line in found.lines if "Tried shortly" in line)
    assert (
        f"{best} -1.00" in said and f"{best} is taken" in said and all(name in said for name in candidates.CANDIDATES)
    )


def test_a_family_that_climbs_is_taken_before_one_that_starts_high(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    def judged(model: Any, split: Any, objective: Any) -> torch.Tensor:
        name = type(model).registered[1]
        asked[name] += 1
        return torch.full((9,), {"vae": -9.0 + 2 * asked[name], "table_mixture": -4.0}.get(name, -99.0))

    monkeypatch.setattr(candidates, "bound_of_each", judged)
    found = fitting(tmp_path)
    assert found.config.model_name == "vae" and asked["vae"] == 2
    assert any("vae -1.00, table_mixture -4.00" in line for line in found.lines)


def test_equals_leave_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "bound_of_each", lambda *_: torch.full((9,), -1.0))
    assert fitting(tmp_path).config.model_name == candidates.CANDIDATES[0]


def test_a_single_row_decides_nothing_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(model: Any, split: Any, objective: Any) -> torch.Tensor:
        first = type(model).registered[1] == candidates.CANDIDATES[0]
        return torch.tensor([-1.0] * 8 + [-99.0]) if first else torch.full((9,), -1.1)

    monkeypatch.setattr(candidates, "bound_of_each", judged)
    found = fitting(tmp_path)
    assert found.config.model_name == candidates.CANDIDATES[0]
    assert any("others do not surely surpass" in line for line in found.lines)


@pytest.mark.parametrize("asked", [{"model": "vae"}, {"model__latent": 2}, {"prior": "standard_normal"}])
def test_nothing_is_tried_where_a_model_or_a_part_was_asked_for(tmp_path: Path, asked: dict[str, Any]) -> None:
    found = fitting(tmp_path, **asked)
    assert found.config.model_name == "vae" and not any("Tried" in line for line in found.lines)


def test_what_leaves_the_model_open() -> None:
    assert choose({}).open_model and choose({"model": "auto", "train.steps": 3}).open_model
    for asked in ({"model": "vae"}, {"model.latent": 3}, {"objective": "iwae"}, {"likelihood": "columns"}):
        assert not choose(asked).open_model
    assert not Choices().open_model


def test_a_wide_table_is_spared_the_passes_over_its_columns(tmp_path: Path) -> None:
    wide = pd.DataFrame(RNG.integers(0, 9, (30, candidates.WIDE + 1)))
    options = QUICK | {"train.batch_size": 4}
    said = " ".join(prepare(wide, out=tmp_path / "run", steps=1, options=options).lines)
    assert "Tried shortly" in said and "any_order" not in said


def test_a_model_that_asks_its_network_often_is_validated_on_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 rows would take 1,000 s; the one validation after the only step is of 166."""
    monkeypatch.setattr(Probe, "seconds_per_validation", 1000.0)
    long = pd.DataFrame(RNG.integers(0, 9, (4000, 30)))
    config = prepare(long, out=tmp_path / "run", steps=1, options=QUICK, model="any_order").config
    found = config.phases[0]
    assert found.valid_examples == plan.ASKED // (4 * 30)
    assert 1000 * 166 / 400 < config.seconds["training"] < 500
    vae = prepare(long, out=tmp_path / "other", steps=1, options=QUICK, model="vae").config.phases[0]
    assert vae.valid_examples is None


def test_the_model_that_is_taken_starts_as_if_it_alone_had_been_asked_for(tmp_path: Path) -> None:
    tried = fitting(tmp_path / "tried")
    asked = fitting(tmp_path / "asked", model=tried.config.model_name)
    both = (tried.model.state_dict(), asked.model.state_dict())
    assert both[0].keys() == both[1].keys()
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])
