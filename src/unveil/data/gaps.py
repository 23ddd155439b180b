"""Whether which cells of a table are missing is part of x."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..domain import Domain
from ..errors import Fact, RequestError, nearest

INFORMATIVE = "informative"
GAPS = ("ignored", INFORMATIVE)


def require_gaps(gaps: str, missing: str) -> None:
    """Refuse what data.gaps does not take, and its words where marks of missing values are told."""
    if gaps not in GAPS:
        raise RequestError(f"data.gaps came as {gaps!r}.", nearest(gaps, GAPS))
    if missing in GAPS:
        raise RequestError(
            f"data.missing came as {missing!r}; it takes the marks of missing values, as -999.",
            f"How gaps are modelled is data.gaps={missing}.",
        )


def with_gaps(domain: Domain, observed: NDArray[np.bool_] | None, train: NDArray[np.int64]) -> tuple[Domain, str]:
    """The domain in which to be missing is an outcome of the columns that have gaps in training, and a sentence.

    Arguments: observed [N, D] of all rows; train, the rows of training.
    """
    told = f"data.gaps={INFORMATIVE} models which cells of a table are missing"
    if domain.columns is None:
        raise RequestError(f"{told}, and x is no table of mixed columns but {domain}; leave it out.")
    missing = [observed is not None and not bool(observed[train, d].all()) for d in range(domain.num_dims)]
    if not any(missing):
        raise RequestError(f"{told}, and no training row of this one has a gap; leave it out.")
    columns = tuple(replace(each, may_be_missing=gap) for each, gap in zip(domain.columns, missing, strict=True))
    said = f"log p is that of the row and of which of its cells are missing (data.gaps={INFORMATIVE})."
    return replace(domain, columns=columns), Fact(f"Missingness is modelled: {said}")
