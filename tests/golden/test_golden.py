"""Loss curves are what they were: a change that moves one is meant to (then `regenerate.py`), or is a mistake."""

from __future__ import annotations

import numpy as np
import pytest

from golden.curves import CURVES, FOLDER, curve, read


@pytest.mark.parametrize("name", CURVES)
def test_the_curve_is_the_one_on_file(name: str) -> None:
    """Within 1e-3: other processors add up in another order."""
    kept = read(name)
    assert len(kept) == CURVES[name][-1]
    np.testing.assert_allclose(curve(name), kept, rtol=1e-3, atol=2e-3)


def test_there_is_no_curve_without_its_training() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CURVES)


def test_the_curves_say_something() -> None:
    for name in CURVES:
        bounds = [row[0] for row in read(name)]
        assert bounds[-1] > bounds[0] and len(set(bounds)) == len(bounds), f"{name} does not rise"
