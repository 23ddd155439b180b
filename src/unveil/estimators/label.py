"""What an estimate is called wherever it is printed."""

from __future__ import annotations


def label(estimator: str, num_samples: int | None = None) -> str:
    """IWAE-500 for an estimator with draws, its bare name without: exact."""
    return f"{estimator.upper()}-{num_samples}" if num_samples else estimator
