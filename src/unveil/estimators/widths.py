"""How much of a decoder is held at once: the width of its widest layer."""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from ..model import Model, evaluating
from ..ops import keyed


@torch.no_grad()
def widest(model: Model) -> int:
    """The most numbers per row that a module inside the model gives out while it decodes; at least those of one x."""
    if next(model.children(), None) is None:
        return model.domain.num_dims
    mode = evaluating(model) if model.training else contextlib.nullcontext()
    with mode, keyed("widest"):
        y = model.draw_labels(2)
        z = model.draw_prior(2, y)  # networks of the prior are none of the decoder's
        one, two = (_given_out(model, z, y, rows) for rows in (1, 2))
    return max(model.domain.num_dims, *(more - less for less, more in zip(one, two, strict=True)))


def _given_out(model: Model, z: tuple[Tensor, ...], y: Tensor | None, rows: int) -> list[int]:
    """How many numbers each module gives out, call by call, while so many rows are decoded."""
    found = [0]

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        found.append(output.numel() if isinstance(output, Tensor) else 0)

    handles = [module.register_forward_hook(count) for module in model.modules()]
    try:
        model.decode(tuple(group[:rows] for group in z), None if y is None else y[:rows])
    finally:
        for handle in handles:
            handle.remove()
    return found
