"""What comes out of a model is numbers: weights that grew without end would give none, in silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from ..errors import WorkError

BROKEN = "probability tensor contains"  # as torch begins to say that it cannot draw
ADVICE = "Its weights have grown without end, or x is far from that of training. Fit it anew with a smaller train.lr."


def finite(found: Tensor, what: str) -> Tensor:
    """The numbers themselves, refused where one is not finite.

    Arguments: what, they are, at the beginning of a sentence.
    """
    if not bool(found.isfinite().all()):
        raise WorkError(f"{what} of this model came out as no finite numbers.", ADVICE)
    return found


@contextmanager
def drawn() -> Iterator[None]:
    """Draws from a model; where it gives no probabilities to draw by, that is said."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith(BROKEN):
            raise
        raise WorkError("This model gives no probabilities to draw by.", ADVICE) from error
