"""Inside of what scikit-learn makes of estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone, is_outlier_detector
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from unveil.sklearn import LatentImputer, LatentModel

Array = NDArray[np.float64]
LINEAR: dict[str, Any] = {"model": "linear_gaussian", "latent": 1, "steps": 5, "options": {"data.domain": "real"}}


def test_a_clone_has_the_arguments_and_no_fit(exact: LatentModel) -> None:
    again = clone(exact)
    assert again.get_params() == exact.get_params() and not hasattr(again, "pack_")
    assert again.set_params(latent=2, options={"model.width": 8}).latent == 2
    assert is_outlier_detector(again)


def test_the_constructor_stores_and_refuses_nothing() -> None:
    asked = {"model": "no such", "steps": -1, "options": {"a": 1}}
    assert LatentModel(**asked).get_params() | asked == LatentModel(**asked).get_params()
    with pytest.raises(TypeError):
        LatentModel("vae")  # type: ignore[misc]


def test_a_grid_search_finds_the_number_of_latents_by_log_p_of_held_out_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(150, 6))
    search = GridSearchCV(LatentModel(model="linear_gaussian", steps=8), {"latent": [1, 2]}, cv=KFold(2)).fit(X)
    assert search.best_params_ == {"latent": 2}
    half = clone(search.estimator).set_params(latent=2).fit(X[75:])
    assert search.cv_results_["split0_test_score"][1] == pytest.approx(half.score_samples(X[:75]).mean())


def test_a_pipeline_scales_fills_and_scores(X: Array) -> None:
    holes = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)
    line = make_pipeline(StandardScaler(), LatentImputer(**LINEAR), LatentModel(**LINEAR)).fit(holes)
    assert line.transform(X).shape == (120, 1) and set(line.predict(X)) <= {-1, 1} and np.isfinite(line.score(X))


def test_frames_of_latents_have_their_names_and_the_index(X: Array) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(120) + 7)
    z = LatentModel(**LINEAR).set_output(transform="pandas").fit_transform(frame)
    assert z.columns.tolist() == ["z_0"] and z.index.equals(frame.index)
    z = LatentModel(**LINEAR).set_output(transform="polars").fit_transform(pl.DataFrame(X, schema=["a", "b", "c"]))
    assert isinstance(z, pl.DataFrame) and z.columns == ["z_0"]


def test_a_column_transformer_puts_latents_beside_columns(X: Array) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    both = ColumnTransformer([("z", LatentModel(**LINEAR), ["a", "b"])], remainder="passthrough").fit(frame)
    assert both.get_feature_names_out().tolist() == ["z__z_0", "remainder__c"]


def test_weights_are_routed(X: Array) -> None:
    with config_context(enable_metadata_routing=True):
        line = Pipeline([("model", LatentModel(**LINEAR).set_fit_request(sample_weight=True))])
        weighed = line.fit(X, sample_weight=np.where(X[:, 0] > 0, 1.0, 0.0))
    assert weighed.score(X[X[:, 0] > 0]) > LatentModel(**LINEAR).fit(X).score(X[X[:, 0] > 0])
