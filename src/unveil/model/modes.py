"""States that a module is in for the length of a block: weights held constant, evaluation mode."""

import contextlib
from collections.abc import Iterable, Iterator

from torch import nn


@contextlib.contextmanager
def held(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Take parameters as constants inside the block (gradients still flow through z)."""
    trainable = [p for p in parameters if p.requires_grad]
    for p in trainable:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trainable:
            p.requires_grad_(True)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode inside the block; after it the module has the mode that it had before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
