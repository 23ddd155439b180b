"""Which rows of a source train, validate and test."""

import numpy as np
from numpy.typing import NDArray

MAX_VALID = 5000


def split_rows(
    num_rows: int, num_test: int, seed: int, together: NDArray[np.int64] | None = None
) -> tuple[tuple[NDArray[np.int64], ...], str]:
    """(training, validation, test rows), each in the source's order, and the rule in a sentence.

    Arguments:
        num_test: the rows at the end that the source itself keeps for testing; 0 for none.
        together: [num_rows]; rows with the same number stay in one split, whose size is then the least that allows it.
    """
    pool = num_rows - num_test
    tenth = max(1, pool // 10)
    order, ends = _in_order(pool, seed, together)
    kept = "" if together is None else "; rows that belong together stay in one split"
    if num_test:
        size = _up_to(ends, min(tenth, MAX_VALID))
        test = np.arange(pool, num_rows)
        rule = (
            f"the source's own test rows; {size} validation rows (10 %, at most {MAX_VALID}) drawn from its training "
            f"rows by a permutation with data.seed={seed}{kept}"
        )
        return (np.sort(order[size:]), np.sort(order[:size]), test), rule
    valid = _up_to(ends, tenth)
    both = _up_to(ends, valid + tenth)
    rule = f"80/10/10 by a permutation with data.seed={seed}{kept}"
    return (np.sort(order[both:]), np.sort(order[:valid]), np.sort(order[valid:both])), rule


def _in_order(pool: int, seed: int, together: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first `pool` rows in random order, those that belong together in a row, and where each such run ends."""
    rng = np.random.default_rng((seed, 1))
    if together is None:
        return rng.permutation(pool), np.arange(1, pool + 1)
    names, which, sizes = np.unique(together[:pool], return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(names))
    return np.argsort(np.argsort(shuffled)[which], kind="stable"), np.cumsum(sizes[shuffled])


def _up_to(ends: NDArray[np.int64], wanted: int) -> int:
    """The smallest number of rows, at least so many, at which a run ends."""
    return int(ends[np.searchsorted(ends, wanted)])
