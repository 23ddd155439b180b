"""How a page shows an x that it decoded: as a picture, or as the values of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.columns import LEVELLED, Column
from ..gallery import Painter
from ..subject import Subject

COLUMNS = 40  # of vectors, that are shown by name
CURVE = 41  # columns from which on they are a curve, where they have no names


def picture_of(paint: Painter) -> dict[str, Any]:
    """Height, width and channels, which values are black and white, and how a person's own drawing becomes x."""
    domain = paint.domain.picture
    low, high = domain.ends if domain.ends is not None else (paint.low, paint.high)
    return {
        "kind": "picture",
        "size": list(domain.image_shape),
        "low": low,
        "high": high,
        "crisp": paint.crisp,
        "whole": domain.is_discrete,
    }


def columns_of(subject: Subject) -> dict[str, Any]:
    """The first columns: names, and how a number of x is written there."""
    table, total = subject.table, subject.domain.num_dims
    if table is None and subject.info["columns"] is None and total >= CURVE:
        x = subject.held_out()
        return {"kind": "curve", "size": total, "low": float(np.nanmin(x)), "high": float(np.nanmax(x))}
    count = min(total, COLUMNS)
    columns = [
        {"name": subject.name_of(i), **({} if table is None else _written(table.columns[i]))} for i in range(count)
    ]
    return {"kind": "columns", "columns": columns}


def _written(column: Column) -> dict[str, Any]:
    """Levels by code; of numbers and dates the value at code 0 and for each code more."""
    if column.kind in LEVELLED:
        return {"levels": list(column.shown or column.levels)}
    first, second = column.values(np.array([0.0, 1.0]))
    if column.kind == "date":
        start = np.datetime64(first, "ms").astype(np.int64)
        each = np.datetime64(second, "ms").astype(np.int64) - start
        return {"date": int(start), "each": int(each)}
    digits = None if column.kind == "real" else column.decimals + 1  # of a mean
    unit = "%" if column.has_percent else ""
    return {"at": float(first), "each": float(second) - float(first), "digits": digits, "unit": unit}
