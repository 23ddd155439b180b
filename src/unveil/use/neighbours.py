"""The verb neighbours: which training examples lie nearest to x in z, and which rows of x are nearly one of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Data, Split
from ..errors import RequestError, at_least
from ..runs.given import given_with_outside
from ..runs.store import RunStore
from ..settings.judging import RANKED
from .embeddings import Embeddings
from .rows import as_it_came, file_column

NEAR = 0.1  # share of the usual distance to the nearest training example, up to which a row is nearly that example


@dataclass(frozen=True)
class Neighbours:
    """The k training examples nearest to each row, the nearest first.

    Arguments: rows [N], of x, by their place in the source; neighbour [N, k], training examples by their row in the
    data of the run, from 0; distance [N, k], ‖z − z'‖ of the posterior means, or the share of codes that differ;
    near_duplicate [N], whether the first is at most a tenth of `usual` away; usual, the median distance of a validation
    example to its nearest training example; files and neighbour_files [N, k], of folders of pictures, their paths.
    """

    rows: np.ndarray
    neighbour: np.ndarray
    distance: np.ndarray
    near_duplicate: np.ndarray
    usual: float
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    neighbour_files: np.ndarray | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.neighbour, dtype=dtype, copy=copy)

    def columns(self) -> dict[str, np.ndarray]:
        """near_duplicate, and neighbour_1 distance_1 (file_1) …, for a table."""
        found = file_column(self.files) | {"row": self.rows, "near_duplicate": self.near_duplicate}
        for i in range(self.neighbour.shape[1]):
            found |= {f"neighbour_{i + 1}": self.neighbour[:, i], f"distance_{i + 1}": self.distance[:, i]}
            if self.neighbour_files is not None:
                found[f"file_{i + 1}"] = self.neighbour_files[:, i]
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as arrays, the one that stands for all first."""
        return {name: getattr(self, name) for name in ("neighbour", "distance", "near_duplicate")} | {"row": self.rows}


def neighbours(
    run: RunStore,
    x: Any = None,
    k: int = 5,
    *,
    skip_broken: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """The k nearest training examples of every row of x (default: the test examples), as `Neighbours`.

    Near is what has near posterior means of z, by Euclidean distance; of codes, what shares many of them: the
    distance is the share of codes that differ. Of an example that is in the training set value by value it is 0. A row
    is a near duplicate where its nearest training example is at most a tenth as far as the nearest training example of
    a validation example usually is (the median). In few dimensions some rows are that near by chance. A data frame
    gives a frame of the same kind and index. Training data is needed: it is read again from where it was.

    Arguments: k, at most the number of training examples; skip_broken, leave out pictures of a folder that cannot be
    read.
    """
    at_least(1, "k", k)
    space = Embeddings.of(run, "A search for neighbours")
    data = space.data
    if k > len(data.train):
        raise RequestError(f"k is {k:,}; there are {len(data.train):,} training examples. Give at most that many.")
    if x is None:
        index, distance = space.nearest(data.test, k, progress)
        return _found(space, data.test.rows.cpu().numpy(), index, distance, (), _files_of(data, data.test))
    given = given_with_outside(run, x, skip_broken)
    index, distance = space.nearest(given.split, k, progress)
    notes = (*given.raw.ignored, *given.taken_at_nearest)
    return as_it_came(x, given.raw, _found(space, np.arange(len(index)), index, distance, notes, given.raw.files))


def _found(
    space: Embeddings,
    rows: NDArray[np.int64],
    index: NDArray[np.int64],
    distance: NDArray[np.float64],
    notes: tuple[str, ...],
    files: tuple[str, ...] | None,
) -> Neighbours:
    """What the search gave, in the numbers and the names of the source."""
    train, names = space.data.train.rows.cpu().numpy(), space.data.files
    usual = float(np.median(space.nearest(space.data.valid.spread(RANKED), 1)[1]))
    near = distance[:, 0] <= NEAR * usual
    where = None if names is None else np.array(names, dtype=object)[train[index]]
    said = (*notes, *_said(near, distance[:, 0] == 0, usual))
    return Neighbours(rows, train[index], distance, near, usual, said, files, where)


def _files_of(data: Data, split: Split) -> tuple[str, ...] | None:
    return None if data.files is None else tuple(data.files[row] for row in split.rows.tolist())


def _said(near: NDArray[np.bool_], equal: NDArray[np.bool_], usual: float) -> tuple[str, ...]:
    """How many near duplicates there are."""
    if not near.any():
        return ()
    same = f"; {int(equal.sum()):,} of them at distance 0" if equal.any() else ""
    return (
        f"{int(near.sum()):,} of {len(near):,} rows are near duplicates of a training example{same}: they are at most "
        f"{NEAR:g} times as far from it as a validation example usually is from its nearest one ({usual:.3g}).",
    )
