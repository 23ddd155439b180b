"""The report of a run: one HTML file that opens without a network."""

from __future__ import annotations

from pathlib import Path

from ..files import write_atomic
from ..runs.store import Run


def write_report(run: Run) -> Path:
    """Write report.html into the run's directory and return its path; the same run gives the same bytes."""
    from .page import page

    path = run.path / "report.html"
    write_atomic(path, page(run).encode())
    return path
