"""x of columns that differ in kind: categories, ordered levels, recorded numbers, measured ones."""

import numpy as np

from ..errors import RequestError
from .kind import Kind, kind
from .values import Array, Values, refuse_where


@kind("mixed")
class Mixed(Kind):
    """A table whose columns have kinds of their own; `Domain.columns` holds them, and `data.tables` codes x by them."""

    order, is_discrete, has_columns, likelihood = 60, False, True, "columns"

    def recognises(self, x: Values) -> bool:
        return False

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        shape = "×".join(map(str, x.x.shape[1:]))
        raise RequestError(
            f"data.domain=mixed came for x of shape {shape}; it is for tables, of which each column has a kind.",
            "Leave data.domain out, or give vectors.",
        )

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        refuse_where(~np.isfinite(x), x, "that are not finite numbers", "")
