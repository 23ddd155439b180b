"""p(missing|x) of the columns of a mixed table, each by its own value alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..distributions.columnlayout import ColumnLayout, spans
from ..distributions.selection import NEVER, LogisticSelection, Selection
from ..distributions.stretch import Line
from ..domain import ColumnDomain
from ..domain.columns import OWN
from .base import PACE

SEEN_BEFORE = 0.5  # of missing cells and of others, before any came


class SelfMasking(nn.Module):
    """s_d(x_d) of the columns that `may_be_missing`: a log-odds of each level, a_d + b_d·T(x_d) of numbers.

    They start at the share that is missing, whatever the value.

    Arguments: columns, of the domain; layout, of the same.
    """

    selects: Tensor
    at: Tensor
    rows: Tensor

    def __init__(self, columns: Sequence[ColumnDomain], layout: ColumnLayout) -> None:
        super().__init__()
        own = [d for d, column in enumerate(columns) if column.may_be_missing]
        numeric = layout.numeric.tolist()
        sizes = {d: min(columns[d].num_levels, OWN) for d in own if columns[d].has_levels}
        places, self._total = spans(layout.levels), layout.num_logits_of_levels
        self.numbers = [d for d in own if not columns[d].has_levels]
        self.spans: dict[int, slice] = {}
        for d, size in sizes.items():
            first = self.spans[max(self.spans)].stop if self.spans else 0
            self.spans[d] = slice(first, first + size)
        self.logits = nn.Parameter(torch.zeros(sum(sizes.values())))  # over PACE, as a and b
        self.a, self.b = (nn.Parameter(torch.zeros(len(self.numbers))) for _ in range(2))
        at = [place for d in sizes for place in places[d]]
        is_own = [column.may_be_missing for column in columns]
        self.register_buffer("selects", torch.tensor(is_own), persistent=False)
        self.register_buffer("at", torch.tensor(at, dtype=torch.int64), persistent=False)
        rows = torch.tensor([numeric.index(d) for d in self.numbers], dtype=torch.int64)
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, layout: ColumnLayout, line: Line) -> Selection:
        """Of all columns."""
        levels = self.logits.new_full((self._total,), NEVER).index_copy(0, self.at, PACE * self.logits)
        flat = levels.split([ladder.num_outputs for ladder in layout.levels])
        own = [odds.view_as(ladder.values) for odds, ladder in zip(flat, layout.levels, strict=True)]
        never = self.a.new_full((len(layout.numeric),), NEVER)
        a = never.index_copy(0, self.rows, PACE * self.a)
        b = torch.zeros_like(never).index_copy(0, self.rows, PACE * self.b)
        return _selection(self.selects, layout, own, a, b, line)

    def of_column(self, d: int, layout: ColumnLayout, line: Line) -> Selection:
        """Of one column, whose own layout and line are given."""
        levels = [torch.full_like(ladder.values, NEVER) for ladder in layout.levels]
        a = self.a.new_full((len(layout.numeric),), NEVER)
        b = torch.zeros_like(a)
        if d in self.spans:
            levels = [PACE * self.logits[self.spans[d]].unsqueeze(0)]
        if d in self.numbers:
            row = self.numbers.index(d)
            a, b = PACE * self.a[row : row + 1], PACE * self.b[row : row + 1]
        return _selection(self.selects[d : d + 1], layout, levels, a, b, line)

    @torch.no_grad()
    def initialise(self, seen: Tensor) -> None:
        """From what of training examples is observed, [N, D]."""
        missing = (~seen).sum(0) + SEEN_BEFORE
        log_odds = (missing / (seen.sum(0) + SEEN_BEFORE)).log() / PACE
        for d, span in self.spans.items():
            self.logits[span] = log_odds[d]
        self.a.copy_(log_odds[self.numbers])
        self.b.zero_()


def _selection(
    selects: Tensor, layout: ColumnLayout, levels: list[Tensor], a: Tensor, b: Tensor, line: Line
) -> Selection:
    """With the log-odds of atoms, a + b·T(atom)."""
    atoms = []
    for ladder in layout.atoms:
        rows = torch.searchsorted(layout.numeric, ladder.places)
        t = line.at(rows)(ladder.values.nan_to_num().T).T  # [C, W]
        atoms.append(a[rows].unsqueeze(-1) + b[rows].unsqueeze(-1) * t)
    return Selection(selects, levels, atoms, LogisticSelection(a, b))
