"""Which Domain x belongs to, said in a sentence; what no domain takes is refused in one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..domain import Domain
from ..errors import RequestError
from .raw import Array

MAX_LEVELS = 256
FEW_LEVELS = 17  # uint8 up to 16 is a small scale of its own (digits); above, it is a picture with 256 levels
MAX_COUNT = 2**24  # float32 holds every integer up to here
VALUES = {"unit": "the numbers from 0 to 1", "count": f"the integers from 0 to {MAX_COUNT}"}
PEEK = 1000  # rows looked at before the whole array is


def require_numbers(x: Array) -> None:
    """x is [N, *shape] of finite real numbers, N ≥ 1: vectors (N, D), images (N, H, W) or (N, H, W, C)."""
    if x.dtype.kind not in "biuf":
        raise RequestError(f"x came as {x.dtype}; it must hold real numbers: bool, integers or floats.")
    if x.ndim == 1:
        raise RequestError(
            f"x came with the shape {x.shape}; it must be (N, D), (N, H, W) or (N, H, W, C). For N single values give "
            "x[:, None], for one example x[None]."
        )
    if not 2 <= x.ndim <= 4:
        raise RequestError(f"x came with the shape {x.shape}; it must be (N, D), (N, H, W) or (N, H, W, C).")
    if x.size == 0:
        raise RequestError(f"x came with the shape {x.shape}, which holds nothing; every size must be at least 1.")
    if x.dtype.kind == "f":
        refuse_where(
            ~np.isfinite(x), x, "that are not finite numbers", "Drop those rows or fill them in; x must be complete."
        )


def require_enough(num_examples: int) -> None:
    """Enough examples to train, validate and test."""
    if num_examples < 10:
        raise RequestError(f"x holds {num_examples} examples; at least 10 are needed to train, validate and test.")


def require_varied(x: Array, rows: NDArray[np.int64]) -> None:
    """The training rows of x are not all the same."""
    first = x[rows[:1]]
    if all(bool((x[rows[i : i + PEEK]] == first).all()) for i in range(0, len(rows), PEEK)):
        raise RequestError(f"All {len(rows)} training examples are identical; there is nothing to learn from them.")


def recognise(x: Array, domain: str = "auto", levels: int = 0) -> tuple[Domain, tuple[str, ...]]:
    """The Domain of x [N, *shape] and the sentences that say why.

    Integers 0 … 255, in whatever dtype, are binary where none is above 1, else levels; other floats are real. Vectors
    of integers that go on above 255 are counts. That x lies in [0, 1] is hinted at and never taken for granted.

    Arguments: `domain`, "auto" or the kind that the user asks for; `levels`, n of levels(n), 0 to count them.
    """
    _require_levels(domain, levels)
    shape = x.shape[1:]
    if domain == "real":
        _require_float32(x)
        return Domain("real", shape), ("x is taken as real, as asked.",)
    if domain in VALUES:
        refuse_outside(x, domain, f"{domain} data", "Give data.domain=real, or leave data.domain out.")
        return Domain(domain, shape), (f"x is taken as {domain}, as asked.",)
    low, high = float(x.min()), float(x.max())
    whole = is_whole(x)
    asked = domain != "auto" or levels > 0
    if not asked and x.dtype.kind in "iu" and len(shape) == 1 and low >= 0 and high >= MAX_LEVELS:
        refuse_outside(x, "count", "count data", "Give data.domain=real.")
        said = f"x is {x.dtype} and holds {int(low)} to {int(high)}: count; data.domain=real takes it as real."
        return Domain("count", shape), (said,)
    if not (whole and low >= 0 and high < MAX_LEVELS):
        if asked or x.dtype.kind != "f":
            _refuse_as_levels(x, whole, low, high, domain if domain != "auto" else "levels")
        _require_float32(x)
        return Domain("real", shape), (f"x is {x.dtype} and not a scale of 0 to 255: real.", *_hints(x, whole))
    top = int(high)
    if domain == "binary" or (not asked and top <= 1):
        if top > 1:
            raise RequestError(
                f"x holds the integers {int(low)} to {top}; binary data is 0 and 1. Turn grey levels into draws with "
                "data.binarization=dynamic, or leave data.domain out."
            )
        return Domain("binary", shape), ("x holds only 0 and 1: binary.", *_layout(shape))
    count = levels or (MAX_LEVELS if x.dtype == np.uint8 and top >= FEW_LEVELS else max(top + 1, 2))
    if top >= count:
        raise RequestError(f"x holds the value {top}; levels({count}) end at {count - 1}. Give data.levels={top + 1}.")
    found = Domain("levels", shape, count)
    return found, (_said(x, int(low), top, found), *_two_values(x, top), *_layout(shape))


def store(x: Array, domain: Domain) -> Array:
    """x as it is kept: a C-contiguous copy, uint8 where there are levels, else float32."""
    return np.array(x, np.uint8 if domain.is_finite else np.float32, order="C")


def is_whole(x: Array) -> bool:
    """Whether every value of x is an integer, whatever its dtype."""
    if x.dtype.kind != "f":
        return True
    return all(bool((part == np.rint(part)).all()) for part in (x[:PEEK], x))


def is_scaled(x: Array) -> bool:
    """Whether float x looks like grey levels divided by 255."""
    if x.dtype.kind != "f" or x.min() < 0 or x.max() > 1:
        return False
    close = 0.13 if x.dtype == np.float16 else 1e-3
    return all(bool((np.abs(v - np.rint(v)) < close).all()) for v in (part * 255.0 for part in (x[:PEEK], x)))


def refuse_where(bad: NDArray[np.bool_], x: Array, what: str, remedy: str) -> None:
    """Refuse x [N, …] if `bad` marks any of its values; the sentence counts them and shows the first."""
    if bad.any():
        row, *place = (int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        first = f"{x[(row, *place)]} in row {row}, position {place[0] if len(place) == 1 else tuple(place)}"
        raise RequestError(f"x holds {int(bad.sum())} values {what}, the first {first}.", remedy)


def refuse_outside(x: Array, kind: str, whose: str, remedy: str) -> None:
    """Refuse what is no unit or count data."""
    bad = (x < 0) | (x > (1 if kind == "unit" else MAX_COUNT))
    if kind == "count" and x.dtype.kind == "f":
        bad |= x != np.rint(x)
    refuse_where(bad, x, f"outside {whose}, {VALUES[kind]}", remedy)


def require_float32(x: Array) -> None:
    """Real data is kept as float32; refuse what does not fit in it."""
    if x.dtype.itemsize > 4:
        largest = float(np.finfo(np.float32).max)
        refuse_where((x > largest) | (x < -largest), x, "beyond float32 (3.4e38)", "Rescale them.")


def _require_float32(x: Array) -> None:
    require_float32(x)
    if np.can_cast(x.dtype, np.float32):
        return
    spread = np.asarray(x.max(0), np.float64) - np.asarray(x.min(0), np.float64)
    lost = np.abs(x - x.astype(np.float32).astype(np.float64)).max(0)
    coarse = (spread > 0) & (lost > 1e-3 * spread)
    if coarse.any():
        place = tuple(int(i) for i in np.unravel_index(int(coarse.argmax()), coarse.shape))
        raise RequestError(
            f"Column {place[0] if len(place) == 1 else place} of x spans {spread[place]:.3g} around "
            f"{float(x[(0, *place)]):.6g}, finer than float32 can hold; subtract an offset from it first."
        )


def _require_levels(domain: str, levels: int) -> None:
    if levels and domain not in ("auto", "levels"):
        raise RequestError(f"data.levels={levels} came with data.domain={domain}; only levels have a number.")
    if levels and not 2 <= levels <= MAX_LEVELS:
        raise RequestError(f"data.levels came as {levels}; it is between 2 and {MAX_LEVELS}, or 0 to count them.")


def _refuse_as_levels(x: Array, whole: bool, low: float, high: float, kind: str) -> None:
    if whole:
        came, way = f"x holds integers from {low:.0f} to {high:.0f}", "Subtract the lowest, or give data.domain=real"
        way += ", or data.domain=count if they count something" if low >= 0 else ""
    else:
        came, way = "x holds values that are not integers", "Give data.domain=real, or leave data.domain and levels out"
    scaled = " (x looks like grey levels divided by 255: multiply by 255 and round)" if is_scaled(x) else ""
    raise RequestError(f"{came}; {kind} data holds 0 to {1 if kind == 'binary' else 255}. {way}{scaled}.")


def _said(x: Array, low: int, top: int, found: Domain) -> str:
    if x.dtype.kind == "f":
        return f"x is {x.dtype} and holds only the integers {low} to {top}: {found}; data.domain=real takes it as real."
    return f"x is {x.dtype} and holds {low} to {top}: {found}."


def _hints(x: Array, whole: bool) -> tuple[str, ...]:
    if is_scaled(x):
        return ("x looks like grey levels divided by 255; np.rint(x * 255) makes it levels(256).",)
    if whole:
        count = ", or give data.domain=count if they count something" if x.min() >= 0 else ""
        said = "x holds only integers, for which a density has no upper bound; shift them into 0 … 255 for levels"
        return (f"{said}{count}.",)
    if x.min() >= 0 and x.max() <= 1:
        return ("x lies in [0, 1]; data.domain=unit gives it a density that does, too.", *_layout(x.shape[1:]))
    return _layout(x.shape[1:])


def _two_values(x: Array, top: int) -> tuple[str, ...]:
    if top > 1 and all(bool(((part == 0) | (part == top)).all()) for part in (x[:PEEK], x)):
        return (f"x holds only 0 and {top}; x // {top} makes it binary.",)
    return ()


def _layout(shape: tuple[int, ...]) -> tuple[str, ...]:
    if len(shape) == 3 and shape[0] in (1, 3) and shape[2] > 4:
        return (
            f"x is read as images of height {shape[0]}, width {shape[1]} and {shape[2]} channels; if channels come "
            "first, give x.transpose(0, 2, 3, 1).",
        )
    return ()
