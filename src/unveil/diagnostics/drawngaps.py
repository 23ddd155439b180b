"""Gaps for x that a model drew, so that it compares with x that has some."""

from __future__ import annotations

import torch
from torch import Tensor

from ..likelihoods import draw_observed
from ..model import Model
from ..ops import keyed


def with_gaps(model: Model, drawn: Tensor, gaps: Tensor | None, seed: int = 0) -> Tensor:
    """x [N, *shape] that a model drew, NaN in its gaps: those of other rows, or the model's own where it models them.

    Arguments: gaps [N, *shape], of other rows; None for none.
    """
    with keyed("gaps", seed):
        seen = draw_observed(model, drawn, None if gaps is None else ~gaps)
    return drawn if seen is None else drawn.masked_fill(~seen, torch.nan)
