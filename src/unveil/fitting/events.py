"""What happens during a fit, one event at a time; the command line shows them, a notebook may do something else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

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
    """A validation was made; `draw` gives samples as uint8 images [N, H, W, C], or None for x that are not images."""

    step: int
    steps: int
    bound: float
    best: float
    rate: float
    draw: Callable[[], np.ndarray | None]

    @cached_property
    def samples(self) -> np.ndarray | None:
        """Drawn when they are first asked for, which costs time: ask before the next event, which has other weights."""
        return self.draw()


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
