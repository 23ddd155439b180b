"""What the columns of a table were taken for, on standard output, before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.columns import KINDS, LEVELLED, Column, Table
from ..legible import quoted, shortened
from .streams import print_lines, print_rows

FIRST = 4  # levels that are shown
LONGEST = 24  # characters of one
HEADS = ("column", "kind", "taken for it because", "levels or range", "missing")


def print_columns(table: Table) -> None:
    """A row a column, then what is left out and why, and how to take a column for another kind."""
    print_rows([_row(column) for column in table.columns], HEADS, named=(0,))
    print_lines(["", *(f"{name!r} is left out: {why}." for name, why in table.left_out.items())])
    print_lines(_remedy(table.columns))


def _row(column: Column) -> tuple[str, ...]:
    missing = f"{100 * column.missing:.1f} %" if column.missing else ""
    return column.name, column.kind, column.why, _holds(column), missing


def _holds(column: Column) -> str:
    if column.kind in LEVELLED:
        shown = ", ".join(shortened(level, LONGEST) for level in column.levels[:FIRST])
        return f"{column.num_levels:,}: {shown}{', …' if column.num_levels > FIRST else ''}"
    low, high = ends(column)
    return f"{low} to {high}"


def ends(column: Column) -> tuple[str, str]:
    """The least and the greatest number or date that came, as they are written."""
    codes = np.array([column.low, column.high])
    if column.kind == "real":
        low, high = (f"{value:.4g}" for value in column.values(codes))
        return low, high
    low, high = column.texts(codes)
    return low, high


def _remedy(columns: Sequence[Column]) -> list[str]:
    """What to type to take a column for another kind."""
    name = columns[0].name
    other = "ordinal" if columns[0].kind == "category" else "category"
    return [
        f"To take a column for another kind: {quoted(f'data.kinds={name}={other}')}, several with commas between them.",
        f"The kinds are {', '.join(KINDS)}, and drop to leave a column out. With --json the settings are printed, too.",
    ]


def columns_json(table: Table) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "columns": [_plain(column) for column in table.columns],
        "left_out": dict(table.left_out),
    }


def _plain(column: Column) -> dict[str, Any]:
    held: dict[str, Any] = {"name": column.name, "kind": column.kind, "why": column.why, "missing": column.missing}
    if column.kind in LEVELLED:
        return held | {"num_levels": column.num_levels, "levels": list(column.levels[:FIRST])}
    low, high = ends(column)
    return held | {"low": low, "high": high} | ({"decimals": column.decimals} if column.is_number else {})
