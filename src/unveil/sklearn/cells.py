"""Arrays and lists whose cells are texts or other objects, as tables without names: each column is of its own kind."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from ..data.tablecolumns import narwhals
from ..errors import RequestError
from ..use.sample import FRAMES


def holds_texts(X: Any) -> bool:
    """Whether an array or a list of rows holds texts, so that it is no matrix of numbers."""
    if isinstance(X, np.ndarray):
        return X.ndim == 2 and (X.dtype.kind == "U" or (X.dtype == object and _any_text(X.ravel().tolist())))
    if not isinstance(X, list | tuple) or not all(isinstance(row, list | tuple) for row in X):
        return False
    return len({len(row) for row in X}) == 1 and any(map(_any_text, X))


def _any_text(cells: Any) -> bool:
    return any(isinstance(cell, str) for cell in cells)


def objects(X: Any) -> Any:
    """Rows of cells as an array of objects [N, D], None where a cell is empty."""
    found = np.empty((len(X), len(X[0])), object)
    found[:] = [list(row) for row in X]
    return found


def as_frame(X: Any) -> Any:
    """An array of objects [N, D] as a data frame with the names 0, 1, … as text."""
    nw = narwhals()
    library = next((name for name in FRAMES if find_spec(name)), None)
    if library is None:
        raise RequestError("X holds texts, and a table of them needs a data frame.", "pip install pandas brings one.")
    columns = {str(d): nw.new_series(str(d), _plain(X[:, d]), backend=library) for d in range(X.shape[1])}
    return nw.from_dict(columns).to_native()


def _plain(cells: Any) -> Any:
    """The cells of a column, numbers as an array of them; a column of text is a list."""
    values = cells.tolist()
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        if len(known) == len(values) and all(isinstance(value, int) for value in known):
            return np.array(values)
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return [None if isinstance(value, float) and value != value else value for value in values]


def as_cells(frame: Any) -> Any:
    """A data frame as an array of objects [N, D]."""
    columns = [series.to_list() for series in narwhals().from_native(frame, eager_only=True).iter_columns()]
    found = np.empty((len(columns[0]), len(columns)), object)
    for d, column in enumerate(columns):
        found[:, d] = column
    return found
