"""One stage of training as a compiled module."""

from typing import Any

import torch

from ..model import Model, device_of
from .loop import Problem
from .stage import Stage


def compiled(model: Model, stage: Stage) -> Any:
    """The problem of a stage as one compiled module of fixed shapes; compiled when it first runs.

    On CUDA its kernels are replayed as one graph, whose outputs are overwritten by the next replay: the loop keeps
    copies (`train.loop.Problem`).
    """
    mode = "reduce-overhead" if device_of(model).type == "cuda" else None
    return torch.compile(Problem(model, stage), dynamic=False, mode=mode)
