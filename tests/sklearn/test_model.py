from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from sklearn.exceptions import NotFittedError

import unveil
from quick import NETWORK
from unveil.errors import RequestError
from unveil.sklearn import LatentImputer, LatentModel

Array = NDArray[np.float64]
LINEAR: dict[str, Any] = {"model": "linear_gaussian", "latent": 1, "steps": 5, "options": {"data.domain": "real"}}


def test_scores_are_log_p_of_each_row(exact: LatentModel, X: Array) -> None:
    """Of x = μ + Wz + ε it is a Gaussian, here with about the covariance of all rows."""
    normal = multivariate_normal(X.mean(0), np.cov(X.T, bias=True))
    assert np.allclose(exact.score_samples(X), normal.logpdf(X), atol=1.0)
    assert exact.score(X) == pytest.approx(exact.score_samples(X).mean())
    assert exact.score(X) == pytest.approx(normal.logpdf(X).mean(), abs=0.05)


def test_a_row_of_a_network_scores_alike_in_any_company(network: LatentModel, X: Array) -> None:
    whole = network.score_samples(X[:6])
    assert np.array_equal(network.score_samples(X[3:5]), whole[3:5])
    assert np.array_equal(network.transform(X[3:5]), network.transform(X[:6])[3:5])


def test_a_pack_of_it_is_what_unveil_load_opens(exact: LatentModel, X: Array, tmp_path: Path) -> None:
    for name, content in exact.pack_.items():
        (tmp_path / name).write_bytes(content)
    found = unveil.load(tmp_path).score(X)
    assert np.array_equal(found.log_px, exact.score_samples(X)) and np.isfinite(found.percentile).all()


def test_rows_that_nothing_judges_train(exact: LatentModel) -> None:
    told = exact.pack_["data.json"].decode()
    assert '"train": 108' in told and '"valid": 12' in told and '"test": 0' in told


def test_the_share_of_odd_rows_is_as_it_was_asked_for() -> None:
    X = np.random.default_rng(1).normal(size=(240, 2))
    model = LatentModel(**LINEAR, contamination=0.1)
    odd = model.fit_predict(X)
    assert set(odd) == {-1, 1} and (odd == -1).sum() == 24
    assert np.array_equal(model.decision_function(X) < 0, odd == -1)
    assert np.array_equal(model.decision_function(X), model.score_samples(X) - model.offset_)


def test_auto_takes_the_oddest_twentieth_of_rows_that_did_not_train(X: Array) -> None:
    rng = np.random.default_rng(1)
    model = LatentModel(**LINEAR).fit(rng.normal(size=(400, 2)))
    usual, far = rng.normal(size=(1000, 2)), np.full((1, 2), 9.0)
    assert 0.01 < (model.predict(usual) == -1).mean() < 0.15 and model.predict(far) == [-1]
    few = LatentModel(**LINEAR).fit(X)
    assert (few.predict(X) == -1).sum() == 6  # 12 rows held out cannot say where the oddest twentieth begins


def test_a_row_that_cannot_be_is_odd() -> None:
    X = np.random.default_rng(0).integers(0, 2, size=(60, 4))
    model = LatentModel(model="mixture", steps=3).fit(X)
    assert model.score_samples([[0, 1, 2, 0]]) == [-np.inf] == model.decision_function([[0, 1, 2, 0]])
    assert model.predict([[0, 1, 2, 0], [0, 1, 1, 0]]).tolist()[0] == -1


def test_what_is_missing_is_left_out_of_log_p(exact: LatentModel, X: Array) -> None:
    holes = X[:4].copy()
    holes[:, 1] = np.nan
    marginal = multivariate_normal(X[:, [0, 2]].mean(0), np.cov(X[:, [0, 2]].T, bias=True))
    assert np.allclose(exact.score_samples(holes), marginal.logpdf(X[:4, [0, 2]]), atol=0.5)
    masked = np.ma.masked_invalid(holes)
    assert np.array_equal(exact.score_samples(masked), exact.score_samples(holes))


def test_latents_have_names_and_lead_back(exact: LatentModel, X: Array) -> None:
    z = exact.transform(X)
    assert z.shape == (120, 1) and exact.get_feature_names_out().tolist() == ["z_0"]
    assert np.corrcoef(exact.inverse_transform(z)[:, 1], X[:, 1])[0, 1] > 0.9
    with pytest.raises(RequestError, match="this model has 1 latents"):
        exact.inverse_transform(X)


def test_a_model_without_latents_says_so(X: Array) -> None:
    model = LatentModel(model="autoregressive", steps=1).fit(X)
    for use in (model.transform, lambda X: model.get_feature_names_out()):
        with pytest.raises(RequestError, match="latent"):
            use(X)


def test_new_rows_are_draws(exact: LatentModel, X: Array) -> None:
    drawn = exact.sample(3000)
    assert drawn.shape == (3000, 3) and exact.sample().shape == (1, 3)
    assert np.allclose(np.cov(drawn.T), np.cov(X.T), atol=0.6)
    assert np.array_equal(exact.sample(4), exact.sample(4))
    assert not np.array_equal(exact.sample(4, random_state=1), exact.sample(4))
    assert exact.sample(4, random_state=np.random.RandomState(0)).shape == (4, 3)


