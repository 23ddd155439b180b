"""Rows of cells with texts among them are a table without names; sparse matrices are the dense ones."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from unveil.sklearn import LatentImputer, LatentModel

N = 60
RNG = np.random.default_rng(0)
ROWS: list[list[Any]] = [
    [str(RNG.choice(["red", "blue"])), float(RNG.normal()), int(RNG.integers(0, 9)), f"{RNG.integers(1, 9)}.5"]
    for _ in range(N)
]
QUICK: dict[str, Any] = {"model": "vae", "latent": 1, "steps": 2, "options": {"model.width": 8}}
LINEAR: dict[str, Any] = {"model": "linear_gaussian", "latent": 1, "steps": 3, "options": {"data.domain": "real"}}


@pytest.mark.parametrize("make", [list, lambda rows: np.array(rows, dtype=object)], ids=["lists", "objects"])
@pytest.mark.filterwarnings("ignore:.*numbers as text:UserWarning")
def test_rows_with_texts_are_a_table_whose_columns_have_kinds(make: Any) -> None:
    model = LatentModel(**QUICK).fit(make(ROWS))
    told = model.pack_["data.json"].decode()
    assert '"category"' in told or '"yes/no"' in told
    assert model.n_features_in_ == 4 and not hasattr(model, "feature_names_in_")
    scores = model.score_samples(make(ROWS))
    assert scores.shape == (N,) and np.isfinite(scores).all() and model.transform(make(ROWS)).shape == (N, 1)
    new = model.sample(5)
    assert new.shape == (5, 4) and new.dtype == object and set(new[:, 0]) <= {"red", "blue"}
    assert {type(cell) for cell in new[:, 1]} == {float} and {type(cell) for cell in new[:, 2]} == {int}
    assert np.array_equal(pickle.loads(pickle.dumps(model)).score_samples(make(ROWS)), scores)


@pytest.mark.filterwarnings("ignore:.*numbers as text:UserWarning")
def test_holes_of_rows_with_texts_are_filled() -> None:
    holes = [list(row) for row in ROWS]
    holes[3][0], holes[4][1], holes[5][2] = None, float("nan"), None
    full = LatentImputer(**QUICK, draw=True).fit_transform(holes)
    assert full.shape == (N, 4) and full.dtype == object and full[3, 0] in ("red", "blue")
    assert isinstance(full[4, 1], float) and full[4, 1] == full[4, 1] and full[5, 2] == int(full[5, 2])
    kept = [(i, d) for i in range(N) for d in range(4) if (i, d) not in {(3, 0), (4, 1), (5, 2)}]
    assert all(full[i, d] == ROWS[i][d] for i, d in kept)


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="4 features"):
        LatentModel(**QUICK).fit([[*row[:3], "x" if i % 2 else "y"] for i, row in enumerate(ROWS)]).score_samples(
            [["red", 1.0, 2]]
        )


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csr_array])
def test_sparse_rows_are_the_dense_ones(form: str, make: Any) -> None:
    X = np.where(RNG.random((N, 3)) < 0.5, RNG.normal(size=(N, 3)), 0).astype(np.float32)
    held = make(X).asformat(form)
    model, plain = LatentModel(**LINEAR).fit(held), LatentModel(**LINEAR).fit(X)
    assert np.allclose(model.score_samples(held), plain.score_samples(X))
    assert np.allclose(model.transform(held), plain.transform(X))
    assert np.array_equal(LatentImputer(**LINEAR).fit(held).transform(held), X)


def test_a_sparse_matrix_that_memory_does_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="sparse"):
        LatentModel(**LINEAR).fit(sparse.csr_matrix((10**7, 10**7), dtype=np.float32))
