"""What comes out of a model is numbers, or a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from quick import fitted, forget_sums
from unveil.api import Run
from unveil.errors import RequestError, WorkError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted("digits", tmp_path_factory.mktemp("whole") / "run", steps=4, latent=2, model__width=8).store.path


def times(whole: Path, folder: Path, factor: float) -> Run:
    """A copy of the run with weights that are so many times as large."""
    run = Path(shutil.copytree(whole, folder / "run"))
    weights = load_file(run / "weights.safetensors")
    save_file({name: factor * value for name, value in weights.items()}, run / "weights.safetensors")
    forget_sums(run)
    return Run.load(run)


def test_weights_that_are_no_numbers_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"The weights in .* are not all finite"):
        times(whole, tmp_path, float("nan")).sample(3)


def test_weights_without_end_give_a_sentence(whole: Path, tmp_path: Path) -> None:
    run, x = times(whole, tmp_path, 1e30), np.zeros((2, 8, 8), np.uint8)
    for verb in (lambda: run.sample(3), lambda: run.reconstruct(x), lambda: run.encode(x)):
        with pytest.raises(WorkError, match=r"no finite numbers|no probabilities to draw by"):
            verb()
