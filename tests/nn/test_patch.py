"""The patch networks: the grid of cells, images of any size, and what they cost beside full convolutions."""

from __future__ import annotations

import pytest
import torch

from unveil.nn.patch import PatchDecoder, PatchEncoder, PixelGrid


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (30, 17), (64, 48, 3), (5, 33)], ids=str)
def test_cells_hold_every_pixel_once(shape: tuple[int, ...]) -> None:
    grid = PixelGrid(shape)
    assert max(grid.cells) <= 8
    x = torch.randn(3, grid.channels, grid.height, grid.width)
    cells = grid.split(x)
    assert cells.shape == (3, grid.channels * grid.patch**2, *grid.cells)
    assert torch.equal(grid.join(cells), x)


@pytest.mark.parametrize("shape", [(28, 28), (9, 12, 3)], ids=str)
def test_features_and_images_have_their_shapes(shape: tuple[int, ...]) -> None:
    encoder, decoder = PatchEncoder(shape, width=8), PatchDecoder(5, shape, 2, width=8)
    x = torch.randn(4, *shape)
    assert encoder(x).shape == (4, encoder.num_features)
    assert decoder(torch.randn(3, 4, 5)).shape == (3, 4, 2 * x[0].numel())


def test_the_order_of_outputs_is_that_of_the_likelihood() -> None:
    """A weight that lights one cell's pixel up lights that pixel alone, parameter first, channel last."""
    decoder = PatchDecoder(2, (8, 8, 3), 2, width=4)
    with torch.no_grad():
        decoder.out.weight.zero_()
        decoder.out.weight[4] = 1.0  # the second parameter of the second channel: 1·3 + 1
    h = decoder(torch.randn(1, 2)).reshape(2, 8, 8, 3)
    assert (h[1, ..., 1] != 0).any()
    h[1, ..., 1] = 0
    assert not h.any()


def test_neighbouring_cells_see_each_other() -> None:
    encoder = PatchEncoder((16, 16), width=8)
    x = torch.zeros(1, 16, 16, requires_grad=True)
    inner = encoder.blocks(encoder.first(encoder.grid.split(x.unsqueeze(1))))
    inner[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs() > 0
    assert reached[6:12, 6:12].any() and not reached[:4].any()
