"""log p(x) of the judged examples, kept beside a run so that new examples can be ranked."""

from __future__ import annotations

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ..errors import RequestError
from ..files import write_atomic
from .store import Run

RANKED = 1000  # validation examples that are scored, for new ones to be ranked among


SCORES = "scores.safetensors"  # log p(x) of the judged examples: validation to rank new ones among, test to show


def scoring(run: Run) -> tuple[str, int | None]:
    """The estimator and K that scores and the result of a run use, so that the two can be compared."""
    chosen = run.config["evaluation"]
    return chosen["estimator"], chosen["num_samples"]


def kept_scores(run: Run, split: str) -> np.ndarray:
    """log p(x) [N] as judged at the end of the fit: all "test" examples, or up to 1,000 of "valid"."""
    try:
        return load_file(run.path / SCORES)[split].numpy()
    except (OSError, KeyError, SafetensorError) as error:
        raise RequestError(f"{run.path} has no whole {SCORES}.", f"Finish it with: unveil resume {run.path}") from error


def keep_scores(run: Run, valid: Tensor, test: Tensor) -> None:
    """Store log p(x) of the validation and test examples."""
    write_atomic(run.path / SCORES, save({"valid": valid.contiguous(), "test": test.contiguous()}))
