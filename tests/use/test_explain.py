"""Why a row is odd: log p of each column given the others, the one that fits least, and what was to be expected."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError
from unveil.use.explain import oddest, ranked

RNG = np.random.default_rng(0)


def table(path: Path, rows: int = 300) -> Path:
    """sex goes with title, size with both; a number and a date stand beside them."""
    sex = RNG.integers(2, size=rows)
    size = np.where(RNG.random(rows) < 0.9, sex, 1 - sex)
    lines = ["sex,title,size,age"]
    for s, z in zip(sex, size, strict=True):
        lines.append(f"{('male', 'female')[s]},{('Mr', 'Mrs')[s]},{('L', 'S')[z]},{20 + 30 * s + RNG.integers(10)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ordered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("explain")
    options: dict[str, Any] = {"model": "any_order", "model__width": 24, "model__depth": 1, "train__lr": 0.02}
    return fitted(str(table(folder / "t.csv")), folder / "run", steps=60, **options)


def test_the_column_that_does_not_belong_is_named_and_what_was_expected(ordered: Run, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("sex,title,size,age\nmale,Mr,L,24\nmale,Mrs,S,55\nfemale,Mrs,S,22\n,Mrs,S,\n,,,\n", encoding="utf-8")
    assert main(["score", str(ordered.path), str(new), "-o", str(tmp_path / "s.csv"), "--explain"]) == 0
    with (tmp_path / "s.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-6:] == ["log_p_sex", "log_p_title", "log_p_size", "log_p_age", "oddest", "why"]
    assert rows[1]["oddest"] == "sex" and np.exp(float(rows[1]["log_p_sex"])) < 0.1
    assert rows[1]["why"].startswith("sex=male, p ") and rows[1]["why"].endswith("; expected female")
    assert rows[2]["oddest"] == "age" and "age=22, p " in rows[2]["why"] and "; expected 5" in rows[2]["why"]
    assert rows[3]["log_p_sex"] == rows[3]["log_p_age"] == "" and rows[3]["oddest"] in ("title", "size")
    assert rows[4]["oddest"] == rows[4]["why"] == ""
    assert all(float(rows[0][f"log_p_{name}"]) <= 0 for name in ("sex", "title", "size", "age"))


def test_probabilities_of_a_level_given_the_rest_add_up_to_one(ordered: Run, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("sex,title,size,age\nmale,Mr,L,24\nfemale,Mr,L,24\n", encoding="utf-8")
    found = ordered.score(new, explain=True).explanation
    assert np.exp(found.log_p[:, 0]).sum() == pytest.approx(1, abs=1e-5)


def test_explanations_are_columns_of_a_frame_and_arrays(ordered: Run, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(ordered.data_info["source"]).head(3)
    found = ordered.score(frame, explain=True)
    assert found.columns[-2:].tolist() == ["oddest", "why"] and found.oddest.isin(frame.columns).all()
    out = tmp_path / "s.npz"
    assert main(["score", str(ordered.path), ordered.data_info["source"], "-o", str(out), "--explain"]) == 0
    with np.load(out) as held:
        assert held["log_p_sex"].shape == (300,) and "why" not in held


X = (np.random.default_rng(1).random((200, 4)) < 0.5).astype(np.uint8)
X[:, 1] = X[:, 0]  # a column and its copy


def test_a_mixture_gives_ratios_of_enumerated_rows(tmp_path: Path) -> None:
    run = fitted(X, tmp_path / "run", model="mixture", steps=5)
    rows = np.array(list(itertools.product((0, 1), repeat=4)), np.uint8)
    p = np.exp(run.score(rows).log_px)
    assert p.sum() == pytest.approx(1, abs=1e-6)
    found = run.score(rows, explain=True)
    for d in range(4):
        other = rows.copy()
        other[:, d] = 1 - other[:, d]
        both = p + p[(other @ (8, 4, 2, 1)).astype(int)]
        np.testing.assert_allclose(found.explanation.log_p[:, d], np.log(p / both), atol=1e-4)
    assert found.explanation.oddest[0b0100] in ("x_0", "x_1")  # which are copies of each other
    assert found.explanation.why[0b0100].partition("; ")[2] in ("expected 0", "expected 1")


def test_a_linear_gaussian_gives_normals_in_closed_form(tmp_path: Path) -> None:
    z = np.random.default_rng(2).normal(size=(300, 1))
    x = (z @ np.array([[1.0, -2.0, 0.5]]) + 0.3 * np.random.default_rng(3).normal(size=(300, 3))).astype(np.float32)
    run = fitted(x, tmp_path / "run", model="linear_gaussian", latent=1, steps=20)
    new = x[:5].copy()
    new[0, 1] += 3
    found = run.score(new, explain=True).explanation
    drawn = run.sample(20_000)
    mean, cov = drawn.mean(0), np.cov(drawn.T)
    for d in range(3):
        rest = [i for i in range(3) if i != d]
        weight = cov[d, rest] @ np.linalg.inv(cov[np.ix_(rest, rest)])
        at, var = mean[d] + (new[:, rest] - mean[rest]) @ weight, cov[d, d] - weight @ cov[rest, d]
        truth = -((new[:, d] - at) ** 2) / (2 * var) - 0.5 * np.log(2 * np.pi * var)
        np.testing.assert_allclose(found.log_p[:, d], truth, atol=0.1, rtol=0.05)
    assert found.oddest[0] == "x_1" and ", p" not in found.why[0] and "; expected " in found.why[0]


def test_a_vae_weighs_draws_and_says_its_error(tmp_path: Path) -> None:
    run = fitted(X, tmp_path / "run", latent=2, model__width=8, model__network="plain", steps=20)
    scores = run.score(X[:5], explain=True)
    assert (scores.explanation.log_p < 0).all() and set(scores.explanation.oddest) <= {f"x_{d}" for d in range(4)}
    assert any("estimated from about 128 draws of z a row" in note for note in scores.notes)
    again = run.score(X[:5], explain=True).explanation
    np.testing.assert_array_equal(scores.explanation.log_p, again.log_p)


def test_pictures_are_refused(tmp_path: Path) -> None:
    run = fitted(X.reshape(200, 2, 2), tmp_path / "run", model="mixture", steps=2)
    with pytest.raises(RequestError, match=r"Explanations are of the columns of a table, and x is of shape 2×2"):
        run.score(X[:3].reshape(3, 2, 2), explain=True)


def test_a_column_is_ranked_among_its_own_and_of_several_at_0_the_farthest_is_named() -> None:
    usual = np.array([[-1.0, -10.0], [-2.0, -11.0], [-3.0, np.nan]])
    percentile, below = ranked(np.array([[-2.5, -10.5], [-4.0, -15.0], [np.nan, np.nan]]), usual)
    np.testing.assert_allclose(percentile[:2], [[100 / 3, 50], [0, 0]])
    assert below[1].tolist() == [1.0, 4.0] and np.isnan(percentile[2]).all()
    assert oddest(percentile, below).tolist() == [0, 1, -1]
