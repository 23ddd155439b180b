"""What other libraries hold in memory: sparse matrices of scipy, and AnnData, dense where memory holds that."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RequestError
from .h5ad import Variables
from .npyfiles import require_memory
from .raw import Array, Raw, is_missing
from .tablecolumns import near_column


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse matrix or array of scipy, which is not imported to ask."""
    module = sys.modules.get("scipy.sparse")
    return module is not None and bool(module.issparse(x))


def is_anndata(x: Any) -> bool:
    return type(x).__module__.split(".")[0] == "anndata" and type(x).__name__ == "AnnData"


def dense(x: Any, where: str = "x, which is sparse,") -> Array:
    """A sparse matrix as an array of the same numbers, in float32 where that holds each of them.

    Arguments: where, what it is, for a sentence.
    """
    found = x.tocsr() if x.format in ("bsr", "dia", "dok", "lil") else x
    if found.format in ("csr", "csc"):
        try:
            found.check_format(full_check=True)
        except ValueError as error:
            raise RequestError(f"{where} is damaged: {error}.", "Make it again from its values and places.") from error
    with np.errstate(over="ignore"):
        narrow = found.data.astype(np.float32) if found.dtype == np.float64 else found.data
    if narrow.dtype != found.dtype and np.array_equal(narrow, found.data, equal_nan=True):
        found = found.astype(np.float32)
    require_memory(math.prod(found.shape) * found.dtype.itemsize, where, "give fewer rows, or fewer columns")
    return np.asarray(found.toarray())


def read_anndata(adata: Any, *, label: str = "", drop: str = "", columns: Sequence[str] | None = None) -> Raw:
    """X of an AnnData in memory as x; arguments as of `h5ad.read_h5ad`."""
    names = tuple(map(str, adata.var_names))
    labels = _labels(adata.obs, label) if label and columns is None else None
    own = names if len(set(names)) == len(names) else None
    return Variables(_matrix(adata), own, labels, "X", "the AnnData", "the AnnData").as_raw("array", drop, columns)


def by_obs(adata: Any, columns: dict[str, Array]) -> Any:
    """Columns [N] as a frame of pandas with the names of the observations."""
    import pandas

    return pandas.DataFrame(columns, index=adata.obs_names)


def _matrix(adata: Any) -> Array:
    """X as an array."""
    if getattr(adata, "isbacked", False):
        raise RequestError(
            "x came as AnnData whose X stays in its file.", "Give adata.to_memory(), or the path of its .h5ad."
        )
    if adata.X is None:
        raise RequestError(
            "x came as AnnData without X.", "Put a layer there: adata.X = adata.layers[NAME], or read it so."
        )
    if is_sparse(adata.X):
        return dense(adata.X, "X of the AnnData")
    if not isinstance(adata.X, np.ndarray):
        raise RequestError(
            f"X of the AnnData came as {type(adata.X).__name__}; it is an array of NumPy or a sparse matrix of scipy."
        )
    return adata.X


def _labels(obs: Any, name: str) -> Array:
    """A column of obs [N], None where a label is missing."""
    if name not in obs.columns:
        raise RequestError(
            f"data.label names a column {name!r}, which obs of the AnnData does not have.",
            near_column(name, map(str, obs.columns)),
        )
    found = np.empty(len(obs), object)
    found[:] = [None if is_missing(value) else value for value in obs[name].tolist()]
    return found
