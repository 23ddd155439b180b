"""Recognise the Domain of x, and say why in a sentence; refuse in one what no domain takes."""

import numpy as np
from numpy.typing import NDArray

from ..domain import Domain, kinds
from ..domain.values import MAX_LEVELS, PEEK, Values, refuse_where
from ..errors import RequestError
from .raw import Array


def require_numbers(x: Array) -> None:
    """x is [N, *shape] of finite real numbers, N ≥ 1: vectors (N, D), images (N, H, W) or (N, H, W, C)."""
    if x.dtype.kind not in "biuf":
        what = "records with fields" if x.dtype.names else str(x.dtype)
        raise RequestError(f"x came as {what}; it must hold real numbers: bool, integers or floats.", _as_numbers(x))
    if x.ndim == 1:
        raise RequestError(
            f"x came with the shape {x.shape}; it must be (N, D), (N, H, W) or (N, H, W, C). For N single values give "
            "x[:, None], for one example x[None]."
        )
    if not 2 <= x.ndim <= 4:
        raise RequestError(f"x came with the shape {x.shape}; it must be (N, D), (N, H, W) or (N, H, W, C).")
    if x.size == 0:
        raise RequestError(f"x came with the shape {x.shape}, which holds nothing; every size must be at least 1.")
    if x.dtype.kind == "f" and not np.isfinite([x.min(), x.max()]).all():
        refuse_where(
            ~np.isfinite(x), x, "that are not finite numbers", "Drop those rows or fill them in; x must be complete."
        )


def _as_numbers(x: Array) -> str:
    """What makes real numbers of an array of another type."""
    ways = {
        "c": "Real and imaginary parts: np.stack([x.real, x.imag], -1).reshape(len(x), -1)",
        "U": "If it holds numbers as text: x.astype(float)",
        "S": "If it holds numbers as text: x.astype(float)",
        "M": "Days since the first: (x - x.min()) / np.timedelta64(1, 'D')",
        "m": "Days: x / np.timedelta64(1, 'D')",
        "V": "np.stack([x[name] for name in x.dtype.names], 1) makes a column of each" if x.dtype.names else "",
    }
    return ways.get(x.dtype.kind, "")


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

    Arguments: `domain`, "auto" or the kind that the user asks for; `levels`, n of levels(n), 0 to count them.
    """
    _require_levels(domain, levels)
    values, known = Values(x), kinds()
    if domain == "auto" and not levels:
        asked, taken = False, next((kind for kind in known.values() if kind.recognises(values)), None)
        if taken is None:
            values.require_scale("levels")
        assert taken is not None
    else:
        asked, taken = True, known["levels" if domain == "auto" else domain]
    num_levels, said = taken.take(values, levels, asked)
    return Domain(taken.name, x.shape[1:], num_levels), said


def _require_levels(domain: str, levels: int) -> None:
    if levels and domain != "auto" and not kinds()[domain].has_levels:
        raise RequestError(f"data.levels={levels} came with data.domain={domain}; only levels have a number.")
    if levels and not 2 <= levels <= MAX_LEVELS:
        raise RequestError(f"data.levels came as {levels}; it is between 2 and {MAX_LEVELS}, or 0 to count them.")
