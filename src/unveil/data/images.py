"""One picture file: what its header declares, checked before a pixel is decoded, and its pixels, brought to a shape."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from .limits import LARGE, MAX_JPEG_PIXELS, MAX_PIXELS, MAX_SIDE
from .npyfiles import BROKEN
from .raw import Array

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # grey of more than 8 bits
GREY = ("1", "L", "LA", *DEEP)
WHOLE = 2**24  # float32 holds every integer up to here
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF = (b"avif", b"avis")
ORIENTATION = 0x0112
ONE = threading.Lock()
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(ValueError):
    """A file that is no whole picture: the reason, and a remedy where it is not the file's fault."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Header(NamedTuple):
    """What a file declares of its picture, upright.

    Arguments: width, height; grey, whether its mode has no colour; animated, whether other frames follow the first;
    deep, whether it is grey of more than 8 bits; cut, whether it is in colour of 16 bits, of which Pillow gives 8;
    clear, whether parts of it may be transparent.
    """

    width: int
    height: int
    grey: bool
    animated: bool
    deep: bool = False
    cut: bool = False
    clear: bool = False


def read_header(path: Path) -> Header:
    """The header of a picture file, or Unreadable."""
    with _opened(path) as image:
        stored = image.size if image.format == "TIFF" or _orientation(image) < 5 else image.size[::-1]
        animated = image.format != "MPO" and getattr(image, "is_animated", False)  # the rest of an MPO are previews
        cut = image.mode not in DEEP and (_most(image) > 255 or "16" in _raw_mode(image))
        clear = image.has_transparency_data
        return Header(*stored, image.mode in GREY, animated, image.mode in DEEP, cut, clear)


def read_pixels(path: Path, shape: tuple[int, ...], white: int = 65535, paper: str = "white") -> Array:
    """The picture, upright, on paper, cut to the middle and resized: (H, W) and (H, W, 1) grey, (H, W, 3) RGB.

    Bicubic with antialiasing; a JPEG is decoded at the smallest scale that is still twice as large as it needs to be.
    uint8; grey of 16 bits is brought to it by v·255/white, or is kept, as float32, where white is 0.
    """
    height, width = shape[:2]
    with _opened(path) as image, _alone(image):
        image.draft(None, (2 * max(width, height),) * 2)
        return _pixels(image, shape, white, paper)


def read_values(path: Path) -> Array:
    """The values of grey of 16 bits, as they stand in the file."""
    with _opened(path) as image:
        most = _most(image)
        with _alone(image):
            image.load()
            return _sixteen(image, most)


