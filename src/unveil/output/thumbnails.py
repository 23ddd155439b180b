"""A row of images in the characters of a terminal."""

import sys

import numpy as np
from rich.console import Console
from rich.text import Text

from ..pictures import half_blocks
from .streams import speakable

TALLEST = 16  # lines of a row of samples
WANTED, SMALLEST = 4, 12  # images that should fit beside each other, and the pixels that they must keep for it


def sample_lines(images: np.ndarray, console: Console) -> list[Text]:
    """A row of images that fits the terminal: half blocks in colour, shades without, ASCII where it must be."""
    colour = console.color_system in ("truecolor", "256") and not console.options.ascii_only
    lines = half_blocks(shrunk(images, console.width), console.width - 1, colour)
    return [Text.from_ansi(line) if colour else Text(speakable(line, sys.stderr)) for line in lines]


def shrunk(images: np.ndarray, room: int) -> np.ndarray:
    """Images [N, H, W, C] averaged over squares until a row of them is low, and shows several, in `room` characters."""
    count, height, width, channels = images.shape
    factor = -(-height // (2 * TALLEST))
    while room // (width // factor + 1) < WANTED and min(height, width) // (factor + 1) >= SMALLEST:
        factor += 1
    rows, columns = height // factor, max(1, width // factor)
    kept = images[:, : rows * factor, : columns * factor].astype(np.float32)
    squares = kept.reshape(count, rows, factor, columns, -1, channels)
    return squares.mean((2, 4)).round().astype(np.uint8)
