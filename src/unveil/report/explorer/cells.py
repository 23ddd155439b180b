"""The rows of a table as an explorer shows them: what their cells hold, and which of these are unlikely."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import rankdata

from ...data import Split
from ...data.rowblocks import blocks
from ...distributions import EventSum
from ...estimators.base import rows_of_block
from ...ops import keyed
from ..charts import Array
from ..rounding import shortened
from ..subject import Subject
from .picture import COLUMNS

LONGEST = 24  # characters of a cell
CELLS = 40_000  # of all rows together, that a page holds
ODD, DRAWS = 3, 8  # unlikely cells of a row that are named; draws of z


def shown_columns(subject: Subject, split: Split) -> int:
    """How many columns of each row are shown."""
    return max(1, min(subject.domain.num_dims, COLUMNS, CELLS // max(1, len(split))))


def row_texts(subject: Subject, split: Split) -> list[list[str]]:
    """The first cells of each row as they are written in the table; a dash where one is not observed."""
    count = shown_columns(subject, split)
    x = split.x.flatten(1)[:, :count].cpu().double().numpy()
    seen = np.ones(x.shape, bool) if split.observed is None else split.observed.flatten(1)[:, :count].cpu().numpy()
    columns = [_texts(subject, d, x[:, d]) for d in range(count)]
    return [[columns[d][row] if seen[row, d] else "–" for d in range(count)] for row in range(len(split))]


def _texts(subject: Subject, d: int, codes: Array) -> list[str]:
    if subject.table is not None:
        return [shortened(text, LONGEST) for text in subject.table.columns[d].texts(codes)]
    return [f"{value:.4g}".replace("-", "−") for value in codes.tolist()]


def odd_cells(subject: Subject, splits: Sequence[Split]) -> list[list[list[float]]] | None:
    """[column, percent] of the least likely cells of each row: log p(x_d|z) ranked among the rows shown.

    A density of one column cannot be set beside that of another; their ranks can. None where x has no columns that are
    independent given z.
    """
    each = [cell_log_p(subject, split) for split in splits]
    if any(found is None for found in each):
        return None
    log_p = np.concatenate([found for found in each if found is not None])
    percent = np.full(log_p.shape, np.nan)
    for d in range(log_p.shape[1]):
        known = ~np.isnan(log_p[:, d])
        if known.any():
            percent[known, d] = 100 * (rankdata(log_p[known, d]) - 1) / known.sum()
    return [
        [[int(d), round(float(row[d]), 1)] for d in np.argsort(row, kind="stable")[:ODD] if not math.isnan(row[d])]
        for row in percent
    ]


@torch.no_grad()
def cell_log_p(subject: Subject, split: Split) -> Array | None:
    """log E_q[p(x_d|z)] [N, D] of each cell, NaN where it is not observed; None where p(x|z) is no product."""
    found = []
    for block in blocks(len(split), size=rows_of_block(subject.model)):
        with keyed("explorer", "cells", block.first):
            batch = split.batch(block.rows.to(split.x.device))
            z, _ = subject.model.posterior(batch).draw(DRAWS)
            p = subject.model.decode(z, subject.model.draw_label(batch, z))
        if not isinstance(p, EventSum):
            return None
        log_p = p.log_prob_each(batch.x).logsumexp(0) - math.log(DRAWS)
        if batch.observed is not None:
            log_p = torch.where(batch.observed, log_p, math.nan)
        found.append(log_p[: block.keep].flatten(1).double().cpu())
    return torch.cat(found).numpy()
