"""Gaps for x that a model drew, so that it compares with x that has some."""

from __future__ import annotations

import torch
from torch import Tensor

from ..likelihoods import draw_observed
from ..model import Model
from ..ops import keyed


def with_gaps(model: Model, drawn: Tensor, gaps: Tensor, seed: int = 0) -> Tensor:
    """x [N, *shape] that a model drew, NaN in its gaps: those of other rows, or the model's own where it models them.

    Arguments: gaps [N, *shape], of other rows.
    """
    with keyed("gaps", seed):
        seen = draw_observed(model, drawn)
    if seen is None:
        return drawn.masked_fill(gaps, torch.nan)
    own = torch.tensor([column.may_be_missing for column in model.domain.columns or ()])
    return drawn.masked_fill(torch.where(own, ~seen, gaps), torch.nan)
