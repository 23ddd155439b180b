"""The training examples that weights start from."""

import torch
from torch import Tensor

from ..data import Split

STARTING = 10_000  # that many, of more
TELLING = 8  # and more of them for a column that has one value in these


def starting_rows(data: Split) -> Tensor:
    """Random rows [n]; of a table also some that hold another value where a column has one value, or none, in these."""
    rows = torch.randperm(len(data))[:STARTING].to(data.x.device)
    if len(rows) == len(data) or data.domain.is_discrete or data.domain.is_image:
        return rows
    x = data.x if data.observed is None else torch.where(data.observed, data.x, torch.nan)
    low, high = (torch.where(x[rows].isnan(), end, x[rows]) for end in (torch.inf, -torch.inf))
    lowest, highest = low.amin(0), high.amax(0)  # ∞ and −∞ where nothing is observed
    alike = (lowest >= highest).nonzero().flatten().tolist()
    found = [((x[:, d] != highest[d]) & ~x[:, d].isnan()).nonzero().flatten()[:TELLING] for d in alike]
    return torch.cat([rows, *found]).unique() if found else rows
