"""How a network sees the columns of a mixed table."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..distributions.columnlayout import ColumnLayout, spans
from ..distributions.stretch import Stretch

FAR = 12.0  # in units of T; a value farther out than any that was learned from is shown as one that far


class ColumnView(nn.Module):
    """x [..., D] → features [..., F]: T(x) of numbers, which level or atom it is as 0 and 1, and what is seen.

    What is not seen is 0 throughout. A first linear layer makes an embedding of the zeros and ones.

    Arguments: layout and stretch, those of the likelihood; neither is a part of the view, nor saved with it.

    Attributes: num_told, how many features stand before the atoms and the flags of what is seen: all that is known of
    a row; blocks, those of each column of levels; column_of, the column that each feature tells of [F].
    """

    column_of: Tensor

    def __init__(self, layout: ColumnLayout, stretch: Stretch) -> None:
        super().__init__()
        self._shared = (layout, stretch)
        self.num_features = len(layout.numeric) + layout.num_logits + layout.num_columns
        N = len(layout.numeric)
        self.blocks = [range(N + own.start, N + own.stop) for own in spans(layout.levels).values()]
        self.num_told = N + layout.num_logits_of_levels
        flags = [ladder.places.repeat_interleave(ladder.width) for ladder in layout.ladders]
        owners = torch.cat([layout.numeric, *flags, torch.arange(layout.num_columns)])
        self.register_buffer("column_of", owners, persistent=False)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Arguments: seen [..., D] bool."""
        layout, stretch = self._shared
        places = layout.numeric
        numbers = torch.where(seen[..., places], stretch.line()(x[..., places]).clamp(-FAR, FAR), 0.0)
        parts = [numbers]
        for ladder in layout.ladders:
            number, hit = ladder.index(torch.where(seen, x, 0.0))
            shown = (hit & seen[..., ladder.places]).to(x.dtype).unsqueeze(-1)
            flags = x.new_zeros(*number.shape, ladder.width).scatter_(-1, number.unsqueeze(-1), shown)
            parts.append(flags.flatten(-2))
        return torch.cat([*parts, seen.to(x.dtype)], -1)

    def of_columns(self, columns: Tensor) -> Tensor:
        """What holds of columns [..., D], of each of their features [..., F]."""
        return columns[..., self.column_of]
