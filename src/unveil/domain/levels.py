"""x of the integers 0 … n − 1, n ≤ 256: bits, grey levels and other small scales."""

import numpy as np

from ..errors import Fact, RequestError
from .kind import Kind, kind
from .values import MAX_LEVELS, Array, Values, is_whole, lies_in, pieces, refuse_where

MANY_LEVELS = 32  # whole numbers up to here and above are levels(256) in any type: a new one may be a little larger
FEW_LEVELS = 17  # uint8 up to 16 is a small scale of its own (digits); above, it is a picture with 256 levels


@kind("binary")
class Binary(Kind):
    """0 and 1."""

    order, is_discrete, is_finite, likelihood = 10, True, True, "bernoulli"

    def recognises(self, x: Values) -> bool:
        return x.is_scale and x.high <= 1

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        x.require_scale("binary")
        if x.high > 1:
            raise RequestError(
                f"x holds the integers {int(x.low)} to {int(x.high)}; binary data is 0 and 1. Turn grey levels into "
                "draws with data.binarization=dynamic, or leave data.domain out."
            )
        return None, (Fact("x holds only 0 and 1: binary."), *x.layout)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        _refuse_outside(x, domain, 1, "Turn it into 0 and 1 first, for instance x > x.max() / 2.")

    def nearest(self, x: Array, num_levels: int | None) -> Array:
        return _nearest(x, 1)


@kind("levels")
class Levels(Kind):
    """The integers 0 … n − 1."""

    order, is_discrete, is_finite, has_levels = 20, True, True, True
    likelihood, smooth_likelihood = "categorical", "discretized_logistic"

    def recognises(self, x: Values) -> bool:
        return x.is_scale

    def take(self, x: Values, levels: int, asked: bool) -> tuple[int, tuple[str, ...]]:
        x.require_scale("levels")
        dtype, top = x.x.dtype, int(x.high)
        open_ended = top >= (FEW_LEVELS if dtype == np.uint8 else MANY_LEVELS)
        n = levels or (MAX_LEVELS if open_ended else max(top + 1, 2))
        if top >= n:
            raise RequestError(f"x holds the value {top}; levels({n}) end at {n - 1}. Give data.levels={top + 1}.")
        only, way = ("only the integers ", "; data.domain=real takes it as real") if dtype.kind == "f" else ("", "")
        said = f"x is {dtype} and holds {only}{int(x.low)} to {top}: levels({n}){way}."
        return n, (said if way and not asked else Fact(said), *_two(x.x, top), *x.layout)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        assert num_levels is not None
        _refuse_outside(x, domain, num_levels - 1, _beyond(Values(x)))

    def nearest(self, x: Array, num_levels: int | None) -> Array:
        assert num_levels is not None
        return _nearest(x, num_levels - 1)


def _beyond(x: Values) -> str:
    """How to fit a run that takes whole numbers beyond those of its training."""
    if not x.whole or x.low < 0:
        return ""
    if x.x.ndim > 2 and x.high < MAX_LEVELS:
        return f"Fitted with data.levels={MAX_LEVELS}, a run takes all levels of 8 bits."
    return "Fitted with data.domain=count, a run takes whole numbers beyond those of its training."


def _nearest(x: Array, top: int) -> Array:
    return np.clip(np.rint(x) if x.dtype.kind == "f" else x, 0, top)


def _two(x: Array, top: int) -> tuple[str, ...]:
    if top > 1 and all(bool(((part == 0) | (part == top)).all()) for part in pieces(x)):
        return (f"x holds only 0 and {top}; x // {top} makes it binary.",)
    return ()


def _refuse_outside(x: Array, domain: str, top: int, remedy: str) -> None:
    if lies_in(x, 0, top) and is_whole(x):
        return
    bad = (x < 0) | (x > top) | (x != np.rint(x) if x.dtype.kind == "f" else False)
    if top == 255 and Values(x).is_scaled:
        remedy = "It looks divided by 255; give np.rint(x * 255)."
    refuse_where(bad, x, f"outside this run's domain {domain}, the integers 0 to {top}", remedy)
