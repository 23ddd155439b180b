"""The seconds of an epoch as the number of examples grows, with everything else held."""

from __future__ import annotations

from typing import Any

import torch

from unveil.data import Split

from .ours import Ours
from .serve import serve


class Sizes(Ours):
    """One epoch of each size in a round.

    Arguments: job, with `sizes`; up to the size of MNIST its rows, above it random bytes.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        train = self.fitting.data.train
        self.loops = {size: self.training(_rows(train, size)) for size in job["sizes"]}
        for steps in self.loops.values():
            next(steps)  # shuffling a million rows for the first time is not a part of an epoch's time alone

    def round(self) -> dict[str, Any]:
        return {"seconds": {str(n): self.epoch(steps, n)["seconds"] for n, steps in self.loops.items()}}


def _rows(train: Split, size: int) -> Split:
    if size <= len(train):
        return train.head(size)
    generator = torch.Generator().manual_seed(size)
    x = torch.randint(0, 256, (size, *train.x.shape[1:]), dtype=torch.uint8, generator=generator)
    return Split(x, None, train.domain, "draw", torch.arange(size), levels=train.levels)


if __name__ == "__main__":
    serve(Sizes)
