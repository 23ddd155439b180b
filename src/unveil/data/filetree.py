"""The images below a folder: which files they are, how they are to be read, which are the test split, their labels.

Pillow is not needed here, and so not by a packed model.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from .raw import Raw

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".heic", ".heif",
)  # fmt: skip
SIZES = range(4, 4097)
HIDDEN = ("__macosx", "thumbs.db", "desktop.ini")
SPLITS = {  # whether a folder of this name is the test split
    "train": False, "training": False, "val": False, "valid": False, "validation": False,
    "test": True, "testing": True,
}  # fmt: skip
Name = tuple[str, ...]  # the parts of a path below the folder


@dataclass(frozen=True)
class Pictures:
    """How pictures are read.

    Arguments:
        size: they are cut to squares and resized to this; "auto" keeps pictures of one size up to 64, else takes 64.
        skip_broken: leave out files that cannot be read, instead of refusing.
        shape: of one example, (H, W) or (H, W, C), where a fitted run decides it; else None.
        keeps_depth: whether grey of more than 8 bits keeps its values, as real numbers.
        white, paper: as of Raw, where a fitted run decides them; else None.
    """

    size: int | Literal["auto"] = "auto"
    skip_broken: bool = False
    shape: tuple[int, ...] | None = None
    keeps_depth: bool = False
    white: int | None = None
    paper: str | None = None

    def __post_init__(self) -> None:
        if self.size != "auto" and not (isinstance(self.size, int) and self.size in SIZES):
            raise RequestError(
                f"data.size came as {self.size!r}; it is auto, or the side of a square, {SIZES[0]} to {SIZES[-1]}."
            )

    def require_use(self, source: str, found: Raw) -> None:
        """Refuse options for pictures where the source was something else."""
        if found.resize is None and (self.size != "auto" or self.skip_broken):
            key = "data.skip_broken" if self.size == "auto" else "data.size"
            raise RequestError(f"{key} came for {source}, which is no folder of images; leave it out.")


@dataclass
class Found:
    """The files below a folder.

    Arguments: images, their names; others, how many of every other suffix; links, how many were not followed.
    """

    images: list[Name] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    links: int = 0


def find(root: Path) -> Found:
    """The files below a folder, hidden ones left out.

    A link to a file of this folder that is not found otherwise is followed; no other link is, so no picture counts
    twice, nothing outside the folder is read, and a loop of folders is no trap.
    """
    found, links, folders = Found(), [], [root]
    while folders:
        for entry in _entries(folders.pop()):
            name = Path(entry.path).relative_to(root).parts
            if entry.name.startswith(".") or entry.name.lower() in HIDDEN:
                continue
            if entry.is_symlink():
                links.append(name)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and _is_image(name):
                found.images.append(name)
            else:
                found.others[Path(entry.name).suffix.lower()] += 1
    _follow(root, sorted(links), found)
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise RequestError(f"The folder {shown(str(folder))} cannot be read: {error.strerror or error}.") from error


def _follow(root: Path, links: Sequence[Name], found: Found) -> None:
    known = {os.path.realpath(root.joinpath(*name)) for name in found.images} if links else set()
    for name in links:
        target = os.path.realpath(root.joinpath(*name))
        inside = Path(target).is_relative_to(root) and os.path.isfile(target)
        if inside and target not in known and _is_image(name):
            known.add(target)
            found.images.append(name)
        else:
            found.links += 1


def _is_image(name: Name) -> bool:
    return Path(name[-1]).suffix.lower() in SUFFIXES


def in_splits(names: list[Name]) -> tuple[list[Name], int, tuple[str, ...]]:
    """The names with those of `test/` last, the number before those, and what to say."""
    tops = sorted({name[0] if len(name) > 1 else "" for name in names})
    if len(tops) < 2 or not {top.lower() for top in tops} <= SPLITS.keys():
        return names, len(names), ()
    training, test = ([n for n in names if SPLITS[n[0].lower()] is last] for last in (False, True))
    if not (training and test):
        return names, len(names), (f"{' and '.join(f'{top}/' for top in tops)} are read as one",)
    others = " and ".join(f"{top}/" for top in tops if not SPLITS[top.lower()])
    return training + test, len(training), (f"the test split is that of the folder ({len(test):,}), {others} the rest",)


def labels_of(names: Sequence[Name]) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None, str]:
    """Codes [N], class names, and what to say: the first sub-folder of each name."""
    classes = sorted({name[0] for name in names if len(name) > 1})
    if len(classes) < 2:
        return None, None, f"{'one sub-folder' if classes else 'no sub-folders'}, so no labels"
    codes = {name: code for code, name in enumerate(classes)}
    y = np.array([codes[name[0]] if len(name) > 1 else -1 for name in names], np.int64)
    beside = f"; {many(int((y < 0).sum()), 'image')} beside them without a label" if (y < 0).any() else ""
    listed = ", ".join(shown(name) for name in classes[:5]) + (", …" if len(classes) > 5 else "")
    return y, tuple(shown(name) for name in classes), f"labels are the {len(classes):,} sub-folders ({listed}){beside}"


def shown(text: str) -> str:
    """A name as it can be printed and stored, whatever bytes it was made of."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def many(count: int, what: str) -> str:
    """ "1 image", "2,000 images"."""
    return f"{count:,} {what}{'s' * (count != 1)}"
