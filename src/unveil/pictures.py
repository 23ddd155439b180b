"""Arrays of images as pictures: grids for files, half-block characters for a terminal."""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from .domain import Domain
from .errors import RequestError
from .files import check_output
from .plainfiles import write_output

GAP = 2  # pixels between images
PAPER = 255
UNKNOWN = 128  # what is not observed


def to_bytes(x: np.ndarray, domain: Domain, low: float | None = None, high: float | None = None) -> np.ndarray:
    """x [N, H, W(, C)] in the data's units → uint8 [N, H, W, C]; NaN is grey.

    Arguments: low, high: what is black and white in real images and counts; by default their range.
    """
    if not domain.is_image:
        raise RequestError(f"x of shape {domain.shape} is not an image; write .csv, .npy or .npz instead of a picture.")
    height, width, channels = domain.image_shape
    x = np.asarray(x, dtype=np.float64).reshape(-1, height, width, channels)
    if domain.ends is not None:
        low, high = domain.ends
    else:
        low = float(np.nanmin(x)) if low is None else low
        high = float(np.nanmax(x)) if high is None else high
    shades = np.clip(255 * (x - low) / max(high - low, 1e-12), 0, 255).round()
    return np.where(np.isnan(x), UNKNOWN, shades).astype(np.uint8)


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 [N, H, W, C] → one picture [rows·(H+gap)+gap, columns·(W+gap)+gap, 3]; missing places stay paper."""
    images = as_rgb(images)
    count, height, width, _ = images.shape
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), PAPER, np.uint8)
    for i, image in enumerate(images):
        top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def as_rgb(images: np.ndarray) -> np.ndarray:
    """[…, C] → […, 3]: grey repeated, alpha laid on white, further channels left out."""
    channels = images.shape[-1]
    if channels in (1, 2):
        return np.repeat(images[..., :1], 3, axis=-1)
    if channels == 4:
        alpha = images[..., 3:].astype(np.float64) / 255
        return (images[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return images[..., :3]


def enlarge(picture: np.ndarray, at_least: int = 512) -> np.ndarray:
    """Repeat pixels until the longer side has at least so many."""
    factor = max(1, math.ceil(at_least / max(picture.shape[:2])))
    return picture.repeat(factor, 0).repeat(factor, 1)


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write_grid(path: Path | str, images: np.ndarray, columns: int) -> None:
    """Write a grid of uint8 images [N, H, W, C] as a PNG, enlarged so that it can be seen."""
    path = check_output(Path(path))
    if path.suffix.lower() != ".png":
        raise RequestError(f"A picture was asked for as {path.name!r}; it is written as .png.")
    write_output(path, png(Image.fromarray(enlarge(tile(images, columns)))))


def half_blocks(images: np.ndarray, width: int = 80, colour: bool = True) -> list[str]:
    """A row of images as text, two pixels per character (▀ with a foreground and a background colour).

    Arguments: images uint8 [N, H, W, C]; width in characters; without colour, four shades of block characters.
    """
    images = as_rgb(images)
    count = max(1, min(len(images), (width + 1) // (images.shape[2] + 1)))
    row = np.concatenate([np.pad(i, ((0, i.shape[0] % 2), (0, 1), (0, 0))) for i in images[:count]], axis=1)[:, :width]
    lines = []
    for top, bottom in zip(row[::2], row[1::2], strict=True):
        if colour:
            cells = (
                f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀" for a, b in zip(top, bottom, strict=True)
            )
            lines.append("".join(cells) + "\x1b[0m")
        else:
            shade = (top.mean(-1) + bottom.mean(-1)) / 2
            lines.append("".join(" ░▒▓█"[min(4, int(v // 51.2))] for v in shade).rstrip())
    return lines
