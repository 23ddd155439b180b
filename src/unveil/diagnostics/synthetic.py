"""Are synthetic rows of a table as good as real ones, and are they new? Everything beside what real rows reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..files import Plain
from ..legible import shortened
from .closeness import CLOSE, Closeness
from .finding import Finding
from .trends import PAIRED, Trends
from .usefulness import ToldApart, Useful

FOUND_FROM = 100  # synthetic and real rows, below which nothing is called wrong
LONGEST, NAMED = 40, 3  # characters of a name, and columns or pairs that a sentence names
# What one column may be off by beyond chance, and pairs on average; an AUC, and the part of what can be learned that is
# lost; a share of rows that are nearer to training rows, and by what copies are more than among held-out rows.
OFF, PAIRS_OFF, TOLD, LOST, NEARER, COPIES = 0.1, 0.05, 0.9, 0.25, 0.6, 0.01
FIDELITY = ("columns_differ", "pairs_differ", "rows_told_apart", "rows_less_useful")  # findings that training may mend


@dataclass(frozen=True)
class Synthetic(Plain):
    """M synthetic rows beside real ones.

    Arguments:
        names: of the columns.
        num_made, num_real: rows of both kinds that are compared, and real, which real rows these are, in words.
        gaps: whether rows have gaps; synthetic ones then got those of training rows, or where models_gaps their own.
        trends, told_apart, useful, closeness: what was measured; useful is None where nothing can be learned.
        has_latents: whether the model has any.
    """

    names: tuple[str, ...]
    num_made: int
    num_real: int
    real: str
    gaps: bool
    trends: Trends
    told_apart: ToldApart
    useful: Useful | None
    closeness: Closeness
    has_latents: bool
    models_gaps: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "rows": [list(row) for row in self.rows()], "words": self.words()}

    def rows(self) -> list[tuple[str, ...]]:
        """(what, of synthetic rows, of real rows or by chance, which is better) of each measure."""
        of, told, close = self.trends, self.told_apart, self.closeness
        found: list[tuple[str, ...]] = [
            ("mean error of a column", *map(_percent, (of.column_error(), of.column_error(True))), "lower"),
            ("mean error of a pair of columns", *map(_percent, (of.pair_error(), of.pair_error(True))), "lower"),
            ("told from real rows, AUC", f"{told.auc:.3f} ± {told.auc_stderr:.3f}", "0.500", "near 0.5"),
        ]
        if use := self.useful:
            made, real = (f"{value:.3f} ± {error:.3f}" for value, error in _both(use))
            found.append((f"{self._short(use.target)} learned from them, {use.measure}", made, real, "higher"))
        nearer = f"{_percent(close.nearer)} ± {100 * close.nearer_stderr:.1f} %"
        medians = (f"{value:.2f}" for value in (close.median, close.heldout_median))
        return [
            *found,
            ("distance to the closest training row", *medians, "not below real rows"),
            ("nearer to a training than to a held-out row", nearer, "50.0 %", "near 50 %"),
            ("closer to a training row than 95 % of real rows", _percent(close.close), _percent(CLOSE), "not above"),
            ("copies of a training row", *map(_percent, (close.copies, close.heldout_copies)), "not above real rows"),
        ]  # fmt: skip

    def words(self) -> list[str]:
        """What is compared, and where the rows are farthest off."""
        found = [
            f"{self.num_made:,} synthetic rows are compared with {self.num_real:,} real ones: {self.real}. Each error "
            "stands beside what it would be by chance, were all rows from one table.",
            self._farthest(
                "Columns", [(self._short(self.names[d]), e, c) for d, e, c in self.trends.worst_columns(NAMED)]
            ),
            self._farthest("Pairs", [(self._pair(two), e, c) for two, e, c in self.trends.worst_pairs(NAMED)]),
        ]
        if self.gaps and self.models_gaps:
            found.append(
                "Synthetic rows have the gaps that the model draws by their values, and columns are compared where "
                "they are observed. The share of gaps is not judged by itself."
            )
        elif self.gaps:
            found.append(
                "The model does not say which values are missing, so the share of gaps is not judged. Synthetic rows "
                "were given the gaps of training rows, and columns are compared where they are observed."
            )
        if len(self.names) > PAIRED:
            found.append(
                f"Pairs are those of {PAIRED} of the {len(self.names)} columns, taken from all over the table."
            )
        return [sentence for sentence in found if sentence]

    def _farthest(self, what: str, worst: Sequence[tuple[str, float, float]]) -> str:
        told = "; ".join(f"{name} {_percent(error)} (by chance {_percent(chance)})" for name, error, chance in worst)
        return f"{what} that are farthest off: {told}." if told else ""

    def _short(self, name: str) -> str:
        return shortened(name, LONGEST)

    def _pair(self, two: tuple[int, int]) -> str:
        return " and ".join(self._short(self.names[d]) for d in two)

    def findings(self) -> list[Finding]:
        """columns_differ, pairs_differ, rows_told_apart, rows_less_useful, rows_copied; silent where rows are few."""
        if min(self.num_made, self.num_real) < FOUND_FROM:
            return []
        checks = (self._columns_differ(), self._told_apart(), self._less_useful(), self._copied())
        return [found for found in checks if found]

    def _columns_differ(self) -> Finding | None:
        off = [(d, e, c) for d, e, c in self.trends.worst_columns(len(self.names)) if e - c > OFF]
        if not off:
            return self._pairs_differ()
        told = "; ".join(f"{self._short(self.names[d])} by {_percent(error)}" for d, error, _ in off[:NAMED])
        many = "1 column" if len(off) == 1 else f"{len(off)} columns"
        sentence = f"In {many} synthetic rows are spread otherwise than real ones: {told}."
        return Finding("columns_differ", sentence, off[0][1], self._remedy())

    def _pairs_differ(self) -> Finding | None:
        error, chance = self.trends.pair_error(), self.trends.pair_error(True)
        if error is None or chance is None or error - chance < PAIRS_OFF:
            return None
        sentence = (
            f"Columns of synthetic rows hang together otherwise than those of real rows. Pairs differ by "
            f"{_percent(error)} on average; by chance it would be {_percent(chance)}."
        )
        return Finding("pairs_differ", sentence, error, self._remedy())

    def _told_apart(self) -> Finding | None:
        auc, error = self.told_apart.auc, self.told_apart.auc_stderr
        if not auc - 3 * error > TOLD:
            return None
        sentence = (
            f"A classifier tells synthetic rows from real ones with an AUC of {auc:.3f} ± {error:.3f}; 0.5 would be "
            "a match."
        )
        return Finding("rows_told_apart", sentence, auc, self._remedy())

    def _less_useful(self) -> Finding | None:
        use = self.useful
        if use is None or not use.difference + 3 * use.difference_stderr < 0:
            return None
        lost = -use.difference / max(use.real - use.guess, 1e-12)
        if not (use.real > use.guess and lost > LOST):
            return None
        sentence = (
            f"Who learns {self._short(use.target)} from synthetic rows reaches {use.measure} {use.made:.3f} on "
            f"held-out rows. From training rows it is {use.real:.3f}, and by guessing {use.guess:.3f}."
        )
        return Finding("rows_less_useful", sentence, use.made, self._remedy())

    def _copied(self) -> Finding | None:
        close = self.closeness
        near = close.nearer > NEARER and close.nearer - 3 * close.nearer_stderr > 0.5
        beyond = close.copies - close.heldout_copies
        copied = beyond > COPIES and beyond > 3 * math.hypot(close.copies_stderr, close.heldout_copies_stderr)
        if not near and not copied:
            return None
        sentence = (
            f"Synthetic rows are close to training rows. {_percent(close.nearer)} of them are nearer to a training row "
            f"than to a held-out one; by chance it would be half. {_percent(close.copies)} equal a training row; of "
            f"held-out rows {_percent(close.heldout_copies)} do."
        )
        remedy = "Take a smaller network (model.width), more data, or fewer steps before you give such rows away."
        return Finding("rows_copied", sentence, close.nearer, remedy)

    def _remedy(self) -> str:
        other = "model without latents (--model autoregressive)" if self.has_latents else "larger network (model.width)"
        return f"Train longer, or take a {other}."


def _both(use: Useful) -> tuple[tuple[float, float], tuple[float, float]]:
    """(value, error) from synthetic rows, and from training rows."""
    return (use.made, use.made_stderr), (use.real, use.real_stderr)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
