"""x of 0 and 1."""

from __future__ import annotations

from ..errors import RequestError
from .kind import Kind, kind
from .values import Array, Values, refuse_off_levels


@kind("binary")
class Binary(Kind):
    """0 and 1."""

    order, is_discrete, is_finite = 10, True, True

    def recognises(self, x: Values) -> bool:
        return x.is_scale and x.high <= 1

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        x.require_scale("binary")
        if x.high > 1:
            raise RequestError(
                f"x holds the integers {int(x.low)} to {int(x.high)}; binary data is 0 and 1. Turn grey levels into "
                "draws with data.binarization=dynamic, or leave data.domain out."
            )
        return None, ("x holds only 0 and 1: binary.", *x.layout)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        refuse_off_levels(x, domain, 1, "Turn it into 0 and 1 first, for instance x > x.max() / 2.")

    def likelihood(self, num_levels: int | None) -> str:
        return "bernoulli"
