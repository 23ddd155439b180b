"""Read .npy and .npz without trusting them: header first, sizes checked before a byte is allocated, never a pickle."""

import io
import math
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from ..errors import RequestError, nearest
from .raw import Array

MEMBER = re.compile(r"(?P<path>.+?\.(?i:npz|h5ad|zip|xlsx|xlsm)):(?P<member>[^\\]+)")
DEFLATE_LIMIT = 1040  # no deflate stream is longer, unpacked, than about 1032 times its packed size
MOST_SIZES = 32  # of an array, as NumPy 1 has it
MOST_NAMES = 1000  # of arrays, among which one that is misspelt is looked for
# What zipfile, zlib and numpy's header parser raise on bytes that nobody wrote on purpose.
BROKEN = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, OSError, EOFError, SyntaxError, RuntimeError,
    MemoryError, struct.error, zlib.error, zipfile.BadZipFile, zipfile.LargeZipFile, tokenize.TokenError,
)  # fmt: skip


Stream = IO[bytes] | io.BufferedIOBase  # a member of an archive is the second and not the first


class Header(NamedTuple):
    """The header of an .npy stream."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    start: int


def split_member(source: str) -> tuple[str, str | None]:
    """("x.npz", "images") of "x.npz:images"; (source, None) of anything else."""
    found = MEMBER.fullmatch(source)
    return (found["path"], found["member"]) if found else (source, None)


def read_npy(path: Path) -> Array:
    with _refusing(path), path.open("rb") as stream:
        return _read_stream(stream, path.stat().st_size, str(path))


def npz_names(path: Path) -> list[str]:
    """The names of the arrays in an .npz file."""
    with _refusing(path), zipfile.ZipFile(path) as archive:
        return [_bare(name) for name in archive.namelist() if name.endswith(".npy")]


def read_npz(path: Path, names: list[str]) -> dict[str, Array]:
    """The arrays called `names` of an .npz file; the other members are not touched."""
    with _refusing(path), zipfile.ZipFile(path) as archive:
        members = {_bare(info.filename): info for info in archive.infolist() if info.filename.endswith(".npy")}
        count = Counter(_bare(info.filename) for info in archive.infolist())
        for name in names:
            if name not in members:
                raise RequestError(f"{path} holds no array {name!r}.", nearest(name, list(members)[:MOST_NAMES]))
            if count[name] > 1:
                raise RequestError(f"{path} holds {count[name]} arrays called {name!r}; give each its own name.")
        return {name: _read_member(archive, members[name], f"{path}:{name}") for name in names}


def require_memory(num_bytes: int, where: str, remedy: str = "give fewer rows, or a smaller dtype") -> None:
    """Refuse, before allocating, what free memory cannot hold."""
    import psutil  # here, so that a packed model opens without it

    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise RequestError(
            f"{where} declares {_gigabytes(num_bytes)} and {_gigabytes(free)} of memory are free; {remedy}."
        )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Array:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RequestError(f"{where} is packed in a way that np.savez never uses; write it again with np.savez.")
    if info.file_size > DEFLATE_LIMIT * max(info.compress_size, 64):
        raise RequestError(
            f"{where} declares {_gigabytes(info.file_size)} packed in {info.compress_size} bytes, more than its "
            "compression can hold: a damaged or hostile file, refused."
        )
    with archive.open(info) as stream:
        return _read_stream(stream, info.file_size, where)


def _read_stream(stream: Stream, size: int, where: str) -> Array:
    header = _read_header(stream, where)
    declared = math.prod(header.shape) * header.dtype.itemsize
    if declared != size - header.start:
        raise RequestError(
            f"{where} declares {header.dtype} of shape {header.shape}, {declared} bytes, and holds "
            f"{size - header.start}: cut off or altered."
        )
    require_memory(declared, where)
    stream.seek(0)
    found = np.asarray(npy.read_array(stream, allow_pickle=False))
    if header.dtype.kind == "U":
        _require_characters(found, where)
    return found


def _require_characters(text: Array, where: str) -> None:
    """Refuse text whose code points are no characters, at which Python stops or a terminal fails."""
    codes = np.ascontiguousarray(text).reshape(-1).view(np.uint32).astype(np.uint32)
    codes = codes if text.dtype.isnative else codes.byteswap()
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise RequestError(f"{where} holds text with code points that are no characters: a damaged file.")


def _read_header(stream: Stream, where: str) -> Header:
    if stream.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
        raise RequestError(f"{where} is not in NumPy's .npy format (a pickle is never read); write it with np.save.")
    stream.seek(0)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise RequestError(
            f"{where} holds Python objects, which only a pickle can hold and no pickle is read; save numbers: "
            "np.save(path, x.astype(np.float32))."
        )
    if len(shape) > MOST_SIZES:
        raise RequestError(f"{where} declares a shape of {len(shape):,} sizes; an array has at most {MOST_SIZES}.")
    if any(size < 0 for size in shape):
        raise RequestError(f"{where} declares the shape {shape}; sizes are not negative.")
    if not dtype.itemsize:
        raise RequestError(f"{where} declares values of no size ({dtype.str}); write it again with np.save.")
    return Header(shape, dtype, stream.tell())


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn whatever a missing, forbidden, damaged or hostile file raises into one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on how a header was written, not on what it holds
            yield
    except RequestError:
        raise
    except FileNotFoundError:
        raise RequestError(f"There is no file {str(path)!r}.") from None
    except PermissionError:
        raise RequestError(f"{str(path)!r} may not be read: no permission.") from None
    except BROKEN as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise RequestError(f"{path} cannot be read as {path.suffix}: {what}; write it again with np.save.") from error


def describe_shapes(arrays: Mapping[str, Array]) -> str:
    """ "x (100, 8) float64, y (100,) int64" for a message."""
    return ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in arrays.items())


def _bare(name: str) -> str:
    return name.removesuffix(".npy")


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB"
