"""When one number of nats is better than another: beyond chance, and by more than is too little to matter."""

import math

WORTH = 0.05  # nats per example, below which a difference is none to anybody
SURE = 3.0  # standard errors, below which it may be chance


def clearly(difference: float, stderr: float | None, count: int, errors: float = SURE) -> int:
    """1 where a mean difference is clearly above 0, −1 where it is clearly below, 0 where nobody can tell.

    A standard error of few examples is itself uncertain: the limit rises as that of Student's t does, about
    1 + 3/(N − 1) times, and one example tells nothing.

    Arguments: difference, in nats; stderr, None where it is not known; count, N examples that both are of; errors, how
    many standard errors are enough.
    """
    if stderr is None or not math.isfinite(stderr) or count < 2:
        return 0
    limit = max(WORTH, errors * (1 + 3 / (count - 1)) * stderr)
    return 0 if abs(difference) <= limit else int(math.copysign(1, difference))
