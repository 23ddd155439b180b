from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray

from unveil.sklearn import LatentImputer, LatentModel

Array = NDArray[np.float64]
LINEAR: dict[str, Any] = {"model": "linear_gaussian", "latent": 1, "steps": 5, "options": {"data.domain": "real"}}


@pytest.fixture(scope="module")
def holes(X: Array) -> Array:
    gap = np.random.default_rng(1).random(X.shape) < 0.25
    return np.where(gap & ~gap.all(1, keepdims=True), np.nan, X)


@pytest.fixture(scope="module")
def imputer(holes: Array) -> LatentImputer:
    return LatentImputer(**LINEAR).fit(holes)


def test_the_mean_is_nearer_than_that_of_the_column(imputer: LatentImputer, holes: Array, X: Array) -> None:
    full, gap = imputer.transform(holes), np.isnan(holes)
    assert np.array_equal(full[~gap], holes[~gap]) and full.dtype == holes.dtype
    spread = np.sqrt(np.mean((X - np.nanmean(holes, 0))[gap] ** 2))
    assert np.sqrt(np.mean((full - X)[gap] ** 2)) < 0.6 * spread


def test_a_draw_has_the_spread_of_the_column(imputer: LatentImputer, holes: Array) -> None:
    unknown = np.full((400, 3), np.nan)
    unknown[:, 0] = 0.0
    drawn = LatentImputer(**LINEAR, draw=True).fit(holes).transform(unknown)
    assert drawn[:, 1].std() > 0.3 and imputer.transform(unknown)[:, 1].std() < 0.2


def test_columns_keep_their_names_and_frames_their_kind(holes: Array) -> None:
    frame = pd.DataFrame(holes, columns=["a", "b", "c"], index=np.arange(len(holes)) + 5)
    fitted = LatentImputer(**LINEAR).fit(frame)
    full = fitted.transform(frame)
    assert full.index.equals(frame.index) and not full.isna().any().any()
    assert fitted.get_feature_names_out().tolist() == ["a", "b", "c"]
    polars = LatentImputer(**LINEAR).fit_transform(pl.from_pandas(frame.reset_index(drop=True)))
    assert isinstance(polars, pl.DataFrame) and polars.columns == ["a", "b", "c"]


def test_set_output_makes_frames_of_arrays(imputer: LatentImputer, holes: Array) -> None:
    found = LatentImputer(**LINEAR).set_output(transform="pandas").fit_transform(holes)
    assert found.columns.tolist() == ["x0", "x1", "x2"] and np.allclose(found, imputer.transform(holes))


def test_it_fills_as_the_model_does(imputer: LatentImputer, holes: Array) -> None:
    model = LatentModel(**LINEAR).fit(holes)
    assert np.array_equal(model.impute(holes), imputer.transform(holes))


def test_a_model_that_cannot_fill_says_so(X: Array, holes: Array) -> None:
    fitted = LatentImputer(model="vdm", steps=1, options={"model.width": 8}).fit(X)
    with pytest.raises(ValueError, match="Imputation needs"):
        fitted.transform(holes)
