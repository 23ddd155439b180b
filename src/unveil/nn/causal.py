"""Networks on a grid of cells in which a cell sees those before it, row by row: what the chain rule needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REACH = 2  # rows above, and columns on each side, that one layer sees


class CausalConv(nn.Module):
    """A 5×5 convolution over what comes before: two rows above, and in the row itself two cells to the left.

    Two convolutions without a masked weight in them: one over the rows above, one along the row. In 5×5 windows the
    cells above and far to the right, which 3×3 windows never see, come in by the second layer.

    References: van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), §2.3 and figure 1.

    Arguments: channels in and out; strict, whether the cell itself is left out (as it must be in the first layer).
    """

    def __init__(self, inputs: int, outputs: int, *, strict: bool = False) -> None:
        super().__init__()
        self.strict = strict
        self.above = nn.Conv2d(inputs, outputs, (REACH, 2 * REACH + 1))
        self.left = nn.Conv2d(inputs, outputs, (1, REACH + (not strict)), bias=False)

    def forward(self, h: Tensor) -> Tensor:
        above = self.above(F.pad(h, (REACH, REACH, REACH, 0))[:, :, :-1])
        return above + self.left(F.pad(h, (REACH, 0, 0, 0))[..., :-1] if self.strict else F.pad(h, (REACH, 0, 0, 0)))


class GatedBlock(nn.Module):
    """h + W(a · σ(b)), with a and b one causal convolution of silu(h) (and of the condition); W starts small.

    References: van den Oord et al. (2016), eq. 2.
    """

    def __init__(self, width: int, condition: int, scale: float) -> None:
        super().__init__()
        self.conv = CausalConv(width, 2 * width)
        self.given = nn.Linear(condition, 2 * width, bias=False) if condition else None
        self.out = nn.Conv2d(width, width, 1)
        with torch.no_grad():
            self.out.weight.mul_(scale)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        both = self.conv(F.silu(h))
        if self.given is not None:
            both = both + self.given(condition).unsqueeze(-1).unsqueeze(-1)
        return h + self.out(F.glu(both, 1))


class CausalGrid(nn.Module):
    """Features [B, F, h, w] of cells → context [B, width, h, w], of each cell from the cells before it alone.

    Arguments:
        features: F, numbers per cell.
        cells: (h, w).
        width: channels.
        depth: gated blocks.
        condition: numbers that every cell is given besides, such as a label as C numbers; 0 for none.
    """

    def __init__(self, features: int, cells: tuple[int, int], *, width: int, depth: int, condition: int = 0) -> None:
        super().__init__()
        self.first = CausalConv(features, width, strict=True)
        self.place = nn.Parameter(torch.zeros(width, *cells))  # where a cell lies
        self.blocks = nn.ModuleList(GatedBlock(width, condition, depth**-0.5) for _ in range(depth))

    def forward(self, cells: Tensor, condition: Tensor | None = None) -> Tensor:
        """The first rows of a grid are enough where no later ones are asked for."""
        h = self.first(cells) + self.place[:, : cells.shape[2]]
        for block in self.blocks:
            h = block(h, condition)
        return F.silu(h)
