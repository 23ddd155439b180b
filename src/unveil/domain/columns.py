"""What one column of a mixed table can hold, as the numbers that x holds of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from ..errors import RequestError

ColumnKind = Literal["category", "ordinal", "cells", "count", "real"]
MOST_LEVELS, MOST_ATOMS = 2**24, 1000
OWN = 256  # levels of a column that have a number of their own; the rarest of more share the last one


class ColumnRecord(Struct):
    """A column as files hold it."""

    kind: ColumnKind
    num_levels: Annotated[int, Meta(ge=0, le=MOST_LEVELS)] = 0
    atoms: Annotated[list[float], Meta(max_length=MOST_ATOMS)] = []
    may_be_missing: bool = False


@dataclass(frozen=True)
class ColumnDomain:
    """The set that one value of a column comes from.

    Arguments:
        kind: "category" (the codes 0 … n − 1, in no order), "ordinal" (the same, in their order), "cells" (the
            integers: each the cell of one recorded number, so that p is a probability), "count" (cells from 0 upwards)
            or "real" (a density).
        num_levels: n of a category or ordinal.
        atoms: values of a number that come so often that each has a probability of its own.
        may_be_missing: whether to hold no value is an outcome, too, whose probability hangs on the value; else what is
            missing is ignored.
    """

    kind: ColumnKind
    num_levels: int = 0
    atoms: tuple[float, ...] = ()
    may_be_missing: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(ColumnKind):
            raise RequestError(f"A column came as {self.kind!r}; it is one of {', '.join(get_args(ColumnKind))}.")
        if self.has_levels != (self.num_levels > 0) or (self.has_levels and self.atoms):
            raise RequestError(
                f"A column of kind {self.kind} came with {self.num_levels} levels and {len(self.atoms)} atoms; a "
                "category or an ordinal has levels and no atoms, any other column no levels."
            )
        if len(set(self.atoms)) < len(self.atoms) or not all(map(math.isfinite, self.atoms)):
            raise RequestError("The atoms of a column are finite numbers, each of which comes once.")

    @property
    def has_levels(self) -> bool:
        """Whether it takes the values 0 … n − 1."""
        return self.kind in ("category", "ordinal")

    @property
    def is_discrete(self) -> bool:
        """Whether its p is a probability."""
        return self.kind != "real"

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        found: dict[str, Any] = {"kind": self.kind}
        if self.num_levels:
            found["num_levels"] = self.num_levels
        if self.atoms:
            found["atoms"] = list(self.atoms)
        if self.may_be_missing:
            found["may_be_missing"] = True
        return found

    @staticmethod
    def from_json(stored: dict[str, Any]) -> ColumnDomain:
        atoms, missing = tuple(stored.get("atoms", ())), stored.get("may_be_missing", False)
        return ColumnDomain(stored["kind"], stored.get("num_levels", 0), atoms, missing)
