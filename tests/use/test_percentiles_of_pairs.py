"""Rows without gaps are ranked among validation examples without gaps: log p of less is another quantity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unveil
from quick import fitted
from unveil.api import Run

RNG = np.random.default_rng(0)
X = (RNG.random((240, 4, 4)) < 0.4).astype(np.uint8)
TEXTS = [("aa", "b")[int(x[0, 0])] if i % 2 else None for i, x in enumerate(X)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("pairs") / "run"
    return fitted(X, path, model="joint", model__latent=2, model__width=16, steps=40, text=TEXTS)


def ranked(found: Run | unveil.Packed, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The percentiles of whole pairs, and what they are among the validation examples that are whole."""
    pairs = {"image": X[1:40:2], "text": TEXTS[1:40:2]}
    scores = found.score(pairs)
    valid = run.data.valid
    assert valid.whole is not None
    kept, _ = run.store.ranking()
    among = kept[valid.whole.numpy()]
    return scores.percentile, 100 * (among < scores.log_px[:, None] - 1e-6).mean(1)


def test_whole_pairs_are_ranked_among_whole_pairs(run: Run, tmp_path: Path) -> None:
    came, exact = ranked(run, run)
    np.testing.assert_allclose(came, exact, atol=1e-3)
    assert 0 < came.mean() < 100 and came.std() > 0
    unveil.pack(run, tmp_path / "packed")
    np.testing.assert_allclose(ranked(unveil.load(tmp_path / "packed"), run)[0], came)


def test_validation_examples_without_a_text_are_no_longer_compared_with(run: Run) -> None:
    """Ranked among all of them, whole pairs would look far less likely than they are."""
    kept, _ = run.store.ranking()
    whole = run.store.whole()
    assert whole is not None and 0 < whole.sum() < len(whole)
    assert kept[~whole].mean() > kept[whole].mean()


def test_rows_in_company_are_encoded_as_alone(run: Run) -> None:
    alone = run.encode({"image": X[1:2], "text": TEXTS[1:2]})
    both = run.encode({"image": [X[1], None], "text": [TEXTS[1], "b"]})
    text = run.encode(["aa", "b"])
    np.testing.assert_allclose(both.mean[0], alone.mean[0], rtol=1e-5)
    np.testing.assert_allclose(both.mean[1], text.mean[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both.stddev[1], text.stddev[1], rtol=1e-4)
