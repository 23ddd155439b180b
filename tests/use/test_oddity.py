"""An order by oddity: what is plain or pure noise comes first, too likely is odd as well, and each measure by hand."""

from __future__ import annotations

import csv
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import unveil
from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.use.complexity import bits_per_value, is_compressible
from unveil.use.oddity import Judge, Measure
from unveil.use.units import likelihoods, surprises, tails

RNG = np.random.default_rng(0)
SMALL: dict[str, Any] = {"model__width": 32, "steps": 80}
TABLE = (RNG.normal(size=(400, 3)) @ RNG.normal(size=(3, 6)) + 0.3 * RNG.normal(size=(400, 6))).astype(np.float32)


def coloured(count: int) -> np.ndarray:
    """Digits of 16×16 in a colour on another, with a little noise: [N, 16, 16, 3]."""
    shape = np.kron(load_digits().images[:count] / 16, np.ones((2, 2)))[..., None]
    one, other = RNG.uniform(40, 216, (2, count, 1, 1, 3))
    return np.clip(one * shape + other * (1 - shape) + 6 * RNG.normal(size=(count, 16, 16, 3)), 0, 255).astype(np.uint8)


PICTURES = coloured(600)
MAGENTA = np.broadcast_to(np.uint8([255, 0, 255]), (16, 16, 3))
GREY = np.full((16, 16, 3), 128, np.uint8)
NOISE = RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(PICTURES[:500], tmp_path_factory.mktemp("odd") / "run", latent=16, **SMALL)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(TABLE[:300], tmp_path_factory.mktemp("odd") / "run", latent=3, **SMALL)


def test_plain_squares_and_noise_are_the_oddest_of_all(run: Run) -> None:
    new = np.concatenate([PICTURES[500:], [MAGENTA, GREY, NOISE]])
    scores = run.score(new, oddity=True)
    assert set(np.argsort(-scores.oddity)[:3]) == {100, 101, 102}
    assert (scores.oddity_percentile[100:] == 100).all()
    assert set(np.argsort(scores.log_px)[:3]) != {100, 101, 102}  # which log p(x) alone does not find
    assert scores.odd_by[101] in ("simple", "log p(x) high")


def test_columns_are_there_where_they_are_asked_for(run: Run) -> None:
    plain, odd = run.score(PICTURES[500:503]), run.score(PICTURES[500:503], oddity=True)
    assert plain.oddity is None and list(plain.columns()) == ["row", "log_px", "stderr", "percentile"]
    assert list(odd.columns()) == [*plain.columns(), "oddity", "oddity_percentile", "odd_by"]
    np.testing.assert_array_equal(plain.log_px, odd.log_px)


def test_a_rows_oddity_is_the_same_wherever_it_stands(run: Run) -> None:
    new, order = np.concatenate([PICTURES[500:540], [MAGENTA, NOISE]]), RNG.permutation(42)
    one, other = run.score(new, oddity=True), run.score(new[order], oddity=True)
    np.testing.assert_allclose(one.oddity[order], other.oddity, rtol=1e-4)
    np.testing.assert_array_equal(one.odd_by[order], other.odd_by)


def test_a_picture_that_is_too_likely_is_odd(run: Run) -> None:
    usual = run.store.scores("valid")
    likely = np.median(usual) + 40 * np.ptp(usual)
    found = Judge.of(run.store)(run.data.valid.head(2), np.array([likely, np.median(usual)]))
    assert found.by[0] == "log p(x) high" and found.value[0] > 20 and found.percentile[0] == 100
    assert found.by[1] != "log p(x) high"


def test_oddity_of_a_row_is_the_farthest_of_its_measures(table: Run) -> None:
    data = table.data
    known = np.concatenate([split.x.numpy() for split in (data.train, data.valid, data.test)]).astype(np.float64)
    new = TABLE[300:].copy()
    new[5] += 8
    new[6, 2] = 40  # no row is as far out in this column
    new[7] = known[0]  # a row that is known
    scores = table.score(new, oddity=True)
    far, tail = (surprises(*pair) for pair in zip(_by_hand(new, known), _by_hand(known, known), strict=True))
    usual = table.store.scores("valid")
    unlikely = np.maximum(surprises(-scores.log_px, -usual) - 1, 0)
    np.testing.assert_allclose(scores.oddity, np.maximum(np.maximum(far, tail), unlikely), rtol=1e-3, atol=1e-4)
    assert scores.oddity[[5, 6]].min() > np.delete(scores.oddity, [5, 6]).max()
    assert scores.odd_by[6] in ("far from known rows", "far out in columns", "log p(x) low")
    assert scores.odd_by[7] != "far from known rows" or far[7] > tail[7]


