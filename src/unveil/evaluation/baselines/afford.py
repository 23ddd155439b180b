"""What a budget of operations pays for: sizes, rounds, starts and draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .examples import Examples

FLOPS = 2.5e10  # operations that a second is taken to be worth; a constant, so that results repeat exactly
DRAWS = (32, 16, 8, 4)  # K, as many as can be afforded
TRIES, ROUNDS, STARTS = 12, 30, 6  # rounds of EM for a try; more of them, and starts, for what was chosen
SCARCE = 4  # rounds of each where operations do not suffice
COMPONENTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500)
ENOUGH = 1500  # training examples that a try is worth making on
FEWEST = 5  # sizes, where the data has room for them
OVERRUN, LEAST_SECONDS = 3.0, 10.0  # times its share of the time, and seconds, that a baseline may take
CELLS = 2e7  # parameters of a mixture of categoricals, at most


class TooDear(Exception):
    """A simple model whose cheapest honest try takes far longer than its share of the time.

    Arguments: operations, that it would take.
    """

    def __init__(self, operations: float) -> None:
        super().__init__(operations)
        self.seconds = operations / FLOPS


def require_affordable(operations: float, allowed: float) -> None:
    """Raise TooDear above three times the operations that are allowed, and ten seconds."""
    if operations > max(OVERRUN * allowed, LEAST_SECONDS * FLOPS):
        raise TooDear(operations)


@dataclass(frozen=True)
class Cost:
    """Operations, measured and rounded up, as functions of the size.

    Arguments: score, of one example's log p(x); round, of one example in a round of EM; fixed, of a round besides.
    """

    score: Callable[[int], float]
    round: Callable[[int], float]
    fixed: Callable[[int], float]


@dataclass(frozen=True)
class Effort:
    """How a mixture is searched for.

    Arguments: sizes; num_knobs, of those there are; tried_rows and tries, the examples and rounds of EM of a try; rows
    and rounds, those that follow in a thorough fit; starts, how many of those at the largest size.
    """

    sizes: tuple[int, ...]
    num_knobs: int
    tried_rows: int
    tries: int
    rows: int
    rounds: int
    starts: int

    def operations(self, cost: Cost, examples: Examples) -> float:
        """What the search takes: tries and thorough fits, and judging them."""
        largest = self.sizes[-1]
        each = [*self.sizes, *[largest] * self.num_knobs]
        tried = sum(self.tries * (self.tried_rows * cost.round(size) + cost.fixed(size)) for size in each)
        thorough = self.starts * self.rounds * (self.rows * cost.round(largest) + cost.fixed(largest))
        judged = len(examples.valid) * sum(map(cost.score, each)) + len(examples.test) * cost.score(largest)
        return tried + thorough + judged


def plan_mixture(cost: Cost, examples: Examples, operations: float, *, num_knobs: int) -> Effort:
    """Two fifths of the operations for tries, as many for thorough fits, the rest for the test examples.

    The largest sizes are given up until each is tried on 1500 examples and on 20 per component (or on all there are),
    but never so many that fewer than five are left; then there are fewer rounds and knobs. A budget that is too small
    for even that is overrun rather than met by a baseline that does not try.
    """
    N, sizes, part = len(examples.train), _sizes(examples), 0.4 * operations
    while True:
        each = [*sizes, *[sizes[-1]] * num_knobs]  # the knobs, and perhaps a neighbour, at the largest size
        judging = len(examples.valid) * sum(map(cost.score, each))
        left = max(0.0, part - judging) / TRIES - sum(map(cost.fixed, each))
        rows, wanted = int(left / sum(map(cost.round, each))), min(N, max(ENOUGH, 20 * sizes[-1]))
        if rows >= wanted or len(sizes) <= FEWEST:
            break
        sizes = sizes[:-1]
    scarce, tried_rows = rows < wanted, min(N, max(rows, wanted))
    rounds = int(part / (N * cost.round(sizes[-1]) + cost.fixed(sizes[-1])))  # over all examples, in all starts
    starts = max(1, min(STARTS, rounds // ROUNDS))
    rows = N if rounds >= SCARCE else max(tried_rows, min(N, int(part / SCARCE / cost.round(sizes[-1]))))
    rounds = max(SCARCE, min(ROUNDS, rounds // starts))
    return Effort(
        tuple(sizes), 2 if scarce else num_knobs, tried_rows, SCARCE if scarce else TRIES, rows, rounds, starts
    )


def _sizes(examples: Examples) -> list[int]:
    """Numbers of components for which there are examples enough, and memory."""
    N, domain = len(examples.train), examples.domain
    cells = domain.num_dims * (domain.levels if domain.is_finite else 1)
    most = max(N // 5, min(N, COMPONENTS[FEWEST - 1]))
    return [C for i, C in enumerate(COMPONENTS) if most >= C and (C * cells <= CELLS or i < FEWEST)]


def most_draws(examples: Examples, operations: float, cost: Cost, sizes: Sequence[int]) -> int:
    """The most K with which validation at every size and the test at the largest stay within the operations."""
    judged = len(examples.valid) * sum(map(cost.score, sizes)) + len(examples.test) * cost.score(sizes[-1])
    return next((K for K in DRAWS if K * judged <= operations), DRAWS[-1])
