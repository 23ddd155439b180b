"""Imputation against the conditional of a joint Gaussian; what was observed comes back as it came, in what it came."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError
from unveil.use.impute import complete

RNG = np.random.default_rng(0)
D, N = 5, 400
X = RNG.normal(size=(N, 2)) @ RNG.normal(size=(2, D)) * 2 + 0.5 * RNG.normal(size=(N, D)) + 10
GAPS = RNG.random((N, D)) < 0.3
GAPS[:, 0] = False
GAPPY = np.where(GAPS, np.nan, X)
NAMES = list("abcde")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("impute")


@pytest.fixture(scope="module")
def gaussian(folder: Path) -> Run:
    """pPCA of a table with gaps: everything about it is known."""
    frame = pd.DataFrame(GAPPY, columns=NAMES)
    options: dict[str, Any] = {"model": "linear_gaussian", "latent": 2, "steps": 10}
    return fitted(frame, folder / "gaussian", **options)


def conditional(run: Run, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of p(x_missing|x_observed), from the joint Gaussian."""
    model: Any = run.model
    W, mu, psi = (t.detach().numpy() for t in model._theta())
    C, known = W @ W.T + np.diag(psi), ~np.isnan(row)
    gain = np.linalg.solve(C[np.ix_(known, known)], C[np.ix_(known, ~known)]).T
    return mu[~known] + gain @ (row[known] - mu[known]), C[np.ix_(~known, ~known)] - gain @ C[np.ix_(known, ~known)]


def test_the_mean_is_that_of_the_conditional_gaussian(gaussian: Run) -> None:
    found = gaussian.impute(GAPPY[:20], mean=True, num_samples=4_000)
    for row, full in zip(GAPPY[:20], found, strict=True):
        if np.isnan(row).any():
            mean, covariance = conditional(gaussian, row)
            np.testing.assert_allclose(full[np.isnan(row)], mean, atol=4 * np.sqrt(np.diag(covariance).max() / 1_000))


def test_draws_have_the_mean_and_the_covariance_of_the_conditional_gaussian(gaussian: Run) -> None:
    row = np.array([[9.0, np.nan, 12.0, np.nan, np.nan]])
    draws = gaussian.impute(row, draws=5_000, num_samples=5_000)[:, 0, [1, 3, 4]]
    mean, covariance = conditional(gaussian, row[0])
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((draws.mean(0) - mean) / scale, 0, atol=0.04)
    np.testing.assert_allclose((np.cov(draws.T) - covariance) / np.outer(scale, scale), 0, atol=0.06)


