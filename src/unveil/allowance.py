"""How much a model that somebody described may take while it is built: numbers in a file can ask for any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .errors import RequestError

MOST_CALLS = 30_000  # of torch while a model is built; a ladder of 30 groups makes some 3,500
BESIDE = 512 * 2**20  # bytes that a model takes beside its weights: masks, grids, copies
FACTORIES: frozenset[Callable[..., Any]] = frozenset({
    torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace, torch.eye,
})  # fmt: skip


class Allowance(TorchFunctionMode):
    """Refuses, inside the block, tensors that together have more bytes than are allowed, before they are made.

    Arguments: most, in bytes; what, the sentence's noun, such as "the model in runs/a/config.json".
    """

    def __init__(self, most: int, what: str) -> None:
        super().__init__()
        self.left, self.calls, self.most, self.what = most, 0, most, what

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in FACTORIES:
            self._take(func(*args, **given | {"device": "meta"}))
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise RequestError(f"{self.what} has more parts than a model can have.", "Its numbers were changed.")
        return func(*args, **given)

    def _take(self, planned: Tensor) -> None:
        self.left -= planned.numel() * planned.element_size()
        if self.left < 0:
            raise RequestError(
                f"{self.what} takes more than {self.most / 1e6:,.0f} MB, which is more than its weights have.",
                "Its numbers were changed; take the file from a copy of the run.",
            )
