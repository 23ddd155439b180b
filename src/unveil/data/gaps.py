"""Whether which cells of a table are missing is part of x."""

from dataclasses import replace
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from ..domain import Domain
from ..errors import Fact, RequestError

INFORMATIVE = "informative"
MISSING = ("ignored", INFORMATIVE)


def require_missing(missing: str) -> None:
    """Refuse what data.missing does not take; a mark of missing values with the key that takes it."""
    if missing not in MISSING:
        raise RequestError(
            f"data.missing came as {missing!r}; it takes {' or '.join(MISSING)}: how gaps are modelled.",
            f"A mark of missing values is told by {quote(f'data.na_values={missing}')}",
        )


def with_gaps(domain: Domain, observed: NDArray[np.bool_] | None, train: NDArray[np.int64]) -> tuple[Domain, str]:
    """The domain in which to be missing is an outcome of the columns that have gaps in training, and a sentence.

    Arguments: observed [N, D] of all rows; train, the rows of training.
    """
    told = f"data.missing={INFORMATIVE} models which cells of a table are missing"
    if domain.columns is None:
        raise RequestError(f"{told}, and x is no table of mixed columns but {domain}; leave it out.")
    missing = [observed is not None and not bool(observed[train, d].all()) for d in range(domain.num_dims)]
    if not any(missing):
        raise RequestError(f"{told}, and no training row of this one has a gap; leave it out.")
    columns = tuple(replace(each, may_be_missing=gap) for each, gap in zip(domain.columns, missing, strict=True))
    said = f"log p is that of the row and of which of its cells are missing (data.missing={INFORMATIVE})."
    return replace(domain, columns=columns), Fact(f"Missingness is modelled: {said}")