def test_holes_are_filled_and_the_rest_is_as_it_came(exact: LatentModel, X: Array) -> None:
    holes = X[:30].copy()
    holes[::2, 0], gap = np.nan, np.arange(30) % 2 == 0
    full = exact.impute(holes)
    assert np.array_equal(full[~np.isnan(holes)], holes[~np.isnan(holes)]) and np.isfinite(full).all()
    assert np.abs(full[gap, 0] - X[:30][gap, 0]).mean() < 0.6 < np.abs(X[:, 0]).mean()
    assert not np.array_equal(exact.impute(holes, draw=True), full)
    assert np.array_equal(exact.impute(X), X)  # and nothing is said


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_go_in_as_they_are_and_come_back(X: Array, library: str) -> None:
    held = {"a": X[:60, 0], "b": np.where(np.arange(60) % 7 == 0, np.nan, X[:60, 1])}
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[library]
    frame = make(held)
    model = LatentModel(**LINEAR).fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b"] and model.n_features_in_ == 2
    assert np.isfinite(model.score_samples(frame)).all() and model.transform(frame).shape == (60, 1)
    full = model.impute(frame)
    assert type(full) is type(frame) and np.isfinite(np.asarray(full, dtype=float)).all()
    assert list(model.sample(3).columns) == ["a", "b"] == list(model.inverse_transform(np.zeros((1, 1))).columns)


def test_a_frame_of_mixed_columns_goes_in_and_comes_back() -> None:
    rng = np.random.default_rng(0)
    level = rng.integers(0, 3, 80)
    frame = pd.DataFrame(
        {
            "kind": np.array(["x", "y", "z"], dtype=object)[level],
            "paid": np.round(10.0 * level + rng.gamma(2, 2, 80), 2),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 80), "D"),
            "yes": rng.random(80) < 0.3,
        }
    )
    whole = frame.copy()
    frame.loc[::9, "kind"], frame.loc[::7, "paid"] = None, np.nan
    model = pickle.loads(pickle.dumps(LatentModel(model="mixture", steps=3).fit(frame)))
    assert (model.score_samples(whole) <= 0).all()  # a probability: no column is measured
    full = model.impute(frame)
    assert full.dtypes.equals(frame.dtypes) and not full.isna().any().any()
    assert model.sample(3).columns.tolist() == frame.columns.tolist()


def test_columns_are_those_of_fit(X: Array) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = LatentModel(**LINEAR).fit(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"c": "d"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.allclose(model.score_samples(X), model.score_samples(frame))


def test_decisions_about_the_data_are_said(X: Array) -> None:
    with pytest.warns(UserWarning, match="linear_gaussian takes numbers alone"):
        LatentModel(model="linear_gaussian", steps=1).fit(pd.DataFrame(X, columns=["a", "b", "c"]))


def test_no_states_are_saved_that_nobody_goes_on_with(X: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = list[int]()
    monkeypatch.setattr("unveil.runs.store.save_checkpoint", lambda *_: saved.append(1))
    best = LatentModel(**LINEAR).fit(X).score(X)
    assert saved == [] and best > -4  # the best weights are kept in memory


def test_nothing_stays_on_the_disk(X: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    LatentModel(**LINEAR).fit(X).transform(X)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="at least 10"):
        LatentModel(**LINEAR).fit(X[:5])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"contamination": 0.0}, "contamination came as 0.0; it takes a share above 0 and up to 0.5, or 'auto'"),
        ({"contamination": 0.6}, "contamination came as 0.6"),
        ({"contamination": "some"}, "contamination came as 'some'"),
        ({"options": {"train.steps": 3}}, "options holds 'train.steps', which has an argument of its own: steps="),
        ({"options": {"model": "hvae"}}, "options holds 'model', which has an argument of its own: model="),
        ({"options": {"train.stepz": 3}}, "There is no key 'train.stepz'"),
        ({"options": ["train.lr"]}, r"options came as \['train.lr'\]; it takes a dictionary"),
        ({"model": "vea"}, "Did you mean 'vae'"),
        ({"model": None}, "model came as None; it takes a name, see unveil list models"),
        ({"latent": -1, "model": "linear_gaussian"}, "model.latent"),
        ({"steps": 1, "epochs": 1}, "The budget came as epochs and steps; give one of them"),
        ({"random_state": -1}, "The seed is -1"),
    ],
)
def test_what_is_wrong_is_refused_in_fit(X: Array, asked: dict[str, Any], said: str) -> None:
    model = LatentModel(**asked)
    with pytest.raises(ValueError, match=said):
        model.fit(X)


def test_an_estimator_that_is_not_fitted_says_so(X: Array) -> None:
    for use in ("transform", "score_samples", "predict", "impute", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(LatentModel(), use)(X)
    with pytest.raises(NotFittedError):
        LatentModel().sample()


def test_seeds_are_those_of_the_library(X: Array) -> None:
    asked = [{"random_state": 3}, {"random_state": np.int64(3)}, {"random_state": 4}, {"random_state": None}]
    fits = [LatentImputer(**NETWORK | seed).fit(X[:12]) for seed in asked]
    weights = [fit.pack_["weights.safetensors"] for fit in fits]
    assert weights[0] == weights[1] and len(set(weights)) == 3


def test_what_is_drawn_keeps_the_seed_of_the_fit(X: Array) -> None:
    model = LatentModel(**LINEAR, random_state=None).fit(X)
    assert np.array_equal(model.sample(3), model.sample(3))
    assert not np.array_equal(model.sample(3), LatentModel(**LINEAR, random_state=None).fit(X).sample(3))
