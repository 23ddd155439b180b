"""How odd x is: the farthest that one of several measures lies from the usual.

log p(x) alone does not find every odd example. Of pictures, what is simpler than all of training can be likelier than
any of it; they have the distance in z and the compressed size beside it. Of a table, log p hangs on the columns that
repeat their values; rows have the distance to the nearest known row and the tails of columns beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data import Split
from ..runs.store import RunStore
from .complexity import bits_per_value, is_compressible
from .embeddings import Embeddings, has_embeddings
from .knownrows import KnownRows, is_table
from .reference import Reference
from .show import batch_x
from .units import likelihoods, surprises, tails

Array = NDArray[np.float64]
NEIGHBOUR = 5  # the training example whose distance in z tells how far x is from training
SEARCHED = 20_000  # training examples that are searched in z
COMPARED = 1_000  # known rows of a table whose distances and tails say what is usual


@dataclass(frozen=True)
class Measure:
    """What says how odd x is: signed numbers of units, 0 for what is ordinary.

    Arguments: low and high, in words, what a negative and a positive number says of x; values [N], of new x; usual [M],
    of validation examples.
    """

    low: str
    high: str
    values: Array
    usual: Array

    @property
    def tells(self) -> bool:
        """Whether validation examples differ in it: else it has no unit."""
        return not bool(np.isnan(self.usual).all())

    @classmethod
    def of(
        cls,
        low: str,
        high: str,
        scale: Callable[[Array, Array], Array],
        values: Array,
        usual: Array,
        among: Array | None = None,
    ) -> Measure:
        """Both in units; a side without words is not odd.

        Arguments: scale, from values and what is usual to units; among [K], what the unit is of, by default `usual`.
        """
        ends = (-np.inf if low else 0.0, np.inf if high else 0.0)
        unit = usual if among is None else among
        return cls(low, high, scale(values, unit).clip(*ends), scale(usual, unit).clip(*ends))


@dataclass(frozen=True)
class Oddity:
    """How odd each row is.

    Arguments: value [N], the largest |number| of its measures; percentile [N], the share of validation examples (in %)
    that are less odd; by [N], in words, the measure that it is; notes, what there is to say of the measures.
    """

    value: Array
    percentile: Array
    by: NDArray[np.object_]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judge:
    """What the oddity of new rows is measured by, made before anything long is computed.

    Arguments: run; valid, validation examples; reference, their log p(x) on the draws of new rows; space, training
    examples in z, or None where the model has no z that stands for x, and for tables; known, the rows of a table.
    """

    run: RunStore
    valid: Split
    reference: Reference
    space: Embeddings | None
    known: KnownRows | None

    @classmethod
    def of(cls, run: RunStore, seed: int = 0) -> Judge:
        """Read the data of a run again; refused where it is not at hand."""
        data = run.training_data("An order by oddity")
        known = KnownRows.of(data) if is_table(run.domain) else None
        in_z = (known is None or not known.compares) and has_embeddings(run.model)
        space = Embeddings.of(run, "Oddity", SEARCHED) if in_z else None
        valid = run.judged("valid")
        return cls(run, valid, Reference.computed(run, valid, seed), space, known)

    def __call__(self, split: Split, log_px: Array) -> Oddity:
        """Arguments: split, new x; log_px [N] nats, theirs."""
        measures = list(self._measures(split, log_px))
        value, by = farthest([(m, m.values) for m in measures])
        nothing = _observed(split) == 0
        value = np.where(nothing, np.nan, value)
        by[nothing] = ""
        usual = np.sort(farthest([(m, m.usual) for m in measures])[0])
        usual = usual[~np.isnan(usual)]
        percentile = 100.0 * np.searchsorted(usual, value) / max(1, len(usual))
        return Oddity(value, np.where(np.isnan(value), np.nan, percentile), by, _said(measures, len(self.valid)))

    def _measures(self, split: Split, log_px: Array) -> Iterator[Measure]:
        assert self.reference.log_px is not None
        likely, usually = _per_value(log_px, split), _per_value(self.reference.log_px, self.valid)
        if self.known is None:
            yield Measure.of("log p(x) low", "log p(x) high", likelihoods, likely, usually)
        else:
            yield Measure.of("log p(x) low", "", _beyond_the_unlikeliest, likely, usually)
            yield from _beside_known(self.known, split, self.valid)
        if self.space is not None:
            far, usually = (_distance(self.space, part) for part in (split, self.valid))
            yield Measure.of("", "far from training in z", tails, far, usually)
        if is_compressible(self.run.domain):
            bits, usually = (_bits(self.run, part) for part in (split, self.valid))
            yield Measure.of("simple", "complex", tails, bits, usually)


def _beside_known(known: KnownRows, split: Split, valid: Split) -> Iterator[Measure]:
    compared = known.split.spread(COMPARED)
    parts = (split, valid, compared)
    if known.compares:
        yield Measure.of("", "far from known rows", surprises, *map(known.distance, parts))
    yield Measure.of("", "far out in columns", surprises, *map(known.tails, parts))


def _beyond_the_unlikeliest(values: Array, usual: Array) -> Array:
    """How far below the unlikeliest 5 % of `usual`, in units below 0 [n]; 0 for what is as likely as others.

    What hangs on the columns that repeat their values, as log p of a row does, is no order of ordinary rows.
    """
    return -np.maximum(surprises(-values, -usual) - 1, 0)


def farthest(found: list[tuple[Measure, Array]]) -> tuple[Array, NDArray[np.object_]]:
    """The largest |number| [N] of several measures, NaN where none is known, and its words [N]."""
    units = np.stack([each for _, each in found])  # [measures, N]
    sizes = np.where(np.isnan(units), -1.0, np.abs(units))
    best, row = sizes.argmax(0), np.arange(units.shape[1])
    words = np.array([(m.low, m.high) for m, _ in found], dtype=object)[best, (units[best, row] > 0).astype(int)]
    value = np.where(sizes[best, row] < 0, np.nan, sizes[best, row])
    return value, np.where(value > 0, words, "")


def _said(measures: list[Measure], count: int) -> tuple[str, ...]:
    """Which measures have no unit."""
    silent = [measure for measure in measures if not measure.tells]
    if len(silent) == len(measures):
        why = "there is only one" if count == 1 else f"all {count:,} of them are alike"
        return (f"The rows have no oddity: its unit is how far validation examples differ, and {why}.",)
    words = ", ".join(repr(measure.high or measure.low) for measure in silent)
    return (f"Oddity leaves out {words}: all validation examples are alike in it.",) if silent else ()


def _observed(split: Split) -> NDArray[np.int64]:
    """The number of observed values of each row, [N]."""
    return _counted(split.observed, split)


def _counted(values: Tensor | None, split: Split) -> NDArray[np.int64]:
    """The number of values of each row [N], of some [N, *shape] or of all."""
    if values is None:
        return np.full(len(split), split.domain.num_dims)
    found: NDArray[np.int64] = values.flatten(1).sum(1).cpu().numpy()
    return found


def _per_value(log_px: Array, split: Split) -> Array:
    """log p(x) per value that it is of, [N]: rows with gaps are compared with whole ones."""
    return log_px / np.maximum(_counted(split.settled, split), 1)


def _distance(space: Embeddings, split: Split) -> Array:
    """The distance to the 5th nearest training example in z, [N]."""
    _, distance = space.nearest(split, min(NEIGHBOUR, len(space.train)))
    return distance[:, -1]


def _bits(run: RunStore, split: Split) -> Array:
    """Compressed bits per value, [N]; NaN of rows with gaps, whose 0s are none of their values."""
    bits = bits_per_value(batch_x(split), run.domain)
    return np.where(_observed(split) < run.domain.num_dims, np.nan, bits)
