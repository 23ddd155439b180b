"""Tables that are read as numbers alone, with data.domain=real, where no column has a kind of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unveil import data
from unveil.data import reading, tablefiles
from unveil.data.frames import is_frame
from unveil.data.raw import Raw

REAL = "data.domain=real"
TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xlsm", ".gz", ".bz2", ".xz", ".zst", ".zip")


def load(source: Any, **options: Any) -> data.Data:
    """As `unveil.data.load`, a table being one of real numbers where no domain is asked for."""
    return data.load(source, **_numbers(source) | options)


def read(source: Any, **options: Any) -> Raw:
    """As `unveil.data.reading.read`, in the same way."""
    return reading.read(source, **_numbers(source) | options)


def read_table(path: Path, **options: Any) -> Raw:
    """As `unveil.data.tablefiles.read_table`, in the same way."""
    return tablefiles.read_table(path, **{"domain": "real"} | options)


def _numbers(source: Any) -> dict[str, Any]:
    is_table = is_frame(source) or (isinstance(source, str | Path) and str(source).lower().endswith(TABLES))
    return {"domain": "real"} if is_table else {}
