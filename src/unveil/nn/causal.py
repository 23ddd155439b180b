"""Networks on a grid of cells in which a cell sees those before it, row by row: what the chain rule needs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .residual import small

REACH = 2  # rows above, and columns on each side, that a layer sees


class CausalConv(nn.Module):
    """A convolution over what comes before: two rows above, and in the row itself the cell and two to its left.

    Two convolutions without a masked weight in them: one over the rows above, one along the row. The first layer of a
    network leaves the cell itself out, and sees the rows above from edge to edge: small windows, however many layers
    there are, never see what lies above and far to the right.

    References: van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), §2.3 and figure 1, on
    that blind spot.

    Arguments: channels in and out; cells (h, w), of a grid with one row there is nothing above; is_first.
    """

    def __init__(self, inputs: int, outputs: int, cells: tuple[int, int], *, is_first: bool = False) -> None:
        super().__init__()
        self.is_first, self.sides = is_first, cells[1] - 1 if is_first else REACH
        self.left = nn.Conv2d(inputs, outputs, (1, REACH + (not is_first)))
        size = (REACH, 2 * self.sides + 1)
        self.above = nn.Conv2d(inputs, outputs, size, bias=False) if cells[0] > 1 else None

    def forward(self, h: Tensor) -> Tensor:
        row = F.pad(h, (REACH, 0, 0, 0))
        found = self.left(row[..., :-1] if self.is_first else row)
        if self.above is None:
            return found
        return found + self.above(F.pad(h, (self.sides, self.sides, REACH, 0))[:, :, :-1])


class GatedBlock(nn.Module):
    """h + W(a · σ(b)), with a and b one causal convolution of silu(h) (and of the condition); W starts small.

    References: van den Oord et al. (2016), eq. 2.
    """

    def __init__(self, width: int, cells: tuple[int, int], condition: int, scale: float) -> None:
        super().__init__()
        self.conv = CausalConv(width, 2 * width, cells)
        self.given = nn.Linear(condition, 2 * width, bias=False) if condition else None
        self.out = small(nn.Conv2d(width, width, 1), scale)

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
        self.first = CausalConv(features, width, cells, is_first=True)
        self.place = nn.Parameter(torch.zeros(width, *cells))  # where a cell lies
        self.blocks = nn.ModuleList(GatedBlock(width, cells, condition, depth**-0.5) for _ in range(depth))

    def forward(self, cells: Tensor, condition: Tensor | None = None) -> Tensor:
        """`cells` may be the first rows of a grid only, where no later rows are needed."""
        h = self.first(cells) + self.place[:, : cells.shape[2]]
        for block in self.blocks:
            h = block(h, condition)
        return F.silu(h)
