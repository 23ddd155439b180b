"""Masked layers: an output sees the inputs before it, and whatever context is given with them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .residual import Residual, small


class MaskedLinear(nn.Linear):
    """(W ∘ M) h + b.

    Arguments: mask M [outputs, inputs], True where a weight counts; bias, whether there is b.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, bias: bool = True) -> None:
        super().__init__(mask.shape[1], mask.shape[0], bias=bias)
        self.register_buffer("mask", mask.float(), persistent=False)
        with torch.no_grad():  # as wide as what is left of a row, and 0 elsewhere, so that weights say what they do
            seen = self.mask.sum(1, keepdim=True).clamp(min=1)
            self.weight.mul_(self.mask * (mask.shape[1] / seen).sqrt())

    def forward(self, h: Tensor) -> Tensor:
        return F.linear(h, self.weight * self.mask, self.bias)


class Made(nn.Module):
    """Values [..., M] and context [..., C] → P numbers for each value from those before it, [..., P, M].

    Every value is linear in those before it, and residual layers are added to that; all start near 0.

    References: Germain et al., MADE: Masked Autoencoder for Distribution Estimation (2015), eq. 11–13.

    Arguments:
        num_values: M; per_value: numbers known of each, side by side (its value; whether it is observed).
        outputs: P.
        context: C, or 0 for none.
        width: hidden units.
        depth: residual blocks.
    """

    def __init__(
        self, num_values: int, outputs: int, *, context: int = 0, width: int, depth: int, per_value: int = 1
    ) -> None:
        super().__init__()
        self.outputs = outputs
        sees = torch.arange(width) * num_values // width  # how many of the first values a hidden unit may see
        number = torch.arange(num_values)
        inputs, goals = number.repeat(per_value), number.repeat(outputs)
        self.first = MaskedLinear(inputs < sees.unsqueeze(1))
        mixed = sees <= sees.unsqueeze(1)  # units only mix with those that see no more than they do
        self.blocks = nn.Sequential(*(Residual(MaskedLinear(mixed), MaskedLinear(mixed)) for _ in range(depth)))
        self.out = small(MaskedLinear(sees <= goals.unsqueeze(1), bias=False), 0.1)
        self.linear = small(MaskedLinear(inputs < goals.unsqueeze(1), bias=False), 0.1)
        self.given = nn.Linear(context, width, bias=False) if context else None
        self.given_out = small(nn.Linear(context, outputs * num_values, bias=False), 0.1) if context else None

    def forward(self, values: Tensor, context: Tensor | None = None) -> Tensor:
        """`values` [..., per_value·M], the values first."""
        h = self.first(values)
        if self.given is not None:
            h = h + self.given(context)
        found = self.out(F.silu(self.blocks(h))) + self.linear(values)
        if self.given_out is not None:
            found = found + self.given_out(context)
        return found.unflatten(-1, (self.outputs, -1))
