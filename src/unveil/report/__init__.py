"""The report of a run: one HTML file that opens without a network."""

from pathlib import Path

from ..runs.store import RunStore


def write_report(run: RunStore, lang: str = "en") -> Path:
    """Write report.html into the run's directory and return its path; the same run gives the same bytes."""
    from .page import page

    return run.write_report(page(run, lang))