def _by_hand(x: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distance [N] to the nearest row of `known` that is another, and the tails of columns [N]."""
    spread = known.std(0)
    variances, turn = np.linalg.eigh(np.cov((known / spread).T) + 1e-3 * np.eye(x.shape[1]))
    a, b = (rows / spread @ (turn * variances**-0.25) for rows in (x, known))
    apart = np.linalg.norm(a[:, None] - b, axis=-1)
    apart[apart < 1e-6] = np.inf
    higher = ((known > x[:, None]) + 0.5 * (known == x[:, None])).sum(1)
    tails = np.maximum(*(-np.log((n + 0.5) / (len(known) + 1)) for n in (higher, len(known) - higher)))
    for side in (1, -1):
        ends = side * known
        begin = np.quantile(ends, 0.9, axis=0)
        excess = np.array([c[c > q].mean() - q for c, q in zip(ends.T, begin, strict=True)])
        tails += np.maximum(side * x - ends.max(0), 0) / excess
    return apart.min(1), np.sqrt((np.maximum(tails - np.log(2), 0) ** 2).sum(1))


def test_a_unit_is_where_the_oddest_twentieth_begins() -> None:
    usual = np.arange(101.0)
    new = np.array([50.0, 95.0, 140.0, 5.0, -40.0, -np.inf])
    np.testing.assert_allclose(tails(new, usual), [0, 1, 2, -1, -2, -np.inf])
    np.testing.assert_allclose(Measure.of("", "far", tails, new, usual).values, [0, 1, 2, 0, 0, 0])
    nearly = np.r_[np.full(99, 3.0), 4.0]
    np.testing.assert_allclose(tails(np.array([3.0, 5.0, 1.0]), nearly), [0, 2, -2])
    for none in (np.full(9, 3.0), np.full(9, 3.0) + 1e-8 * np.arange(9), np.ones(1), np.full(3, np.nan)):
        assert np.isnan(tails(np.array([3.0, 4.0, -np.inf]), none)).all()  # nothing says how far is far


def test_a_surprise_is_1_where_a_twentieth_is_as_high_and_goes_on_by_the_mean_excess() -> None:
    usual = np.random.default_rng(0).exponential(2.0, 100_000)
    expected = np.array([1.0, 2.0, 3.0, 10.0, np.inf])
    np.testing.assert_allclose(surprises(-2 * np.log(0.05) * expected, usual), expected, rtol=0.05)
    assert np.isnan(surprises(np.array([1.0, 2.0]), np.ones(5))).all()
    assert np.isnan(surprises(np.array([np.nan]), usual)).all()


def test_too_likely_is_counted_in_the_nats_of_the_lower_tail() -> None:
    usual = np.concatenate([np.linspace(-100, 0, 51), np.linspace(0, 2, 50)])  # median 0, 5 % at −90, 95 % at 1.8
    low, high = np.quantile(usual, (0.05, 0.95))
    found = likelihoods(np.array([0.0, 1.0, high, high - 2 * low, 3 * low, -np.inf]), usual)
    np.testing.assert_allclose(found, [0, 0, 0, 2, -3, -np.inf])


def test_the_share_of_validation_examples_that_are_less_odd(table: Run) -> None:
    scores = table.score(table.data.valid.x.numpy(), oddity=True)
    expected = 100 * (scores.oddity[:, None] > scores.oddity).mean(1)
    np.testing.assert_allclose(scores.oddity_percentile, expected)


def test_bits_per_value_are_those_of_the_best_prediction() -> None:
    domain = Domain("levels", (16, 16, 3), 256)
    ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None] * 9, (16, 16, 3))
    plain, slope, noise = bits_per_value(np.stack([GREY, ramp, NOISE]).astype(np.float32), domain)
    assert plain == 8 * len(zlib.compress(GREY.tobytes(), 9)) / 768 and plain < 0.2
    assert slope < 0.5 and 8 <= noise < 8.5
    flat = bits_per_value(np.arange(100, dtype=np.float32)[None], Domain("levels", (100,), 256))
    assert flat[0] == 8 * len(zlib.compress(bytes([0] + [1] * 99), 9)) / 100


def test_only_pictures_and_many_levels_are_compressed() -> None:
    kinds = [("levels", (8, 8), 17), ("unit", (8, 8), None), ("levels", (64,), 5), ("binary", (28, 28), None)]
    assert all(is_compressible(Domain(*kind)) for kind in kinds)
    others = [("levels", (16,), 5), ("real", (8, 8), None), ("unit", (100,), None), ("count", (100,), None)]
    assert not any(is_compressible(Domain(*kind)) for kind in others)


def test_a_model_without_latents_is_judged_by_the_rest(tmp_path: Path) -> None:
    digits = load_digits().images.astype(np.uint8)
    plain = fitted(digits[:200], tmp_path / "run", model="autoregressive", steps=5, model__width=16)
    scores = plain.score(np.concatenate([digits[200:230], np.full((1, 8, 8), 16, np.uint8)]), oddity=True)
    assert np.isfinite(scores.oddity).all() and scores.oddity.argmax() == 30
    assert "far from training in z" not in scores.odd_by


def test_gaps_an_impossible_value_and_a_row_of_nothing(tmp_path: Path) -> None:
    x = TABLE.copy()
    x[::3, 1] = np.nan
    gaps = fitted(x[:300], tmp_path / "gaps", latent=3, **SMALL)
    new = x[300:].copy()
    new[4] = np.nan
    scores = gaps.score(new, oddity=True)
    assert np.isnan(scores.oddity[4]) and np.isnan(scores.oddity_percentile[4]) and scores.odd_by[4] == ""
    assert np.isfinite(np.delete(scores.oddity, 4)).all() and np.delete(scores.oddity_percentile, 4).mean() < 75
    few = RNG.integers(0, 6, (120, 4))
    odd = few[:5].copy()
    odd[3, 1] = 9
    found = fitted(few, tmp_path / "few", steps=5).score(odd, oddity=True)
    assert np.isposinf(found.oddity[3]) and found.oddity_percentile[3] == 100 and found.odd_by[3] == "log p(x) low"


def test_frames_and_files_have_the_columns(table: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"c{i}" for i in range(6)]
    frame = pd.DataFrame(TABLE[300:320], columns=names, index=[f"r{i}" for i in range(20)])
    found = table.score(frame, oddity=True)
    assert list(found.columns)[-3:] == ["oddity", "oddity_percentile", "odd_by"] and found.index[7] == "r7"
    pd.DataFrame(TABLE[:120], columns=names).to_csv("train.csv", index=False)
    frame.to_csv("new.csv", index=False)
    fitted("train.csv", tmp_path / "run", latent=3, **SMALL | {"steps": 20})
    for name in ("s.csv", "s.npz", "s.npy", "s.parquet"):
        assert main(["score", "run", "new.csv", "-o", name, "--oddity"]) == 0
    with open("s.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_array_equal([float(row["oddity"]) for row in rows], np.load("s.npz")["oddity"])
    np.testing.assert_array_equal(np.load("s.npy"), np.load("s.npz")["log_px"])
    Path("train.csv").rename("moved.csv")
    assert main(["score", "run", "new.csv", "-o", "t.csv", "--oddity"]) == 2
    assert main(["score", "run", "new.csv", "-o", "t.csv"]) == 0
    assert Run.load("run", data="moved.csv").score("new.csv", oddity=True).oddity.shape == (20,)


def test_a_pack_and_a_run_without_its_array_are_refused_with_a_way_that_works(table: Run, tmp_path: Path) -> None:
    unveil.pack(table, tmp_path / "pack")
    with pytest.raises(RequestError, match=r"An order by oddity needs .* is a pack, which keeps none\. Give the"):
        Run.load(tmp_path / "pack").score(TABLE[:2], oddity=True)
    with pytest.raises(RequestError, match="which keeps none"):
        unveil.load(tmp_path / "pack").score(TABLE[:2], oddity=True)
    with pytest.raises(RequestError, match=r"was fitted on an array in memory.*Run\.load"):
        Run.load(table.path).score(TABLE[:2], oddity=True)
    assert Run.load(table.path, data=TABLE[:300]).score(TABLE[:2], oddity=True).oddity.shape == (2,)
