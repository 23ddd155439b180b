"""Tables that are read as numbers alone, with data.domain=real, where no column has a kind of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unveil import data
from unveil.data.frames import is_frame

REAL = "data.domain=real"
TABLES = (".csv", ".tsv", ".parquet", ".gz", ".bz2", ".xz", ".zst", ".zip")


def load(source: Any, **options: Any) -> data.Data:
    """As `unveil.data.load`, a table being one of real numbers where no domain is asked for."""
    is_table = is_frame(source) or (isinstance(source, str | Path) and str(source).lower().endswith(TABLES))
    return data.load(source, **({"domain": "real"} if is_table else {}) | options)
