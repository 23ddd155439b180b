"""What kind of values x takes: binary, levels(n), count, unit or real. A likelihood names the domains it is one of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .errors import RequestError, nearest

KINDS = ("binary", "levels", "count", "unit", "real")


@dataclass(frozen=True)
class Domain:
    """The set that one example x comes from.

    Arguments:
        kind: "binary" (0 or 1), "levels" (integers 0 … num_levels − 1), "count" (integers from 0 upwards), "unit"
            (numbers in [0, 1]) or "real".
        shape: the shape of one example: (D,) vectors, (H, W) or (H, W, C) images.
        num_levels: the number of levels; only for "levels".
    """

    kind: str
    shape: tuple[int, ...]
    num_levels: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RequestError(f"There is no domain {self.kind!r}.", nearest(self.kind, KINDS))
        if (self.kind == "levels") != (self.num_levels is not None):
            raise RequestError(f"Domain {self.kind!r} came with num_levels={self.num_levels}; only 'levels' takes one.")
        if not self.shape or min(self.shape) < 1:
            raise RequestError(f"One example has the shape {self.shape}; every size must be at least 1.")

    @property
    def num_dims(self) -> int:
        """D, the number of values in one example."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether an example has a height and a width."""
        return len(self.shape) in (2, 3)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        if not self.is_image:
            raise RequestError(f"x of shape {self.shape} is not an image.")
        height, width, *channels = self.shape
        return height, width, channels[0] if channels else 1

    @property
    def is_discrete(self) -> bool:
        """Whether log p(x) is the logarithm of a probability (and bits per dimension mean something)."""
        return self.kind in ("binary", "levels", "count")

    @property
    def is_finite(self) -> bool:
        """Whether one dimension takes finitely many values, `levels` of them."""
        return self.kind in ("binary", "levels")

    @property
    def levels(self) -> int:
        """The number of values that one dimension can take; 2 for binary."""
        if not self.is_finite:
            raise RequestError(f"{self.kind.capitalize()} data has no levels.")
        return self.num_levels or 2

    def __str__(self) -> str:
        return f"levels({self.num_levels})" if self.kind == "levels" else self.kind

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "num_levels": self.num_levels}

    @staticmethod
    def from_json(stored: dict[str, Any]) -> Domain:
        return Domain(stored["kind"], tuple(stored["shape"]), stored["num_levels"])
