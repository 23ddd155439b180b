"""New numbers that are a hundredth or a thousandth of those in training, or as many times as much, are hinted at."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.data.scales import off_scale
from unveil.use.where import conditions

RNG = np.random.default_rng(5)
ROWS = 100
SHARES = RNG.integers(5, 80, ROWS)
KINDS: dict[str, dict[str, Any]] = {
    "mixed": {"model": "vae", "model__width": 8, "latent": 2, "steps": 3},
    "numbers": {"model": "linear_gaussian", "latent": 1, "steps": 3},
}


def written(path: Path, shares: list[str], kind: str) -> str:
    other = [f"{'xy'[i % 2]}" if kind == "mixed" else f"{v:.3f}" for i, v in enumerate(RNG.normal(size=len(shares)))]
    path.write_text("\n".join(["share,other", *(f"{s},{o}" for s, o in zip(shares, other, strict=True))]) + "\n")
    return str(path)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def percent(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(kind)
    return fitted(written(folder / "t.csv", [f"{s}%" for s in SHARES], kind), folder / "run", **KINDS[kind])


@pytest.fixture(scope="module")
def shares(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(kind)
    return fitted(written(folder / "t.csv", [f"{s / 100:.2f}" for s in SHARES], kind), folder / "run", **KINDS[kind])


def said(run: Run, source: Any, capfd: pytest.CaptureFixture[str], verb: str = "encode") -> str:
    out = str(Path(run.path).parent / "out.csv")
    given = ["--data", str(source)] if verb == "evaluate" else [str(source), "-o", out]
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as on a terminal
        assert main([verb, str(run.path), *given]) == 0
    return capfd.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("verb", ["encode", "score", "neighbours", "impute", "reconstruct", "interpolate", "evaluate"])
def test_a_percent_sign_that_is_missing_is_said(
    percent: Run, kind: str, verb: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "n.csv", [f"{s / 100:.2f}" for s in SHARES], kind)
    told = said(percent, source, capfd, verb)
    assert f"and held {SHARES.min()} to {SHARES.max()} in training, where 100 times as much would lie" in told
    assert "a percent sign stood there then. Nothing was converted." in told


def test_a_percent_sign_that_is_new_is_said(
    shares: Run, kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = said(shares, written(tmp_path / "n.csv", [f"{s}%" for s in SHARES], kind), capfd)
    assert "where a hundredth of it would lie: a percent sign stands there now" in told
    told = said(shares, written(tmp_path / "n.csv", [f"{s}" for s in SHARES], kind), capfd)
    assert "where a hundredth of it would lie: the unit may be another" in told


def test_the_same_numbers_without_the_sign_and_far_ones_are_not_hinted_at(
    percent: Run, kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for new in ([f"{s}" for s in SHARES], [f"{s}%" for s in SHARES[:3]], [f"{s + 7e6}" for s in SHARES]):
        assert "would lie" not in said(percent, written(tmp_path / "n.csv", new, kind), capfd)


def test_a_frame_and_an_array_are_hinted_at_in_python(tmp_path: Path) -> None:
    frame = pd.DataFrame({"weight": RNG.normal(70, 9, ROWS).round(1), "k": RNG.integers(0, 4, ROWS)})
    run = fitted(frame, tmp_path / "frame", **KINDS["mixed"])
    with pytest.warns(UserWarning, match=r"'weight' holds numbers .* where a thousandth of it would lie: the unit"):
        run.encode(frame.assign(weight=1000 * frame["weight"]))
    again = fitted(frame.to_numpy(), tmp_path / "array", **KINDS["mixed"], data__domain="mixed")
    (note,) = again.encode(frame.to_numpy() * [1000, 1]).notes
    assert note.startswith("Column '0' holds numbers such as ") and "where a thousandth of it would lie" in note
    with pytest.warns(UserWarning, match=r"'weight' is asked for as 0.7, .* where 100 times as much would lie"):
        conditions(run.store, "weight>0.7")


def test_most_numbers_tell_of_a_scale() -> None:
    usual = np.linspace(10, 50, 100)
    for factor in (100.0, 0.01, 1000.0, 0.001):
        assert off_scale(usual / factor, 10, 50) == factor
    assert off_scale(np.r_[usual[:80], usual[80:] / 100], 10, 50) == 1 and off_scale(usual[:0], 10, 50) == 1
    assert off_scale(usual / 30, 10, 50) == 1 and off_scale(np.zeros(5), 10, 50) == 1
    assert off_scale(np.array([0.5]), 10, 50) == 100 and off_scale(np.r_[usual / 100, 9.0], 10, 50) == 100


def test_a_percent_sign_that_is_new_is_said_also_where_the_numbers_fit(tmp_path: Path) -> None:
    frame = pd.DataFrame({"share": SHARES, "group": ["a", "b"] * (len(SHARES) // 2)})
    own = fitted(frame, tmp_path / "run", model="vae", steps=1)
    with pytest.warns(UserWarning, match="'share' holds percent signs, and held none in training; 5% is read as 5"):
        signed = own.score(frame.assign(share=[f"{s}%" for s in SHARES]))
    np.testing.assert_array_equal(signed.log_px, own.score(frame).log_px)
