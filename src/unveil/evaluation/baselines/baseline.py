"""A simple model that was fitted, and what it says of the test examples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...files import finite
from ...ops import mean_and_error


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline and what it says of every test example.

    Arguments:
        name: a word for files.
        description: a phrase for a sentence.
        log_px: [N_test] nats.
        direction: "exact", or "lower" where x was dequantised and the noise drawn.
        num_samples: K of the dequantisation; None where there is none.
        size: the number of components that validation chose.
        tried: each size with the best mean validation log p(x) that a try of it came to.
        seconds: measured, from the first fit to the last test example.
    """

    name: str
    description: str
    log_px: NDArray[np.float64]
    direction: str
    num_samples: int | None
    size: int
    tried: tuple[tuple[int, float], ...]
    seconds: float

    def compared_with(self, log_px: NDArray[Any]) -> dict[str, Any]:
        """This baseline as JSON, beside a model's log p(x) [N_test] of the same examples; the difference is paired."""
        if log_px.shape != self.log_px.shape:
            raise ValueError(f"log_px has the shape {log_px.shape}; the baseline judged {len(self.log_px)} examples.")
        difference = log_px.astype(np.float64) - self.log_px
        return {
            "name": self.name,
            "description": self.description,
            "log_px": float(self.log_px.mean()),
            "stderr": finite(mean_and_error(self.log_px)[1]),
            "direction": self.direction,
            "num_samples": self.num_samples,
            "size": self.size,
            "tried": [{"size": size, "valid_log_px": value} for size, value in self.tried],
            "difference": float(difference.mean()),
            "difference_stderr": finite(mean_and_error(difference)[1]),
            "seconds": round(self.seconds, 3),
        }
