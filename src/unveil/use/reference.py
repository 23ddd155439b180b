"""What the scores of new rows are ranked among: log p(x) of validation examples, computed as theirs.

All rows share the draws of z, validation examples included. A row's percentile then has no noise of other draws, and
the examples are spread no wider than the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..data import Split
from ..errors import Fact
from ..estimators.base import Estimate, evaluate
from ..runs.store import RunStore

Array = NDArray[np.float64]
ROUNDING = 1e-6  # of log p
FEW = 20  # validation examples, below which a percentile says little: one of them is more than 5 %


def scored(
    run: RunStore,
    split: Split,
    seed: int = 0,
    *,
    impossible: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Estimate:
    """log p(x) of every row, the labels of a model that takes some being summed over, on draws that all rows share.

    Arguments: impossible, whether −inf may come out.
    """
    plain, judge = replace(split, y=None, z=None), run.config.judging.make()
    return evaluate(run.model, plain, judge, seed=seed, common=True, impossible=impossible, progress=progress)[0]


@dataclass(frozen=True)
class Reference:
    """Validation examples that new rows are ranked among.

    Arguments: log_px [M] nats, or None where there are none to rank among; notes, sentences that say what to keep in
    mind; whole, [M] which have no gaps, that rows without gaps are ranked among; None where all are.
    """

    log_px: Array | None
    notes: tuple[str, ...] = ()
    whole: np.ndarray | None = None

    @classmethod
    def kept(cls, run: RunStore, seed: int) -> Reference:
        """Those that the run keeps, where they were scored as new rows are."""
        log_px, told = run.ranking()
        now = run.scoring(seed)
        found, whole = log_px.astype(np.float64), run.whole()
        few = said_few(len(log_px) if whole is None else int(whole.sum()))
        if not run.is_pack and (run.standing.mixture or run.standing.changed):
            return cls(None, (_OTHER_MODEL.format(again=run.judged_again),))
        if told == now.told or (not told and now.seed is None):
            return cls(found, few, whole)
        if not told:
            return cls(found, (*few, _OTHER_DRAWS.format(again=run.judged_again)), whole)
        if now.told | {"seed": told.get("seed")} == told:
            return cls(None, (_OTHER_SEED.format(seed=seed, kept=told["seed"]),))
        return cls(None, (_OTHER_MODEL.format(again=run.judged_again),))

    @classmethod
    def computed(cls, run: RunStore, valid: Split, seed: int) -> Reference:
        """The validation examples, scored now where what the run keeps was not scored as new rows are."""
        log_px, told = run.ranking()
        if told != run.scoring(seed).told:
            log_px = scored(run, valid, seed).log_px.numpy()
        whole = None if valid.whole is None else valid.whole.cpu().numpy()
        return cls(log_px.astype(np.float64), said_few(len(valid) if whole is None else int(whole.sum())), whole)

    def percentile(self, log_px: Array) -> Array:
        """The share [N] of the examples without gaps (in %) that are less likely; NaN where there are none."""
        if self.log_px is None or (self.whole is not None and not self.whole.any()):
            return np.full(len(log_px), np.nan)
        return share_below(log_px, np.sort(self.log_px if self.whole is None else self.log_px[self.whole]))


def share_below(log_p: Array, among: Array) -> Array:
    """The share (in %) of rising numbers [M] that are below each of log_p [N] by more than rounding.

    A row and its copy can differ in the last bits, by the rows that they are computed beside.
    """
    found: Array = 100.0 * np.searchsorted(among, log_p - ROUNDING * (1 + np.abs(log_p))) / len(among)
    return found


_OTHER_DRAWS = (
    "The percentiles are uncertain: an earlier version judged this run, and scored each validation example on draws of "
    "its own. {again}"
)
_OTHER_SEED = (
    "The rows have no percentile: the validation examples were scored on the draws of seed {kept}, and these rows on "
    "those of seed {seed}."
)
_OTHER_MODEL = "The rows have no percentile: the validation examples were not scored by the model of now. {again}"


def said_few(count: int) -> tuple[str, ...]:
    """That ranks among so few validation examples are coarse, where they are."""
    if count >= FEW:
        return ()
    them = "1 validation example" if count == 1 else f"{count} validation examples"
    return (Fact(f"The percentiles are ranks among only {them}: they are in steps of {100 / count:.3g} %."),)
