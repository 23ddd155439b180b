"""Where the data lies while a model is trained."""

from dataclasses import replace

import torch

from ..data import Data, Split
from ..planning.measure import free_bytes

DATA_SHARE = 0.4  # of an accelerator's free memory, up to which the data is kept on it


def placed(data: Data, device: str) -> Data:
    """The data beside the model where that leaves room, else where it is: batches are then copied a step ahead."""
    splits = (data.train, data.valid, data.test)
    if device != "cpu" and sum(map(num_bytes, splits)) > DATA_SHARE * free_bytes(torch.device(device)):
        return data
    return replace(data, train=data.train.to(device), valid=data.valid.to(device), test=data.test.to(device))


def num_bytes(split: Split) -> int:
    """The memory that the examples of a split take."""
    held = (split.x, split.y, split.rows, split.grey, split.observed, *(split.z or ()))
    return sum(tensor.nbytes for tensor in held if tensor is not None)
