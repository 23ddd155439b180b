"""A small domain of mixed columns of every kind, and rows of it."""

from __future__ import annotations

import torch
from torch import Tensor

from unveil.domain import ColumnDomain, Domain

COLUMNS = (
    ColumnDomain("category", 3),
    ColumnDomain("cells", atoms=(0.0, 5.0)),
    ColumnDomain("real"),
    ColumnDomain("ordinal", 4),
    ColumnDomain("count", atoms=(0.0,)),
    ColumnDomain("real", atoms=(0.0,)),
    ColumnDomain("category", 2),
)


def mixed(size: int = 7) -> Domain:
    """Mixed x of the first so many of these columns, over and over."""
    columns = tuple(COLUMNS[i % len(COLUMNS)] for i in range(size))
    return Domain("mixed", (size,), None, columns)


def rows(domain: Domain, num: int) -> Tensor:
    """Rows [N, D] of a mixed domain, of which no column is constant; columns hang on a common number."""
    u = torch.randn(num)
    return torch.stack([_column(column, u + 0.5 * torch.randn(num)) for column in domain.columns or ()], 1)


def _column(column: ColumnDomain, u: Tensor) -> Tensor:
    if column.has_levels:
        return ((u + 1.5) * column.num_levels / 3).floor().clamp(0, column.num_levels - 1)
    if column.kind == "real":
        return torch.where(u > 0.8, 0.0, 3 + 2 * u) if column.atoms else 3 + 2 * u
    whole = (4 * u).round()
    return whole.clamp(min=0) if column.kind == "count" else whole
