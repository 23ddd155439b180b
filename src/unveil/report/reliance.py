"""How far the log p(x) of one example can be relied on, from what a result says of all."""

from __future__ import annotations

import math
from typing import Any

FEW = 3.0  # draws that count, on average, below which the error that is stated may be far too small
HEAVY = 0.5  # share of examples with k̂ > 0.7, from which on the same holds


def error_of_one(result: dict[str, Any]) -> float | None:
    """The typical error of the estimator on one example: √N times that of the mean of N; None of what is exact."""
    error = result.get("stderr_mc")
    if result["direction"] == "exact" or error is None:
        return None
    return float(f"{error * math.sqrt(result['num_examples']):.2g}")


def few_count(result: dict[str, Any]) -> bool:
    """Whether hardly any draw of z counts, so that the error that draws show says little of the true one."""
    ess = result.get("ess")
    return (ess is not None and ess < FEW) or (result.get("khat_above_0.7") or 0) >= HEAVY
