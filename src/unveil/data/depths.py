"""Grey pictures of 16 bits: on which scale they are read, and what that loses."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import RequestError
from .filetree import Pictures, many, shown
from .images import Header, Unreadable, read_values
from .raw import Array

OWN = 65535  # the white of 16 bits, where nothing else is known


@dataclass(frozen=True)
class Depth:
    """How grey of 16 bits is read.

    Arguments: white, the value that becomes 255, or 0 where values are kept; None where no picture has 16 bits; said,
    sentences about it.
    """

    white: int | None = None
    said: tuple[str, ...] = ()


def depth_of(path: Path, files: Sequence[Path], headers: Sequence[Header], how: Pictures) -> Depth:
    """The depth of the pictures of a folder: that of the run, or the bits that their values use."""
    deep = [file for file, header in zip(files, headers, strict=True) if header.deep]
    cut = sum(header.cut for header in headers)
    upper = (
        (f"of {cut:,} with 16 bits in colour only the upper 8 are read (an array in .npy keeps all)",) if cut else ()
    )
    if how.keeps_depth and (deep or how.white == 0):
        _require_alike(path, len(deep), len(files))
        kept = f"the values of {many(len(deep), 'grey picture')} of more than 8 bits are kept"
        return Depth(0, (kept,) if how.shape is None else ())
    if not deep:
        return Depth(how.white, upper)
    if how.shape is None:
        found = _spanned(deep)
        return Depth(found.white, (*found.said, *upper))
    if how.white is not None:
        return Depth(how.white, (*_above(deep, how.white), *upper))
    told = f"{many(len(deep), '16-bit picture')} came and the run was fitted on none: {OWN} is read as white"
    return Depth(OWN, (told, *upper))


def _above(files: Sequence[Path], white: int) -> tuple[str, ...]:
    """A sentence that counts the pictures with values above the white of the run."""
    count = sum(int(values.max()) > white for values in _values(files))
    held = f"{many(count, 'picture')} hold{'s' * (count == 1)} values above {white:,}, the white of the run"
    return (f"{held}: these are taken as white",) if count else ()


def _values(files: Sequence[Path]) -> Iterator[Array]:
    """The values of grey of 16 bits; a file without such is named where the pixels are read."""
    for file in files:
        with contextlib.suppress(Unreadable):
            yield read_values(file)


def _require_alike(path: Path, deep: int, count: int) -> None:
    if deep < count:
        raise RequestError(
            f"{deep:,} of the {count:,} pictures of {shown(str(path))} have more than 8 bits, the others 8: as real "
            "numbers these are on two scales.",
            "Give pictures of one kind.",
        )


def _spanned(files: Sequence[Path]) -> Depth:
    """The scale of the bits that the values use: to 255 they stay as they are, and 4,095 is the white of 12 bits."""
    seen = np.zeros(OWN + 1, bool)
    for found in _values(files):
        for row in found:
            seen[row] = True
    values = np.flatnonzero(seen)
    top = int(values.max(initial=0))
    white = max(255, (1 << top.bit_length()) - 1)
    held = f"{many(len(files), '16-bit picture')} hold{'s' * (len(files) == 1)} values up to {top:,}"
    if white == 255:
        return Depth(white, (f"{held}, taken as they are",))
    return Depth(white, (f"{held}, brought to 0 … 255 by 255/{white:,}{_lost(values, white)}",))


def _lost(values: Array, white: int) -> str:
    left = len(np.unique((values * 255 + white // 2) // white))
    if left == len(values):
        return ""
    return f": {left:,} of {len(values):,} different values are left; data.domain=real keeps them all"
