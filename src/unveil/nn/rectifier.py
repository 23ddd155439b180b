"""max(0, x) whose gradient keeps no mask."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ReLU(nn.Module):
    """y = max(0, x), with ∂y/∂x = sign(y).

    Compiled code that keeps [x > 0] for the gradient writes and reads it one by one on a processor, which takes longer
    than all other elementwise work of a small network. The next layer's gradient keeps y anyway, and y says the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            y: Tensor = Rectified.apply(x)  # type: ignore[no-untyped-call]
            return y
        return F.relu(x)


class Rectified(torch.autograd.Function):
    """y = max(0, x), its gradient from y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.clamp(min=0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return slopes[0] * y.sign()
