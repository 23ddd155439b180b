"""x of the numbers in [0, 1]."""

from __future__ import annotations

from .kind import Kind, kind
from .values import Array, Values, refuse_where


@kind("unit")
class Unit(Kind):
    """The numbers in [0, 1]: hinted at, and never taken for granted."""

    order, is_discrete, ends = 40, False, (0.0, 1.0)
    retaken = "Numbers from 0 to 1 are unit data with data.domain=unit."
    taken_for = ("real", "binary")

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        _refuse(x.x, "unit data", "Give data.domain=real, or leave data.domain out.")
        return None, ("x is taken as unit, as asked.",)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        _refuse(x, f"this run's domain {domain}", "")

    def likelihood(self, num_levels: int | None) -> str:
        return "continuous_bernoulli"


def _refuse(x: Array, whose: str, remedy: str) -> None:
    refuse_where((x < 0) | (x > 1), x, f"outside {whose}, the numbers from 0 to 1", remedy)
