"""The odd row is what a person looks for: it gets its own lowest rank, and the other rows their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import gammaln, logsumexp

import unveil
from quick import fitted as quickly
from unveil.errors import RequestError
from unveil.use.score import score

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(120, 3))
FEW = RNG.integers(0, 6, (120, 4))
COUNTS = RNG.poisson(400, (120, 4))


def fitted(x: Any, folder: Path, **options: Any) -> unveil.Run:
    return quickly(x, folder / "run", steps=10, model__width=16, **options)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> unveil.Run:
    return fitted(REAL, tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> unveil.Run:
    return fitted(FEW, tmp_path_factory.mktemp("few"))


def with_odd(x: Any, value: float) -> Any:
    odd = x[:5].astype(np.result_type(x, type(value)))
    odd[3, 1] = value
    return odd


@pytest.mark.parametrize("value", [1e6, 1e12, 1e25, 1e38, -1e30])
def test_an_absurd_number_is_the_least_likely_and_no_other_row_suffers(value: float, real: unveil.Run) -> None:
    scores, plain = real.score(with_odd(REAL, value)), real.score(REAL[:5])
    assert scores.log_px.argmin() == 3 and scores.percentile[3] == 0
    np.testing.assert_array_equal(np.delete(scores.log_px, 3), np.delete(plain.log_px, 3))
    assert not np.isnan(scores.log_px).any()
    assert np.isfinite(np.asarray(real.encode(with_odd(REAL, value)))).all()


def test_what_cannot_be_computed_is_said(tmp_path: Path) -> None:
    run = quickly((FEW > 2).astype(np.uint8), tmp_path / "run", steps=3)
    with torch.no_grad():
        run.model.likelihood.offset.fill_(-3e38)  # type: ignore[union-attr]  # four such values leave float32
    scores = score(run.store, np.repeat([[0], [1]], 4, 1).astype(np.uint8))
    assert np.isneginf(scores.log_px).tolist() == [False, True] and np.isnan(scores.stderr[1])
    assert any("rows (1) lie so far from all of training" in note for note in scores.notes)


OUT = [10, 1e3, 1e6, 1e12, 1e20, 1e30, 1e37]  # spreads
PLAIN = {"latent": 1, "model__network": "plain", "model__width": 16}
FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {"latent": 1, "likelihood": name} for name in ("gaussian", "gaussian_predicted", "student_t", "laplace")},
    **{f"plain {name}": PLAIN | {"likelihood": name} for name in ("gaussian", "student_t")},
    **{name: {"model": name, "latent": 1} for name in ("linear_gaussian", "hvae")},
    **{name: {"model": name} for name in ("mixture", "autoregressive", "vdm", "vqvae")},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_farther_out_the_less_likely_as_far_as_numbers_go(name: str, tmp_path: Path) -> None:
    run = quickly(REAL, tmp_path / "run", steps=10, **FAMILIES[name])
    scores = run.score(np.array([[out, 0.0, 0.0] for out in OUT]))
    assert np.isfinite(scores.log_px).all() and (np.diff(scores.log_px) < 0).all()


def density(name: str, r: np.ndarray, df: Any) -> np.ndarray:
    """log p(r) of a standard density, in float64."""
    if name == "gaussian":
        return -0.5 * r**2 - 0.5 * np.log(2 * np.pi)
    if name == "laplace":
        return -np.abs(r) - np.log(2)
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    return constant - (df + 1) * np.log(np.hypot(1, r / np.sqrt(df)))


@pytest.mark.parametrize("name", ["gaussian", "student_t", "laplace"])
def test_far_values_have_the_density_that_an_integral_over_z_has(name: str, tmp_path: Path) -> None:
    run = quickly(REAL, tmp_path / "run", steps=10, likelihood=name, **PLAIN)
    x, z = np.array([[out, 0.0, 0.0] for out in OUT]), torch.linspace(-8, 8, 2001).unsqueeze(-1)
    with torch.no_grad():
        p = run.model.decode((z,)).base  # type: ignore[attr-defined]
    loc, scale, df = (getattr(p, name, p.loc).double().numpy()[:, None] for name in ("loc", "scale", "df"))
    joint = (density(name, (x - loc) / scale, df) - np.log(scale)).sum(-1) + density("gaussian", z.numpy(), None)
    truth = logsumexp(joint, 0) + np.log(16 / 2000)  # ∫ p(z) p(x|z) dz
    np.testing.assert_allclose(run.score(x).log_px, truth, rtol=1e-3, atol=0.3)


@pytest.mark.parametrize(("x", "value"), [(FEW, 9), (FEW, -1), (FEW, 2.5), (COUNTS, -3)], ids=lambda of: str(of)[:6])
def test_a_value_that_cannot_be_has_probability_0(x: Any, value: float, few: unveil.Run, tmp_path: Path) -> None:
    run = few if x is FEW else fitted(x, tmp_path)
    scores = run.score(with_odd(x, value))
    assert np.isneginf(scores.log_px[3]) and scores.stderr[3] == 0 and scores.percentile[3] == 0
    assert np.isfinite(np.delete(scores.log_px, 3)).all()
    assert any(f"the first {value:g} in row 3, column 1" in note for note in scores.notes)
    assert any("nearest value inside" in note for note in run.encode(with_odd(x, value)).notes)


def test_a_row_with_one_is_filled_and_the_odd_value_stays(tmp_path: Path) -> None:
    x = pd.DataFrame(FEW, columns=list("abcd")).astype("Int64")
    run = fitted(x, tmp_path, data__domain="levels")
    new = x.head(5).copy()
    new.loc[3, "b"], new.loc[3, "c"] = 99, pd.NA
    with pytest.warns(UserWarning, match="column 'b'"):
        full = run.impute(new)
    assert full.loc[3, "b"] == 99 and 0 <= full.loc[3, "c"] <= 5


def test_x_of_another_kind_is_refused_whole(few: unveil.Run) -> None:
    with pytest.raises(RequestError, match="outside this run's domain"):
        few.score(FEW[:20] + 100)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint8])
def test_whole_numbers_leave_room_above_the_largest_of_training(dtype: Any, tmp_path: Path) -> None:
    x = RNG.integers(0, 140, (120, 4)).astype(dtype)
    run = fitted(x, tmp_path, data__domain="levels")
    scores = run.score(with_odd(x, dtype(146)))
    assert run.data.domain.levels == 256 and np.isfinite(scores.log_px).all()


@pytest.mark.parametrize(("x", "value"), [(FEW, 9), ((FEW > 2).astype(np.uint8), 2)], ids=["levels", "binary"])
def test_one_odd_row_alone_is_scored_as_in_company(x: Any, value: int, few: unveil.Run, tmp_path: Path) -> None:
    run = few if x is FEW else fitted(x, tmp_path)
    assert np.isneginf(run.score(np.full((1, 4), value)).log_px[0])
    with pytest.raises(RequestError, match="outside this run's domain"):
        run.score(x[:3] / 255)


def test_a_row_with_gaps_has_no_percentile_among_a_handful(real: unveil.Run) -> None:
    new = REAL[:4].copy()
    new[1, 0], new[2] = np.nan, np.nan
    scores = real.score(new)
    assert np.isnan(scores.percentile).tolist() == [False, True, True, False]
    assert scores.log_px[2] == 0 and any("1 of 4 rows have gaps, in 1 pattern" in note for note in scores.notes)


@pytest.mark.parametrize("value", [1e20, 1e36, -1e38])
def test_gaps_beside_a_far_value_are_filled(value: float, real: unveil.Run) -> None:
    new = REAL[:5].copy()
    new[2, 0], new[2, 2], new[3, 2] = value, np.nan, np.nan
    full = real.impute(new)
    assert np.isfinite(full).all() and full[2, 0] == value
    assert np.isfinite(real.impute(new, mean=True)).all()


def test_gaps_in_whole_numbers_of_any_type_are_filled_with_such(tmp_path: Path) -> None:
    x = np.column_stack([RNG.integers(0, 6, 120), RNG.integers(0, 2, 120), RNG.normal(size=120)]).astype(float)
    run = fitted(x, tmp_path, data__domain="real")
    x[::7, 0], x[::5, 1], x[::9, 2] = np.nan, np.nan, np.nan
    frame = pd.DataFrame(x, columns=["kids", "smoker", "income"])
    with pytest.warns(UserWarning, match="hold whole numbers or yes and no: draws are rounded"):
        found = [run.impute(x), run.impute(frame).to_numpy()]
    for full in found:
        assert set(full[:, 1]) == {0, 1} and set(full[:, 0]) <= set(range(6)) and not np.isnan(full).any()
    mean = run.impute(x, mean=True)
    assert (mean[::7, 0] != np.rint(mean[::7, 0])).any()


@pytest.mark.parametrize("posterior", ["full_gaussian", "diagonal_gaussian", "iaf"])
def test_farther_is_less_likely_under_every_posterior(posterior: str, tmp_path: Path) -> None:
    """No error of float32 in log q may make a far row likely."""
    g = np.random.default_rng(0)
    x = g.normal(size=(200, 2)) @ g.normal(size=(2, 5)) + 0.3 * g.normal(size=(200, 5))
    run = quickly(x, tmp_path / "run", posterior=posterior, steps=150, model__width=32)
    far = np.repeat(x[:1], 6, 0)
    far[:, 0] = [10, 100, 1e3, 1e4, 1e6, 1e9]
    assert (np.diff(run.score(far).log_px) < 0).all()
    assert (run.score(far).percentile == 0).all()
