"""Images for the page: arrays as PNG data URIs, small enough for the file they go into."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..domain import Domain
from ..pictures import as_rgb, png, to_bytes

Bytes = NDArray[np.uint8]  # [N, H, W, C]
CRISP = 64  # images up to this side keep hard pixel edges when they are enlarged


@dataclass(frozen=True)
class Painter:
    """Turns x into uint8 images; real images run from `low` to `high`, the same for data and model.

    Of joint x the pictures are shown, and so is x that is only pictures.
    """

    domain: Domain
    low: float
    high: float

    @staticmethod
    def of(domain: Domain, x: NDArray[np.floating]) -> Painter:
        """The range of real images is that of the data x."""
        pictures = domain.pictures(x)
        return Painter(domain, float(np.nanmin(pictures)), float(np.nanmax(pictures)))

    @property
    def crisp(self) -> bool:
        """Whether images are so small that they keep hard edges."""
        return max(self.domain.picture.image_shape[:2]) <= CRISP

    def __call__(self, x: NDArray[np.floating]) -> Bytes:
        """x [..., *shape] → uint8 [N, H, W, C], every leading dimension laid flat."""
        return to_bytes(self.domain.pictures(x), self.domain.picture, self.low, self.high)


@dataclass(frozen=True)
class Sprite:
    """One picture that holds many thumbnails, row by row: its data URI, columns and size of a thumbnail in pixels."""

    uri: str
    columns: int
    width: int
    height: int


def uris(images: Bytes, side: int) -> list[str]:
    """Each image as a data URI, its longer side at most `side`."""
    return [_uri(_shrunk(image, side)) for image in images]


def sprite(images: Bytes, side: int) -> Sprite:
    small = np.stack([np.atleast_3d(np.asarray(_shrunk(image, side))) for image in images])
    count, height, width, channels = small.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:count] = small
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return Sprite(_uri(_picture(sheet.reshape(rows * height, columns * width, channels))), columns, width, height)


def side_that_fits(images: Bytes, count: int, budget: int, sides: tuple[int, ...]) -> int:
    """The largest of `sides` at which `count` images like these take at most `budget` characters; else the smallest."""
    some = images[:: max(1, len(images) // 32)]
    for side in sides:
        if count * np.mean([len(uri) for uri in uris(some, side)]) <= budget:
            return side
    return sides[-1]


def _picture(image: Bytes) -> Image.Image:
    """An image [H, W, C]; grey stays grey, which takes a third of the space."""
    return Image.fromarray(image[..., 0] if image.shape[-1] in (1, 2) else as_rgb(image))


def _shrunk(image: Bytes, side: int) -> Image.Image:
    picture = _picture(image)
    longer = max(picture.size)
    if longer <= side:
        return picture
    size = (max(1, round(picture.width * side / longer)), max(1, round(picture.height * side / longer)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _uri(picture: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()
