"""The networks of a ladder, built from a few numbers."""

from typing import Literal

from ..registry import lookup
from .blocks import GridHead, GridStem, Level, VectorHead, VectorStem
from .hierarchy import BottomUp, Ladder, TopDown
from .patch import PixelGrid

Inference = Literal["top_down", "bottom_up"]
Network = Literal["auto", "mlp", "grid"]
Ends = tuple[tuple[int, ...], tuple[int, ...], int]  # shapes of what q sees and of x, parameters per dimension
TOP = 4  # features of the vector on top of a grid, in widths of a cell


def ladder(
    ends: Ends,
    network: str,
    inference: str,
    num_groups: int,
    latent: int,
    cell: int,
    width: int,
    depth: int,
    num_classes: int,
) -> Ladder:
    """The networks of a hierarchical VAE; arguments as in `models.hvae`."""
    seen, shape, params = ends
    if inference == "bottom_up":
        return bottom_up(ends, network, num_groups, latent, width, depth, num_classes)
    if network == "mlp":
        levels = [Level((1, 1), width, latent)] * num_groups
        ways = VectorStem(seen, width), VectorHead(shape, width, params)
        return TopDown(levels, *ways, depth=depth, num_classes=num_classes)
    levels = grid_levels(PixelGrid(shape).cells, num_groups, latent, cell, width)
    return TopDown(levels, GridStem(seen, width), GridHead(shape, width, params), depth=depth, num_classes=num_classes)


def grid_levels(cells: tuple[int, int], num_groups: int, latent: int, cell: int, width: int) -> list[Level]:
    """A vector on top and all other groups on the grid; a group on a grid half as fine stayed unused."""
    return [*(Level(cells, width, cell) for _ in range(num_groups - 1)), Level((1, 1), TOP * width, latent)]


def bottom_up(
    ends: Ends, network: str, num_groups: int, latent: int, width: int, depth: int, num_classes: int
) -> BottomUp:
    """The Markov chain; each group is twice as large as the one above, up to 256."""
    seen, shape, params = ends
    sizes = [max(latent, min(256, latent * 2 ** (num_groups - 1 - i))) for i in range(num_groups)]
    kind = "mlp" if network == "mlp" else "patch"
    encoder = lookup("encoder", kind)(seen, width=width, depth=depth)
    decoder = lookup("decoder", kind)(sizes[0] + num_classes, shape, params, width=width, depth=depth)
    return BottomUp(sizes, encoder, decoder, width=max(width, 2 * latent), depth=depth, num_classes=num_classes)
