"""What a mixed table is without any relation between its columns."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from ...data import Data, Split
from ...likelihoods import Columns
from .baseline import Baseline

BLOCK = 4096  # rows at once
SEEN = 200_000  # training rows that a column is known by, at most


@torch.no_grad()
def columns_alone(data: Data) -> Baseline:
    """Π_d p(x_d) over what is observed, each column by itself: frequencies, atoms, logistics between quantiles."""
    started = time.perf_counter()
    p = Columns(data.domain)
    some = data.train.spread(SEEN)
    train = some.batch(torch.arange(len(some))).to("cpu")
    p.initialise(train.x, train.observed)
    return Baseline(
        name="columns_alone",
        description="each column by itself",
        log_px=_log_px(p, data.test).double().numpy(),
        direction="exact",
        num_samples=None,
        size=1,
        tried=((1, float(_log_px(p, data.valid).mean())),),
        seconds=time.perf_counter() - started,
    )


def _log_px(p: Columns, split: Split) -> Tensor:
    found = []
    for rows in torch.arange(len(split)).split(BLOCK):
        batch = split.batch(rows).to("cpu")
        found.append(p(batch.x.new_zeros(len(rows), p.num_outputs), batch.observed).log_prob(batch.x))
    return torch.cat(found)
