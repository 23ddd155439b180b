"""Sparse matrices of scipy and AnnData in memory: the numbers of their dense twins, and what is said of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from quick import PLAIN_KEYS, no_baselines
from unveil import fit
from unveil.data import load, read_new
from unveil.data.reading import read
from unveil.domain import Domain
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(0.7, (40, 5)) * (np.arange(40)[:, None] != 3)
REAL = np.where(COUNTS > 0, RNG.normal(size=COUNTS.shape), 0.0)
FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")


class AnnData:
    """What `unveil` asks of an AnnData: X, obs, obs_names and var_names."""

    isbacked = False

    def __init__(self, X: Any, genes: list[str], **obs: Any) -> None:
        self.X = X
        self.obs = pd.DataFrame(obs, index=[f"cell {i}" for i in range(40)])
        self.var_names = pd.Index(genes)

    @property
    def obs_names(self) -> Any:
        return self.obs.index


AnnData.__module__ = "anndata._core.anndata"
GENES = [f"G{i}" for i in range(5)]


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(RequestError) as refused:
        load(source, **options)
    return str(refused.value)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["array", "matrix"])
def test_a_sparse_matrix_is_read_as_its_dense_twin(kind: str, name: str) -> None:
    for x in (COUNTS, REAL, COUNTS > 0):
        made = getattr(sparse, f"{kind}_{name}")(x)
        found = read(made)
        assert np.array_equal(found.x, x) and found.observed is None
    assert load(getattr(sparse, f"{kind}_{name}")(COUNTS)).domain == load(COUNTS).domain


def test_values_at_one_place_are_summed_and_nan_is_not_observed() -> None:
    twice = sparse.coo_array(([1.0, 2.0, np.nan], ([0, 0, 1], [1, 1, 0])), (30, 2))
    found = read(twice)
    assert found.x[0, 1] == 3.0 and found.observed is not None and not found.observed[1, 0]


def test_float32_is_taken_only_where_it_holds_every_number() -> None:
    assert read(sparse.csr_array(COUNTS.astype(np.float64))).x.dtype == np.float32
    exact = read(sparse.csr_array(REAL)).x
    assert exact.dtype == np.float64 and np.array_equal(exact, REAL)


def test_a_sparse_matrix_that_no_memory_holds_is_refused_before_it_is_made_dense() -> None:
    wide = sparse.csr_array((np.ones(2, np.float32), ([0, 9], [0, 2**30])), (2**20, 2**31 - 1))
    assert "memory are free; give fewer rows, or fewer columns" in refusal(wide)


def test_a_damaged_sparse_matrix_is_a_sentence() -> None:
    damaged = sparse.csr_array(COUNTS)
    damaged.indices[0] = 7
    assert "x, which is sparse, is damaged" in refusal(damaged)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_anndata_is_read_as_its_file_would_be(make: Any) -> None:
    adata = AnnData(make(COUNTS), GENES, type=pd.Categorical(["B", None, "T", "B"] * 10))
    data = load(adata, label="type")
    assert data.domain == Domain("count", (5,)) and data.columns == tuple(GENES) and data.classes == ("B", "T")
    assert read(adata, drop="G1").columns == ("G0", "G2", "G3", "G4") and np.array_equal(read(adata).x, COUNTS)
    assert read(AnnData(make(REAL), GENES)).domain == "real"
    more = AnnData(make(np.c_[COUNTS[:, ::-1], COUNTS[:, :1]]), [*GENES[::-1], "H"])
    new = read_new(more, Domain("count", (5,)), columns=GENES)
    assert np.array_equal(new.x, COUNTS) and "1 variable of the AnnData not used" in new.ignored[0]


def test_anndata_that_cannot_be_read_says_why() -> None:
    assert "does not have. Did you mean 'type'?" in refusal(AnnData(COUNTS, GENES, type=[1, 2] * 20), label="typ")
    assert "Put a layer there" in refusal(AnnData(None, GENES))
    assert "came as list" in refusal(AnnData(COUNTS.tolist(), GENES))
    backed = AnnData(COUNTS, GENES)
    backed.isbacked = True
    assert "adata.to_memory()" in refusal(backed)
    with pytest.raises(RequestError, match="the AnnData lacks the variable 'G9'"):
        read_new(AnnData(COUNTS, GENES), Domain("count", (2,)), columns=["G0", "G9"])


def test_what_is_found_of_anndata_has_the_names_of_its_observations(tmp_path: Path) -> None:
    x = RNG.normal(size=(40, 5))
    adata = AnnData(sparse.csr_matrix(x), GENES)
    with no_baselines():
        run = fit(adata, model="linear_gaussian", out=tmp_path / "run", evaluation__num_samples=10, **PLAIN_KEYS)
    for found in (run.score(adata), run.encode(adata)):
        assert found.index.equals(adata.obs_names) and np.isfinite(found.to_numpy(float)).all()
    with pytest.warns(UserWarning, match="no missing values"):
        assert np.array_equal(run.impute(adata), x)
