"""What an estimate is called wherever it is printed."""


def label(estimator: str, num_samples: int | None = None) -> str:
    """IWAE-500 for an estimator with draws, its bare name without: exact."""
    return f"{estimator.upper()}-{num_samples}" if num_samples else estimator