def _pixels(image: Image.Image, shape: tuple[int, ...], white: int, paper: str) -> Array:
    """The pixels of an open picture, as of `read_pixels`."""
    height, width, most = *shape[:2], _most(image)
    image.load()
    flat = _shallow(image, white, most) if image.mode in DEEP else image
    mode = flat.mode if flat.mode == "F" else "RGB" if shape[2:] == (3,) else "L"
    upright = _on_paper(_upright(flat, _orientation(image)), mode, paper, max(width, height))
    fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.float32 if mode == "F" else np.uint8).reshape(shape)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file as a picture that is not decoded yet; whatever goes wrong with it becomes Unreadable."""
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
        formats = _formats(start[8:12] in HEIC and start[4:8] == b"ftyp")
        with Image.open(path, formats=formats) as image:
            _require_pixels(*image.size, MAX_JPEG_PIXELS if image.format in ("JPEG", "MPO") else MAX_PIXELS)
            yield image
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise _too_large("many", MAX_JPEG_PIXELS) from None
    except UnidentifiedImageError:
        raise _unidentified(start) from None
    except PermissionError:
        raise Unreadable("no permission") from None
    except BROKEN as error:
        raise Unreadable((str(error) or type(error).__name__).splitlines()[0][:60]) from error


def _require_pixels(width: int, height: int, most: int) -> None:
    if width < 1 or height < 1:
        raise Unreadable(f"declares {width}×{height} pixels")
    if max(width, height) > MAX_SIDE:
        raise Unreadable(f"declares {width}×{height} pixels, a side of more than {MAX_SIDE:,}")
    if width * height > most:
        raise _too_large(f"{width}×{height}", most)


def _too_large(size: str, most: int) -> Unreadable:
    return Unreadable(f"declares {size} pixels, more than {most // 10**6} megapixels", "Make it smaller first.")


@contextmanager
def _alone(image: Image.Image) -> Iterator[None]:
    """Large pictures are decoded one at a time, whatever the number of threads."""
    with ONE if image.width * image.height > LARGE else nullcontext():
        yield


@functools.cache
def _formats(heif: bool) -> tuple[str, ...]:
    """The formats that are tried: no other decoder of the machine sees the file. HEIF is entered where it is met."""
    Image.init()
    if heif:
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise Unreadable("HEIC", "HEIC needs an extra: pip install 'unveil[heif]'.") from None
        register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _unidentified(start: bytes) -> Unreadable:
    if not start:
        return Unreadable("empty")
    if start[4:8] == b"ftyp" and start[8:12] in AVIF and not features.check("avif"):
        return Unreadable("AVIF", "AVIF needs a newer Pillow: pip install 'pillow>=11.3'.")
    return Unreadable("not a picture that can be read")


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # asking a PNG decodes it; after `load` the answer is in `info`
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except BROKEN:  # damaged EXIF states no orientation; the picture itself may be whole
        return 1
    return found if isinstance(found, int) else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """The decoded picture as the camera was held; a TIFF is upright already, and then has no orientation left."""
    turn = UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _smaller(image: Image.Image, size: int) -> Image.Image:
    """A large picture with transparent parts by the means of blocks, still four times as large as it needs to be."""
    times = min(image.size) // (4 * size)
    if image.width * image.height <= LARGE or times < 2:
        return image
    return image.convert("RGBa").reduce(times).convert("RGBA")


def _on_paper(image: Image.Image, mode: str, paper: str, size: int) -> Image.Image:
    """The picture as "L", "RGB" or "F", what is transparent being of the colour of the paper."""
    if image.has_transparency_data:
        image = _smaller(image.convert("RGBA"), size)
        image = Image.alpha_composite(Image.new("RGBA", image.size, paper), image)
    return image.convert(mode)


def _raw_mode(image: Image.Image) -> str:
    """How the file states that its values lie, such as "RGB;16B"; known until it is decoded."""
    tile = getattr(image, "tile", ())
    stated = tile[0][3] if tile else ""
    return stated if isinstance(stated, str) else str(stated[0]) if isinstance(stated, tuple) and stated else ""


def _most(image: Image.Image) -> int:
    """Of a .pgm or .ppm the greatest value that it states, by which Pillow stretches the others; else 0."""
    tile = getattr(image, "tile", ())
    stated = tile[0][3] if image.format == "PPM" and tile else ()
    last = stated[-1] if isinstance(stated, tuple) and stated else 0
    return last if isinstance(last, int) else 0


def _shallow(image: Image.Image, white: int, most: int) -> Image.Image:
    """Grey of more than 8 bits as 8 bits, or where white is 0 as it is; what is transparent is white, or missing."""
    if not white:
        return Image.fromarray(_floats(image, most))
    values, clear = _sixteen(image, most), image.info.get("transparency")
    grey = np.empty(values.shape, np.uint8)
    for row, held in enumerate(values):  # one at a time: 64 megapixels in 32 bits would be held several times
        v = held.astype(np.uint32)
        v = np.minimum(v if clear is None else np.where(v == clear, white, v), white)
        grey[row] = (v * 255 + white // 2) // white
    return Image.fromarray(grey)


def _floats(image: Image.Image, most: int) -> Array:
    v = np.asarray(image, np.float64) if _has_32_bits(image) else _sixteen(image, most)
    if image.mode == "I" and np.abs(v).max() > WHOLE:
        raise Unreadable(f"holds whole numbers beyond {WHOLE}, which float32 does not hold")
    clear = image.info.get("transparency")
    return (v if clear is None else np.where(v == clear, np.nan, v)).astype(np.float32)


def _sixteen(image: Image.Image, most: int) -> Array:
    """The values of grey of 16 bits."""
    if _has_32_bits(image):
        told = "Fitted with data.domain=real, such pictures are taken as they are."
        raise Unreadable("32 bits a pixel, on a scale that it does not state", told)
    v = np.asarray(image).astype(np.uint16)
    return v if most in (0, 65535) else np.rint(v * (most / 65535)).astype(np.uint16)


def _has_32_bits(image: Image.Image) -> bool:
    return image.mode in ("I", "F") and image.format not in ("PNG", "PPM")
