"""White shapes on black, drawn here, of which every generative factor is known."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..registry import register
from .raw import Raw

SIZE = 32
NUM_EXAMPLES = 10_000
BLOCK = 500  # pictures drawn at once
KINDS = ("ellipse", "heart", "square")
PLACES = np.linspace(10.13, 21.86, 16)  # of the centre, in pixels from the left and upper edges: no shape is cut off
SCALES = np.linspace(4.57, 7.07, 6)  # half the side of the square, in pixels
ANGLES = np.linspace(0.0, 45.0, 10)  # degrees; no outline is the same at two of them, not even the square
Float = NDArray[np.float64]


@register("source", "shapes")
class Shapes:
    """10,000 binary pictures, 32×32, of one shape each, drawn at random from the grid of their five factors.

    x[i, j] = 1 where the shape's outline, f(u, v) ≤ 0, holds the centre of the pixel,
        (u, v) = R(−angle)·((j + ½, i + ½) − (place x, place y)) / scale,
        ellipse u² + 4v² − 1,  heart (u² + v² − 1)³ + u²v³,  square max(|u|, |v|) − 1.

    The factors are `kind` (the label too), `scale`, `angle`, `x` and `y`, independent and uniform.

    References: dSprites: disentanglement testing sprites dataset (Matthey et al., 2017,
    https://github.com/google-deepmind/dsprites-dataset), whose factors these are; there the shapes are 64×64, the
    angle goes all the way round (so that it is ambiguous for square and ellipse) and the grid is complete.
    """

    summary: ClassVar[str] = "10,000 white shapes on black, 32×32, binary; kind, scale, angle and position are known"

    def read(self) -> Raw:
        kind, scale, angle, x, y = draw_factors()
        pictures = np.empty((NUM_EXAMPLES, SIZE, SIZE), np.uint8)
        for code, outline in enumerate(OUTLINES):
            of_kind = np.flatnonzero(kind == code)
            for rows in np.array_split(of_kind, range(BLOCK, len(of_kind), BLOCK)):
                pictures[rows] = outline(*place(scale[rows], angle[rows], x[rows], y[rows])) <= 0
        known = {"kind": kind, "scale": scale, "angle": angle, "x": x, "y": y}
        return Raw("shapes", pictures, kind.astype(np.int64), KINDS, factors=known)


def draw_factors() -> Float:
    """kind (an index), scale, angle, x and y [5, N]: places of the grid, each at most once."""
    grid = (np.arange(len(KINDS)), SCALES, ANGLES, PLACES, PLACES)
    sizes = tuple(len(values) for values in grid)
    places = np.unravel_index(np.random.default_rng(0).permutation(np.prod(sizes))[:NUM_EXAMPLES], sizes)
    return np.stack([values[chosen].astype(np.float64) for values, chosen in zip(grid, places, strict=True)])


def place(scale: Float, angle: Float, x: Float, y: Float) -> tuple[Float, Float]:
    """(u, v) of the centre of every pixel, [B, 32, 32] each, in the shape's own directions and size."""
    centres = np.arange(SIZE) + 0.5
    turn = np.deg2rad(angle)
    cos, sin = ((f(turn) / scale)[:, None, None] for f in (np.cos, np.sin))
    across, down = centres[None, None, :] - x[:, None, None], centres[None, :, None] - y[:, None, None]
    return cos * across + sin * down, cos * down - sin * across


def _ellipse(u: Float, v: Float) -> Float:
    return u * u + 4 * v * v - 1


def _heart(u: Float, v: Float) -> Float:
    """Point down: v grows downwards in a picture."""
    round_ = u * u + v * v - 1
    return round_ * round_ * round_ + u * u * v * v * v


def _square(u: Float, v: Float) -> Float:
    return np.maximum(np.abs(u), np.abs(v)) - 1


OUTLINES = (_ellipse, _heart, _square)  # in the order of KINDS
