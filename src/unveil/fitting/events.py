"""What happens during a fit, one event at a time; the command line shows them, a notebook may do something else."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..runs.store import RunStore


@dataclass(frozen=True)
class Progress:
    """One update was made."""

    step: int
    steps: int
    logs: Mapping[str, Tensor]
    examples_per_second: float
    seconds_left: float

    def __getitem__(self, name: str) -> float:
        """bound, rate or distortion of this update's batch, in nats; read from the device when asked for."""
        return float(self.logs[name])


@dataclass(frozen=True)
class Validated:
    """A validation was made; `samples` are uint8 images [N, H, W, C], or None for x that are not images."""

    step: int
    steps: int
    bound: float
    best: float
    rate: float
    samples: np.ndarray | None


@dataclass(frozen=True)
class Working:
    """Work after training, `done` of `total`."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """The end: the run, three sentences and the next commands."""

    run: RunStore
    sentences: tuple[str, ...]
    commands: tuple[str, ...]


Event = Progress | Validated | Working | Finished
