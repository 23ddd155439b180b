"""A weight is how often a row stands in what trains; the held-out rows are weighed alike."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unveil.sklearn import LatentImputer, LatentModel
from unveil.sklearn.splits import copies

Array = NDArray[np.float64]
LINEAR: dict[str, Any] = {"model": "linear_gaussian", "latent": 1, "steps": 5, "options": {"data.domain": "real"}}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30).filter(any), st.integers(0, 9))
def test_whole_weights_are_counted_out(weights: list[int], seed: int) -> None:
    found = copies(np.array(weights, float), seed)
    assert np.array_equal(found, np.repeat(np.arange(len(weights)), weights))


@given(st.lists(st.floats(0.01, 4), min_size=2, max_size=30), st.integers(0, 9))
def test_other_weights_are_rounded_up_or_down(weights: list[float], seed: int) -> None:
    share = np.array(weights) / np.sum(weights) * len(weights)
    count = np.bincount(copies(np.array(weights), seed), minlength=len(weights))
    assert count.sum() == len(weights) or np.array_equal(weights, np.rint(weights))
    if not np.array_equal(weights, np.rint(weights)):
        assert (np.abs(count - share) < 1 + 1e-9).all()


def test_the_rounding_is_right_in_the_mean() -> None:
    weights = np.array([0.3, 1.1, 2.6])
    mean = np.mean([np.bincount(copies(weights, seed), minlength=3) for seed in range(2000)], 0)
    assert np.allclose(mean, 3 * weights / weights.sum(), atol=0.03)


def test_large_whole_weights_do_not_make_a_large_split() -> None:
    assert len(copies(np.array([1e9, 2e9, 3e9]), 0)) == 3


def test_a_row_of_weight_zero_is_as_if_it_were_not_there(X: Array) -> None:
    kept = np.arange(len(X)) % 3 > 0
    weighed = LatentModel(**LINEAR).fit(np.where(kept[:, None], X, 1e30), sample_weight=kept.astype(float))
    assert np.array_equal(weighed.score_samples(X), LatentModel(**LINEAR).fit(X[kept]).score_samples(X))


@pytest.mark.parametrize("estimator", [LatentModel, LatentImputer])
def test_the_density_goes_where_the_weight_is(X: Array, estimator: type) -> None:
    """μ of x = μ + Wz + ε is the weighted mean of the rows that train."""
    weights = np.where(X[:, 0] > 0, 4.0, 1.0)
    fitted = estimator(**LINEAR).fit(X, sample_weight=weights)
    unknown = np.full((1, 3), np.nan)
    mean = fitted.impute(unknown) if estimator is LatentModel else fitted.transform(unknown)
    assert np.allclose(mean, np.average(X, 0, weights), atol=0.25)
    assert not np.allclose(mean, X.mean(0), atol=0.25)


def test_the_split_counts_rows_as_they_weigh(X: Array) -> None:
    model = LatentModel(**LINEAR).fit(X, sample_weight=np.full(len(X), 2))
    assert json.loads(model.pack_["data.json"])["split"]["sizes"] == {"train": 216, "valid": 24, "test": 0}


def test_the_share_of_odd_rows_is_one_of_weight(X: Array) -> None:
    weights = np.where(np.arange(len(X)) % 2 == 0, 3.0, 1.0)
    model = LatentModel(**LINEAR, contamination=0.2).fit(X, sample_weight=weights)
    odd = model.predict(X) == -1
    assert weights[odd].sum() / weights.sum() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_rows_of_a_frame_are_weighed_too(X: Array, make: Any) -> None:
    kept = X[:, 0] > -0.5
    frame, part = (make({"a": rows[:, 0], "b": rows[:, 1]}) for rows in (X, X[kept]))
    weighed = LatentModel(**LINEAR).fit(frame, sample_weight=kept.astype(float))
    assert np.array_equal(weighed.score_samples(frame), LatentModel(**LINEAR).fit(part).score_samples(frame))


def test_weights_that_cannot_be_are_refused(X: Array) -> None:
    for weights, said in (
        (np.zeros(len(X)), "sample_weight is 0 for every row|zero"),
        (-np.ones(len(X)), "[Nn]egative"),
        (np.ones(3), "sample_weight"),
        (np.full(len(X), np.nan), "NaN"),
    ):
        with pytest.raises(ValueError, match=said):
            LatentModel(**LINEAR).fit(X, sample_weight=weights)
