"""The order of the examples: a function of the seed and the step, so that a resumed run needs no state of it."""

import functools

import torch
from torch import Tensor

from ..ops import keyed

CPU = torch.device("cpu")


def rows_of(step: int, batch_size: int, num_examples: int, seed: int, device: torch.device = CPU) -> Tensor:
    """The rows of update number `step`: every epoch a new permutation, batches running on across its end.

    Every example is met once an epoch, no batch is dropped or short, and the position is a function of the step.

    Arguments: device, that the rows are for; they are drawn on the processor, and copied once an epoch.
    """
    first = step * batch_size
    found, taken = [], 0
    while taken < batch_size:
        epoch, offset = divmod(first + taken, num_examples)
        order = _permutation(num_examples, seed, epoch, device)
        found.append(order[offset : offset + batch_size - taken])
        taken += len(found[-1])
    return torch.cat(found) if len(found) > 1 else found[0]


@functools.lru_cache(maxsize=4)
def _permutation(num_examples: int, seed: int, epoch: int, device: torch.device) -> Tensor:
    with keyed("order", num_examples, seed, epoch):
        return torch.randperm(num_examples).to(device)
