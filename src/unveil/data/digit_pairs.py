"""Two handwritten digits, one above the other: pictures in which the order of the parts is known."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..registry import register
from .raw import Array, Raw
from .sources import DIGITS, Digits

POOLS, TEST_POOLS = 12, 2
EACH = 7  # pictures per ordered pair and pool
PAIRS = tuple((a, b) for a in range(10) for b in range(10) if a != b)
Rows = NDArray[np.int64]


@register("source", "digit_pairs")
class DigitPairs:
    """6,300 + 1,260 pictures, 16×8, 17 grey levels, of two different digits of `digits` stacked vertically.

    The digits are dealt out to 12 pools, alike in their classes, and both parts of a picture come from one pool: ten
    pools make the training rows, two the test rows, and validation takes a whole training pool, so that no digit is
    in two splits. Every ordered pair is equally frequent in every pool; the label is the pair, upper first ("3-5").

    References: the digits are those of the source `digits`.
    """

    summary: ClassVar[str] = (
        "6,300 + 1,260 pictures of two different digits, one above the other, 16×8, 17 grey levels; upper and lower "
        "digit are known; comes with scikit-learn"
    )

    def read(self) -> Raw:
        digits = Digits().read()
        assert digits.y is not None
        rng = np.random.default_rng(0)
        upper, lower = np.tile(np.repeat(PAIRS, EACH, axis=0), (POOLS, 1)).T
        pools = np.repeat(np.arange(POOLS), EACH * len(PAIRS))
        dealt = deal(digits.y, rng)
        parts = [digits.x[_pick(dealt, pools, digit, rng)] for digit in (upper, lower)]
        order = np.lexsort((rng.permutation(len(pools)), pools >= POOLS - TEST_POOLS))  # mixed, test rows last
        return Raw(
            "digit_pairs",
            np.concatenate(parts, axis=1)[order],
            np.tile(np.repeat(np.arange(len(PAIRS)), EACH), POOLS)[order],
            tuple(f"{DIGITS[a]}-{DIGITS[b]}" for a, b in PAIRS),
            num_test=TEST_POOLS * EACH * len(PAIRS),
            factors={"upper": upper[order], "lower": lower[order]},
            together=pools[order],
        )


def deal(y: Rows, rng: np.random.Generator) -> list[list[Rows]]:
    """The rows of each class [10] dealt out to the pools [12] at random."""
    shuffled = (rng.permutation(np.flatnonzero(y == digit)) for digit in range(10))
    return [np.array_split(rows, POOLS) for rows in shuffled]


def _pick(dealt: list[list[Rows]], pools: Array, digit: Array, rng: np.random.Generator) -> Rows:
    """A row of each wanted digit [N], from the wanted pool [N]."""
    u = rng.random(len(pools))
    found = (dealt[d][p] for d, p in zip(digit, pools, strict=True))
    return np.array([rows[int(v * len(rows))] for rows, v in zip(found, u, strict=True)])
