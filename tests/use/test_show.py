"""What lies between two examples, and where nothing does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unveil
from unveil.errors import RequestError


def test_between_two_components_of_a_mixture_there_is_nothing(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    run = unveil.fit(x, model="mixture", out=tmp_path / "run", steps=2, show=False)
    assert "(closed form)" in run.result["sentences"][0]
    with pytest.raises(RequestError, match="whole numbers, and there is nothing between two of them"):
        run.interpolate()
