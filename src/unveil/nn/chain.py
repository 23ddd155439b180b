"""Numbers for each value of x from the values before it: the chain rule as one network."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .causal import CausalGrid
from .made import Made
from .patch import PixelGrid

INNER = 4  # hidden units of the masked layers within a cell, per channel of the convolutions between cells


class Order:
    """In which order the values of x come: cell by cell, in a cell pixel by pixel, in a pixel channel by channel.

    An image of more than 8×8 is a grid of square cells, at most 8 a side; a vector is one cell.

    Arguments: shape of x.
    Attributes: cells (h, w); places [h·w, m], of each value in x laid flat, D for what lies beyond its edges; back [D],
    where in that order each value of x stands.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        num_dims = math.prod(shape)
        self.cells, self.places = (1, 1), torch.arange(num_dims).unsqueeze(0)
        if len(shape) > 1:
            grid = PixelGrid(shape)
            (h, w), p, size = grid.cells, grid.patch, (grid.height, grid.width, grid.channels)
            pixels = torch.full((h * p, w * p, grid.channels), num_dims)
            pixels[: grid.height, : grid.width] = torch.arange(num_dims).reshape(size)
            pixels = pixels.reshape(h, p, w, p, grid.channels).transpose(1, 2)  # [h, w, p, p, C]
            self.cells, self.places = grid.cells, pixels.reshape(h * w, -1)
        self.back = self.places.flatten().argsort()[:num_dims]


class ChainNetwork(nn.Module):
    """Values [B, V, D] of x and what is known besides → P numbers for each value from those before it, [B, P·D].

    Between cells, causal convolutions on their grid; within a cell, masked layers, which are given what the
    convolutions say of the cells before. So an image of 28×28 is 49 cells of 16 pixels, and costs a fraction of
    convolutions at every pixel.

    References: van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016); Germain et al., MADE:
    Masked Autoencoder for Distribution Estimation (2015).

    Arguments:
        shape: of x, of D values.
        outputs: P.
        per_value: V, numbers known of each value: itself; whether it is observed.
        condition: numbers that all values are given, such as a label; 0 for none.
        width: channels of the convolutions, or hidden units where there are none.
        depth: gated or residual blocks.
    """

    places: Tensor
    back: Tensor

    def __init__(
        self, shape: tuple[int, ...], outputs: int, *, per_value: int, condition: int, width: int, depth: int
    ) -> None:
        super().__init__()
        order = Order(shape)
        self.cells, num = order.cells, order.places.shape[1]
        self.register_buffer("places", order.places, persistent=False)
        self.register_buffer("back", order.back, persistent=False)
        self.between: CausalGrid | None = None
        if len(shape) > 1:
            self.between = CausalGrid(per_value * num, self.cells, width=width, depth=depth, condition=condition)
            condition, width, depth = width, INNER * width, 1
        self.within = Made(num, outputs, context=condition, width=width, depth=depth, per_value=per_value)

    def forward(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        cells = self._cells(values)
        found = self.within(cells.flatten(-2), self._context(cells, condition))  # [B, T, P, m]
        return found.transpose(1, 2).flatten(2)[..., self.back].flatten(1)

    def before(self, values: Tensor, condition: Tensor | None, cell: int) -> Tensor | None:
        """What the values of one cell are given, [B, C], from the rows of cells up to its own."""
        rows = self.cells[1] * (cell // self.cells[1] + 1)
        context = self._context(self._cells(values, rows), condition)
        return None if context is None else context[:, cell]

    def of_cell(self, values: Tensor, context: Tensor | None, cell: int) -> Tensor:
        """The numbers for each value of one cell, [B, P, m]."""
        return self.within(F.pad(values, (0, 1))[..., self.places[cell]].flatten(-2), context)

    def _cells(self, values: Tensor, count: int | None = None) -> Tensor:
        """The first cells of values [B, V, D], [B, T, V, m]."""
        return F.pad(values, (0, 1))[..., self.places[:count]].transpose(1, 2)

    def _context(self, cells: Tensor, condition: Tensor | None) -> Tensor | None:
        """What the values of each cell are given, [B, T, C]."""
        if self.between is None:
            return None if condition is None else condition.unsqueeze(1)
        rows = cells.flatten(2).transpose(1, 2).unflatten(-1, (-1, self.cells[1]))  # [B, V·m, h, w]
        return self.between(rows, condition).flatten(2).transpose(1, 2)
