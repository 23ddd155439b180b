"""How simple x is: the bits per value that a general compressor needs for it."""

import zlib

import numpy as np
from numpy.typing import NDArray

from ..domain import Domain

ENOUGH = 64  # values of an example, below which its compressed size says more of the compressor than of it
LEVEL = 9  # of zlib: the smallest result
SCALE = 255  # levels that values in [0, 1] are cut into


def is_compressible(domain: Domain) -> bool:
    """Whether x are pictures or levels of enough values for their compressed size to mean something."""
    return domain.num_dims >= ENOUGH and (domain.is_finite or (domain.is_image and domain.kind == "unit"))


def bits_per_value(x: NDArray[np.float32], domain: Domain) -> NDArray[np.float64]:
    """Compressed bits per value [N] of x [N, *shape], the least of four ways to predict a value from those before it.

    As in PNG, a value is replaced by its difference to nothing, to its left neighbour, to the one above, or to left +
    above − above left, modulo 256, and what remains is compressed by zlib.

    References: Serrà et al., Input Complexity and Out-of-Distribution Detection with Likelihood-Based Generative Models
    (2020), §3.
    """
    whole = np.rint(x * (SCALE if domain.kind == "unit" else 1)).astype(np.int64)
    values = whole.astype(np.uint8 if whole.max(initial=0) < 256 else np.uint16)
    return np.array([_bits(v) for v in values]) / domain.num_dims


def _bits(x: NDArray[np.unsignedinteger]) -> int:
    """Compressed bits of one example [H, W, C], [H, W] or [D]."""
    left, above = np.zeros_like(x), np.zeros_like(x)
    left_above = np.zeros_like(x)
    if x.ndim == 1:
        left[1:] = x[:-1]
        ways = [x, x - left]
    else:
        left[:, 1:], above[1:], left_above[1:, 1:] = x[:, :-1], x[:-1], x[:-1, :-1]
        ways = [x, x - left, x - above, x - left - above + left_above]
    return 8 * min(len(zlib.compress(np.ascontiguousarray(way).tobytes(), LEVEL)) for way in ways)
