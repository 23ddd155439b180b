"""Data sets published in the format of MNIST: four gzipped idx files, checked by the digests of what they decode to."""

import gzip
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import RequestError
from .limits import require_expansion
from .npyfiles import BROKEN, MOST_SIZES, read_npz, require_memory
from .raw import Array, verify

IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Published:
    """A data set that others host: where it is looked for, in order, and how it is recognised.

    $UNVEIL_DATA/<name>.npz, then the original files in $UNVEIL_DATA/<name>/, then the mirrors ($UNVEIL_MIRROR/<name>
    instead, where it is set), kept in $UNVEIL_CACHE or the user's cache directory.

    Arguments:
        name: of the data set.
        files: {array: (file name, md5 of the original file)}.
        mirrors: base addresses of the original files.
        digests: {array: `raw.digest` of the decoded array}.
    """

    name: str
    files: Mapping[str, tuple[str, str]]
    mirrors: tuple[str, ...]
    digests: Mapping[str, str]

    def read(self) -> dict[str, Array]:
        """The arrays x_train, y_train, x_test and y_test, verified."""
        arrays, where = self._find()
        verify(arrays, self.digests, where)
        return arrays

    def _find(self) -> tuple[dict[str, Array], str]:
        given = os.environ.get("UNVEIL_DATA")
        if given and (path := Path(given) / f"{self.name}.npz").is_file():
            return read_npz(path, list(ARRAYS)), str(path)
        folder = Path(given) / self.name if given else None
        if folder is not None and all((folder / file).is_file() for file, _ in self.files.values()):
            return {array: read_idx(folder / file) for array, (file, _) in self.files.items()}, str(folder)
        paths = {array: self._fetch(file, md5) for array, (file, md5) in self.files.items()}
        return {array: read_idx(path) for array, path in paths.items()}, str(paths["x_train"].parent)

    def _fetch(self, file: str, md5: str) -> Path:
        import pooch

        mirror = os.environ.get("UNVEIL_MIRROR")
        bases = (f"{mirror.rstrip('/')}/{self.name}/",) if mirror else self.mirrors
        pinned = None if mirror else f"md5:{md5}"  # a mirror may have packed it anew; the decoded arrays decide
        folder = Path(os.environ.get("UNVEIL_CACHE") or pooch.os_cache("unveil")) / self.name
        download = pooch.HTTPDownloader(timeout=(4, 30))
        pooch.get_logger().setLevel("WARNING")  # what is fetched is said once, by us
        for base in bases:
            try:
                return Path(pooch.retrieve(base + file, pinned, file, folder, downloader=download))
            except (OSError, ValueError) as error:  # unreachable, refused, or another file than the pinned one
                reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise RequestError(
            f"{self.name} is not in $UNVEIL_DATA ({os.environ.get('UNVEIL_DATA') or 'not set'}) and {bases[-1]}{file} "
            f"could not be fetched: {reason}.",
            f"By hand: set UNVEIL_DATA to a folder that holds {self.name}.npz (arrays {', '.join(ARRAYS)}), or "
            f"{self.name}/ with the four original files.",
        )


def read_idx(path: Path) -> Array:
    """The array of a gzipped idx file: two zero bytes, a type, the number of sizes, the sizes (big-endian), the values.

    References: The MNIST database of handwritten digits (LeCun, Cortes & Burges), "File formats".
    """
    try:
        with gzip.open(path) as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES:
                raise RequestError(f"{path} is not an idx file: it starts with {magic.hex(' ')}.")
            if not 1 <= magic[3] <= MOST_SIZES:
                raise RequestError(f"{path} is an idx file of {magic[3]} dimensions; it has 1 to {MOST_SIZES}.")
            sizes = np.frombuffer(_exactly(stream.read(4 * magic[3]), 4 * magic[3], path), ">u4")
            dtype, shape = np.dtype(IDX_TYPES[magic[2]]), tuple(int(size) for size in sizes)
            declared = math.prod(shape) * dtype.itemsize
            require_expansion(declared, path.stat().st_size, str(path))
            require_memory(declared, str(path))
            values = _exactly(stream.read(declared + 1), declared, path)
    except RequestError:
        raise
    except BROKEN as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise RequestError(f"{path} cannot be read as a gzipped idx file: {what}.") from error
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _exactly(values: bytes, declared: int, path: Path) -> bytes:
    if len(values) != declared:
        raise RequestError(f"{path} does not hold the {declared} bytes that its header declares: cut off or altered.")
    return values
