"""A new phase keeps what was asked of the first: no baselines, and the steps between validations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unveil
from quick import PLAIN_KEYS


@pytest.mark.parametrize(
    "asked", [{}, {"evaluation__baselines": "none", "train__valid_every": 3}], ids=["open", "asked"]
)
def test_a_new_phase_keeps_what_was_asked_for(asked: dict[str, object], tmp_path: Path) -> None:
    small = {"model__width": 8, "latent": 2, "evaluation__num_samples": 2}
    x = np.random.default_rng(0).normal(size=(60, 3))
    run = unveil.fit(x, out=tmp_path / "run", steps=6, show=False, **small, **PLAIN_KEYS, **asked)
    for steps in (9, 12):
        again = run.resume(steps=steps, show=False)
        assert bool(again.result["baselines"]) == ("evaluation__baselines" not in asked)
        assert (again.store.phase.valid_every == 3) == bool(asked)