def test_a_wrong_posterior_is_put_right_by_the_weights(gaussian: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    row = GAPPY[np.isnan(GAPPY).sum(1) == 2][:1]
    model: Any = gaussian.model
    right = model._exact

    def wide(batch: Any, hold: bool = False) -> Any:
        q = right(batch, hold)
        return torch.distributions.MultivariateNormal(q.mean + 0.3, scale_tril=1.5 * q.scale_tril)

    mean, covariance = conditional(gaussian, row[0])
    monkeypatch.setattr(model, "_exact", wide)
    found = complete(gaussian.store, row, mean=True, num_samples=10_000)
    error = found.values[0, 0][np.isnan(row[0])] - mean
    np.testing.assert_allclose(error / np.sqrt(np.diag(covariance)), 0, atol=0.07)
    assert found.ess is not None and 1_000 < found.ess[0] < 9_000


def test_an_imputation_beats_the_column_means(gaussian: Run) -> None:
    error = (gaussian.impute(GAPPY, mean=True) - X)[GAPS]
    plain = (np.nanmean(GAPPY, 0) - X)[GAPS]
    assert np.sqrt((error**2).mean()) < 0.7 * np.sqrt((plain**2).mean())


# -- what comes back --------------------------------------------------------------------------------------------------


def test_what_was_observed_comes_back_bit_by_bit(gaussian: Run) -> None:
    for dtype in (np.float64, np.float32, np.float16):
        x = GAPPY.astype(dtype)
        found = gaussian.impute(x, num_samples=5)
        assert found.dtype == dtype and np.array_equal(found[~GAPS].view(np.uint8), x[~GAPS].view(np.uint8))
        assert np.isfinite(found).all()
    draws = gaussian.impute(GAPPY, draws=3, num_samples=5)
    assert draws.shape == (3, N, D) and (draws[:, ~GAPS] == X[~GAPS]).all()
    assert (draws[0][GAPS] != draws[1][GAPS]).all()


def test_neither_the_number_of_rows_nor_what_ran_before_changes_a_draw(gaussian: Run) -> None:
    few, many = gaussian.impute(GAPPY[:150], num_samples=20), gaussian.impute(GAPPY, num_samples=20)
    torch.randn(5)
    assert np.array_equal(few, many[:150]) and np.array_equal(gaussian.impute(GAPPY, num_samples=20), many)
    assert not np.array_equal(gaussian.impute(GAPPY, num_samples=20, seed=1), many)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_frame_for_a_frame(gaussian: Run, kind: str) -> None:
    frame = pd.DataFrame(GAPPY, columns=NAMES, index=np.arange(N) * 3)
    makers = {"pandas": lambda f: f, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}
    native = makers[kind](frame[NAMES[::-1]])
    full, z, scores = gaussian.impute(native, mean=True), gaussian.encode(native), gaussian.score(native)
    for found in (full, z, scores):
        assert type(found) is type(native)
    values = pl.DataFrame(full)
    assert values.columns[:D] == NAMES[::-1]
    assert np.array_equal(values[NAMES].to_numpy(), gaussian.impute(GAPPY, mean=True))
    assert np.array_equal(pl.DataFrame(z)["z_0"].to_numpy(), gaussian.encode(GAPPY).mean[:, 0])
    assert np.array_equal(pl.DataFrame(scores)["log_px"].to_numpy(), gaussian.score(GAPPY).log_px)
    if kind == "pandas":
        assert all(found.index.equals(frame.index) for found in (full, z, scores))


def test_multiple_imputations_of_a_frame_are_numbered(gaussian: Run) -> None:
    frame = pd.DataFrame(GAPPY, columns=NAMES, index=np.arange(N) * 3)
    found = gaussian.impute(frame, draws=2, num_samples=5)
    assert found.columns.tolist() == ["draw", *NAMES] and found.index.tolist() == 2 * frame.index.tolist()
    assert found["draw"].tolist() == [0] * N + [1] * N
    assert np.array_equal(found[NAMES].to_numpy().reshape(2, N, D), gaussian.impute(GAPPY, draws=2, num_samples=5))
    with pytest.raises(RequestError, match="'draw' already"):
        gaussian.impute(frame.assign(draw=1), draws=2)


def test_columns_that_the_run_does_not_know_are_named_and_kept(gaussian: Run) -> None:
    frame = pd.DataFrame(GAPPY, columns=NAMES).assign(who="me")
    with pytest.warns(UserWarning, match="Column 'who' of the table is not used"):
        full = gaussian.impute(frame, num_samples=5)
    assert full["who"].tolist() == ["me"] * N
    for verb in (gaussian.score, gaussian.encode):
        with pytest.warns(UserWarning, match="'who'"):
            assert len(verb(frame)) == N
    with pytest.raises(RequestError, match="lacks the column 'c'"):
        gaussian.impute(frame.drop(columns="c"))


def test_nothing_missing_and_nothing_observed(gaussian: Run) -> None:
    with pytest.warns(UserWarning, match="x has no missing values"):
        assert np.array_equal(gaussian.impute(X), X)
    nothing = np.full((4000, D), np.nan)
    model: Any = gaussian.model
    found = gaussian.impute(nothing, num_samples=50)
    np.testing.assert_allclose(found.mean(0), model.mu.detach().numpy(), atol=0.25)
    assert gaussian.score(nothing[:3]).log_px.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"draws": 0}, "draws is 0"), ({"num_samples": 0}, "num_samples is 0"), ({"draws": 2, "mean": True}, "one mean")],
    ids=["no draws", "no samples", "two means"],
)
def test_refused_requests(gaussian: Run, options: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        gaussian.impute(GAPPY, **options)


def test_the_result_says_how_much_was_observed(gaussian: Run) -> None:
    result = gaussian.result
    assert 0.6 < result["observed"] < 0.85 and result["baselines"] == []
    assert "of the observed part of x" in result["sentences"][0] and "left out" in result["sentences"][1]
    assert gaussian.evaluate(data=X[:20])["observed"] == 1.0
    assert gaussian.evaluate(data=GAPPY[:20])["observed"] == pytest.approx(1 - GAPS[:20].mean())


# -- a VAE: pictures, whole numbers, weights that say something -------------------------------------------------------


def stripes(rows: int) -> np.ndarray:
    """Pictures of 6×6 grey levels, each a bright upper or lower half."""
    upper = RNG.random((rows, 1, 1)) < 0.5
    half = np.broadcast_to(np.arange(6)[:, None] < 3, (rows, 6, 6))
    return np.where(half == upper, RNG.integers(12, 16, (rows, 6, 6)), RNG.integers(0, 4, (rows, 6, 6))).astype(float)


PICTURES = stripes(300)
HOLES = RNG.random(PICTURES.shape) < 0.3
SMALL: dict[str, Any] = {"steps": 150, "model__network": "mlp", "latent": 2, "model__width": 32}


@pytest.mark.parametrize("mode", ["none", "dynamic"])
def test_pictures_with_holes(folder: Path, mode: str) -> None:
    x = np.where(HOLES, np.nan, PICTURES)
    run = fitted(x, folder / f"pictures-{mode}", data__binarization=mode, **SMALL)
    found = complete(run.store, x[:100])
    full = found.arrays()
    missing = HOLES[:100]
    assert (full[~missing] == PICTURES[:100][~missing]).all() and full.shape == (100, 6, 6)
    values = set(full[missing].tolist())
    assert values <= ({0.0, 15.0} if mode == "dynamic" else set(map(float, range(16)))) and len(values) > 1
    assert any("0 or 15" in note for note in found.notes) == (mode == "dynamic")
    bright = PICTURES[:100] > 8
    assert ((full > 8) == bright)[missing].mean() > 0.7
    assert found.ess is not None and (found.ess >= 1 - 1e-9).all() and (found.ess <= 100 + 1e-9).all()
    assert run.result["observed"] == pytest.approx(0.7, abs=0.05)
    mean = complete(run.store, x[:100], mean=True).arrays()
    assert (
        np.abs(mean - PICTURES[:100])[missing].mean() < 4 and not np.equal(mean[missing], np.rint(mean[missing])).all()
    )


def test_few_effective_samples_are_said(folder: Path, gaussian: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = gaussian.model
    right = model._exact

    def far(batch: Any, hold: bool = False) -> Any:
        q = right(batch, hold)
        return torch.distributions.MultivariateNormal(q.mean + 2, scale_tril=0.3 * q.scale_tril)

    monkeypatch.setattr(model, "_exact", far)
    with pytest.warns(UserWarning, match="fewer than 5 of the 100 samples carry the weight"):
        gaussian.impute(GAPPY, num_samples=100)


def test_a_mixture_is_summed_over_and_integers_stay_integers(folder: Path) -> None:
    x = (RNG.random((300, 1)) < 0.5) * 3 + RNG.integers(0, 2, (300, 4))
    frame = pd.DataFrame(x, columns=list("abcd")).astype("Int64").mask(RNG.random(x.shape) < 0.3)
    options: dict[str, Any] = {"model": "mixture", "model__num_components": 3, "steps": 20, "data__domain": "levels"}
    run = fitted(frame, folder / "mixture", **options)
    found = complete(run.store, frame)
    assert found.ess is None and found.notes == ()
    full = found.native()
    assert full.dtypes.astype(str).tolist() == ["Int64"] * 4 and not full.isna().any().any()
    right = np.abs(full.to_numpy(float) - x) <= 1
    assert right.all(1).mean() > 0.9
    means = run.impute(frame, mean=True)
    assert means.dtypes.astype(str).tolist() == ["float64"] * 4
    again = np.ma.masked_array(x.astype(np.int16), frame.isna().to_numpy())
    assert run.impute(again).dtype == np.int16 and run.impute(again, mean=True).dtype == np.float64
    with pytest.raises(RequestError, match="no posterior mean"):
        run.encode(frame)


def test_the_command_line_fills_files(gaussian: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame(GAPPY, columns=NAMES).assign(who='a "b", c', more=[None, 1.5] * (N // 2))
    frame.to_csv(folder / "t.csv")
    np.save(folder / "x.npy", GAPPY)
    run, source = str(gaussian.path), str(folder / "t.csv")

    def fill(*words: str) -> str:
        assert main(["impute", run, *words]) == 0
        return capsys.readouterr().err

    said = fill(source, "-o", str(folder / "full.csv"), "--num-samples", "20")
    assert "'who', 'more' of the table are not used" in said
    full = pd.read_csv(folder / "full.csv", index_col=0)
    assert np.array_equal(full[NAMES].to_numpy(), gaussian.impute(GAPPY, num_samples=20))
    assert full["who"].tolist() == frame["who"].tolist() and full["more"].equals(frame["more"])
    fill(source, "-o", str(folder / "full.parquet"), "--draws", "2", "--num-samples", "20", "--seed", "3")
    drawn = pyarrow.parquet.read_table(folder / "full.parquet").to_pandas()
    assert np.array_equal(
        drawn[NAMES].to_numpy().reshape(2, N, D), gaussian.impute(GAPPY, draws=2, num_samples=20, seed=3)
    )
    fill(str(folder / "x.npy"), "-o", str(folder / "full.npy"), "--mean")
    assert np.array_equal(np.load(folder / "full.npy"), gaussian.impute(GAPPY, mean=True))
    fill(str(folder / "x.npy"), "-o", str(folder / "flat.csv"), "--draws", "2", "--num-samples", "20")
    flat = pd.read_csv(folder / "flat.csv")
    assert flat.columns.tolist() == ["draw", *(f"x_{i}" for i in range(D))] and len(flat) == 2 * N
    for words in (["-o", source], ["-o", "t.xlsx"], ["-o", "f.csv", "--draws", "0"]):
        assert main(["impute", run, source, *words]) == 2


# Whole numbers, and files of text

LARGE = [1582218195625938945 + i * 10**15 for i in range(60)]
KEPT = {"pandas": lambda f: f, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}


@pytest.fixture(scope="module")
def mixed() -> pd.DataFrame:
    """Integers of 64 bits, a small count, yes and no, and real numbers; each with gaps."""
    every = np.arange(60)
    return pd.DataFrame(
        {
            "n": pd.array([None, *LARGE[1:]], dtype="Int64"),
            "kids": pd.array([None if i % 9 == 0 else i % 4 for i in every], dtype="Int64"),
            "flag": pd.array([None if i % 7 == 0 else bool(i % 2) for i in every], dtype="boolean"),
            "a": np.where(every % 5, RNG.normal(size=60), np.nan),
        }
    )


@pytest.fixture(scope="module")
def whole(mixed: pd.DataFrame, folder: Path) -> Run:
    return fitted(mixed, folder / "whole", model="linear_gaussian", latent=2, steps=5)


@pytest.mark.parametrize("library", KEPT)
def test_whole_numbers_stay_whole_and_those_observed_stay_to_the_last_digit(
    library: str, mixed: pd.DataFrame, whole: Run
) -> None:
    with pytest.warns(UserWarning, match="'n', 'kids', 'flag' hold whole numbers or yes and no: draws are rounded"):
        full = whole.impute(KEPT[library](mixed))
    columns = {name: list(full[name] if library != "pyarrow" else full.column(name).to_pylist()) for name in mixed}
    assert [int(value) for value in columns["n"][1:]] == LARGE[1:]
    assert LARGE[1] <= int(columns["n"][0]) <= LARGE[-1]
    assert (
        set(columns["kids"]) == {0, 1, 2, 3} and str(full["kids"].dtype if library != "pyarrow" else "Int64") == "Int64"
    )
    assert {bool(value) for value in columns["flag"]} == {True, False} and None not in columns["flag"]
    kids = mixed["kids"]
    assert [c for c, missing in zip(columns["kids"], kids.isna(), strict=True) if not missing] == list(kids.dropna())


def test_a_masked_array_of_integers_keeps_its_type_and_its_digits(mixed: pd.DataFrame, whole: Run) -> None:
    x = np.ma.masked_equal(np.array([[0, 1, 1, 1], [LARGE[3], 2, 0, 0]]), 0)
    full = whole.impute(x)
    assert full.dtype == np.int64 and full[1, 0] == LARGE[3] and full[0, 0] == LARGE[3]


def test_every_cell_of_a_file_but_those_filled_comes_back_as_its_text(tmp_path: Path) -> None:
    """Leading zeros, the name NA, ids of twenty digits, times, spellings of yes and no, quotes, rounded numbers."""
    rows = [
        [f"{i:05d}", ("NA", "DE", 'a "b", c')[i % 3], str(12345678901234567890 + i), "2021-03-01T05:00:00Z",
         "" if i % 9 == 0 else ("true", "false")[i % 2], f"{RNG.normal():.2f}0", "" if i % 5 == 0 else f"{i % 3}"]
        for i in range(90)
    ]  # fmt: skip
    names = ["zip", "country, or so", "id", "stamp", "ok", "a", "count"]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    fitted(tmp_path / "t.csv", tmp_path / "run", model="linear_gaussian", latent=1, steps=3,
           data__drop='zip,id,stamp,"country, or so"')  # fmt: skip
    assert main(["impute", str(tmp_path / "run"), str(tmp_path / "t.csv"), "-o", str(tmp_path / "full.csv")]) == 0
    with (tmp_path / "full.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == names
    for before, after in zip(rows, found[1:], strict=True):
        assert [b for b, a in zip(before, after, strict=True) if b and a != b] == []
        assert after[4] in ("true", "false") and after[6] in ("0", "1", "2")
    both = ["impute", str(tmp_path / "run"), str(tmp_path / "t.csv"), "-o", str(tmp_path / "two.csv"), "--draws", "2"]
    assert main(both) == 0
    with (tmp_path / "two.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["draw", *names] and [row[0] for row in found[1:]] == ["0"] * 90 + ["1"] * 90
    assert [row[1:4] for row in found[1:]] == 2 * [row[:3] for row in rows]


def test_cells_of_columns_that_are_not_in_the_model_stay_empty_and_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [
        f"{rng.normal():.2f},{'' if i % 5 == 0 else i % 7},{'' if i % 4 == 0 else f'a text {i} of its own'},"
        for i in range(80)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,note,empty", *lines]), encoding="utf-8")
    run = fitted(str(tmp_path / "t.csv"), tmp_path / "run", model="vae", steps=2)
    done = complete(run.store, str(tmp_path / "t.csv"), num_samples=4)
    assert "Columns 'note', 'empty' of the table are not in the model, and 100 cells there stay empty." in done.notes
