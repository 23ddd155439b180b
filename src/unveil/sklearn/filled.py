"""X with its holes filled."""

from typing import Any

from ..errors import remark
from ..runs.store import RunStore
from ..use.impute import complete


def filled(run: RunStore, X: Any, draw: bool, seed: int) -> Any:
    """X as it came, NaN replaced by E[x_missing|x_observed], or by a draw; what has no holes is nothing to speak of."""
    found = complete(run, X, mean=not draw, seed=seed)
    remark(found.notes if len(found.rows) else found.raw.ignored)
    return found.native()
