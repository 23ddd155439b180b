"""Estimators that are fitted quickly: nothing is timed, little is scored, and no disk is waited for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from quick import NETWORK, rough_start, short_adaptation
from unveil.sklearn import LatentModel


@pytest.fixture(autouse=True, scope="package")
def _quick() -> Iterator[None]:
    """Half of a fit of three steps is waiting for files that are thrown away; kills are the subject of other tests."""
    with pytest.MonkeyPatch.context() as patch, rough_start(), short_adaptation():
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="package")
def X() -> NDArray[np.float64]:
    """Correlated rows [120, 3]."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 1)) * [1.0, 2.0, -1.0] + 0.5 * rng.normal(size=(120, 3))


@pytest.fixture(scope="package")
def exact(X: NDArray[np.float64]) -> LatentModel:
    """Fitted, with log p(x) in closed form."""
    return LatentModel(model="linear_gaussian", latent=1, steps=20).fit(X)


@pytest.fixture(scope="package")
def network(X: NDArray[np.float64]) -> LatentModel:
    """Fitted, with a lower bound on log p(x)."""
    return LatentModel(**NETWORK).fit(X[:24])
