"""Small finished runs to report on: images and vectors with hostile class names, and the models with closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import quick
from unveil.report.explorer.space import moments
from unveil.runs.store import RunStore

HOSTILE = ["</script><img src=x onerror=alert(1)>", "a <b>bold</b> & %{x} '\"\u2028 name", "{{ 7 * 7 }} <!-- @accent"]


def fitted(source: str, out: Path, **options: Any) -> RunStore:
    """A finished run of a short fit with its report; baselines take as long as all the rest."""
    return quick.fitted(source, out, report=True, **options).store


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="session")
def digits_file(home: Path) -> str:
    """160 real digits, in classes whose names attack the page."""
    found = load_digits()
    names = np.array([HOSTILE[digit % 3] for digit in found.target[:160]])
    np.savez(home / "digits.npz", x=found.images[:160].astype(np.uint8), y=names)
    return str(home / "digits.npz")


@pytest.fixture(scope="session")
def images(home: Path, digits_file: str) -> RunStore:
    return fitted(digits_file, home / "images", baselines=True, train__steps=30, model__latent=5)


@pytest.fixture(scope="session")
def vectors(home: Path) -> RunStore:
    """A VAE with two latents on real vectors of 14 columns, with labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    x = (rng.normal(size=(200, 2)) + y[:, None]) @ rng.normal(size=(2, 14)) + 0.3 * rng.normal(size=(200, 14))
    np.savez(home / "vectors.npz", x=x.astype(np.float32), y=np.array(HOSTILE)[y])
    return fitted(str(home / "vectors.npz"), home / "vectors", train__steps=30, model__latent=2)


@pytest.fixture(scope="session")
def mixture(home: Path, digits_file: str) -> RunStore:
    options = {"model": "mixture", "model__num_components": 4, "train__steps": 5}
    return fitted(digits_file, home / "mixture", **options)


@pytest.fixture(scope="session")
def linear(home: Path, vectors: RunStore) -> RunStore:
    options = {"model": "linear_gaussian", "model__latent": 3, "train__steps": 3}
    return fitted(str(home / "vectors.npz"), home / "linear", **options)


@pytest.fixture(scope="session")
def ladder(home: Path, digits_file: str) -> RunStore:
    """A hierarchical VAE with two groups of latents."""
    options = {"model": "hvae", "model__num_groups": 2, "model__width": 8, "train__steps": 3}
    return fitted(digits_file, home / "ladder", **options)


def seen_moments(run: RunStore) -> tuple[Any, Any]:
    """Posterior means and standard deviations [N, D] of test examples."""
    return moments(run.model, run.data.test)
