"""A folder of pictures as it lies on the disk, as one array: found, checked, brought to one size, all of it said."""

import math
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from ..errors import Fact, RequestError
from .depths import OWN, Depth, depth_of
from .filetree import SUFFIXES, Found, Name, Pictures, find, in_splits, labels_of, many, shown
from .images import Header, Unreadable, read_header, read_pixels
from .npyfiles import require_memory
from .papers import Paper, paper_of
from .raw import Array, Raw

SIZE = 64  # of pictures that differ in size, or are larger
THREADS = 2
BLOCK = 1000
KEPT = "kept as they are"
T = TypeVar("T")


class Decoded(NamedTuple):
    """The pictures that could be read.

    Arguments: x [N, *shape]; rows [N], their places among the names; headers [N]; broken, the others by place; depth,
    of those of 16 bits; paper, that shows through those that are transparent in parts.
    """

    x: Array
    rows: list[int]
    headers: list[Header]
    broken: dict[int, Unreadable]
    depth: Depth
    paper: Paper


def read_pictures(path: Path, how: Pictures) -> Raw:
    """The pictures below a folder, or a single one, in the order of their names (those of `test/` last).

    x is (N, H, W) where no picture has a colour, else (N, H, W, 3), uint8, or float32 where `depths` keeps values.
    Sub-folders are labels, and a picture beside them has the label −1; a folder of `train/` and `test/` brings its own
    split.
    """
    path = path.resolve()
    root, found = (path, find(path)) if path.is_dir() else (path.parent, Found([(path.name,)]))
    if not found.images:
        raise _no_images(path, found)
    names, num_training, split = in_splits(sorted(found.images))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks; what matters in them is checked here
        decoded = _decode(path, [root.joinpath(*name) for name in names], how)
    if decoded.broken and not (how.skip_broken and decoded.rows):
        raise _broken(path, names, decoded.broken, how)
    y, classes, labels = labels_of([names[row][1 if split else 0 :] for row in decoded.rows])
    told = (*decoded.depth.said, *decoded.paper.said)
    left_out = (*told, *_odd(found, decoded.headers), *_left_out(names, decoded.broken))
    said = _sentence(path, decoded, (*split, labels, *left_out))
    num_test = sum(row >= num_training for row in decoded.rows)
    files = tuple("/".join(names[row]) for row in decoded.rows)
    raw = Raw(str(path), decoded.x, y, classes, num_test, notes=(said,), files=files, resize=said)
    remarks = tuple(f"{sentence[0].upper()}{sentence[1:]}." for sentence in told)
    return replace(raw, white=decoded.depth.white, paper=decoded.paper.colour, remarks=remarks)


def _decode(path: Path, files: Sequence[Path], how: Pictures) -> Decoded:
    """Every header, then, where the sizes and memory are fine, every picture."""
    asked = _each(lambda i: read_header(files[i]), len(files))
    headers = {i: header for i, header in enumerate(asked) if isinstance(header, Header)}
    broken = {i: error for i, error in enumerate(asked) if isinstance(error, Unreadable)}
    shape = _shape(path, list(headers.values()), how)
    depth = depth_of(path, [files[i] for i in headers], list(headers.values()), how)
    keeps, white = depth.white == 0, OWN if depth.white is None else depth.white
    largest = max((header.width * header.height for header in headers.values()), default=0)
    remedy = "give fewer images" + ("" if how.shape else ", or a smaller data.size")
    require_memory((4 if keeps else 1) * len(headers) * math.prod(shape) + THREADS * 8 * largest, str(path), remedy)
    rows = list(headers)
    x = np.empty((len(rows), *shape), np.float32 if keeps else np.uint8)

    def fill(i: int, paper: str = how.paper or "white") -> None:
        x[i] = read_pixels(files[rows[i]], shape, white, paper)

    failed = {i: error for i, error in enumerate(_each(fill, len(rows))) if isinstance(error, Unreadable)}
    clear = [i for i, row in enumerate(rows) if headers[row].clear and i not in failed]
    paper = paper_of(x, clear, lambda place, colour: _each(lambda i: fill(place[i], colour), len(place)), how)
    if failed:
        x, rows = np.delete(x, list(failed), 0), [row for i, row in enumerate(rows) if i not in failed]
        broken |= {list(headers)[i]: error for i, error in failed.items()}
    x = x if how.shape else _without_colour(x)
    return Decoded(x, rows, [headers[row] for row in rows], dict(sorted(broken.items())), depth, paper)


def _each(function: Callable[[int], T], count: int) -> list[T | Unreadable]:
    """function(0), function(1), … on a few threads (Pillow decodes without the interpreter's lock)."""

    def attempt(i: int) -> T | Unreadable:
        try:
            return function(i)
        except Unreadable as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(attempt, range(count)))


def _shape(path: Path, headers: Sequence[Header], how: Pictures) -> tuple[int, ...]:
    """(H, W) or (H, W, 3) of every example."""
    if how.shape is None:
        return *_size(headers, how), *(() if all(header.grey for header in headers) else (3,))
    if len(how.shape) == 2 or how.shape[2:] in ((1,), (3,)):
        return how.shape
    sizes = ", ".join(map(str, how.shape))
    raise RequestError(f"{path} came as images; this run takes (N, {sizes}), which images cannot be brought to.")


def _size(headers: Sequence[Header], how: Pictures) -> tuple[int, int]:
    """(H, W)."""
    if how.size != "auto":
        return how.size, how.size
    sizes = {(header.height, header.width) for header in headers}
    only = sizes.pop() if len(sizes) == 1 else (SIZE + 1, 0)
    return only if max(only) <= SIZE else (SIZE, SIZE)


def _without_colour(x: Array) -> Array:
    """x [N, H, W] where the channels of [N, H, W, 3] are all equal."""
    blocks = (x[i : i + BLOCK] for i in range(0, len(x), BLOCK))
    if x.ndim == 4 and all((block == block[..., :1]).all() for block in blocks):
        return np.ascontiguousarray(x[..., 0])
    return x


def _sentence(path: Path, decoded: Decoded, rest: Sequence[str]) -> str:
    count, colour = len(decoded.x), "grey" if decoded.x.ndim == 3 else "in colour"
    what = f"{many(count, 'image')} of {shown(path.name)}, {_span(decoded.headers)}"
    done = _done(decoded)
    said = "; ".join((f"{what}, {done}, {colour}", *rest)) + "."
    changed = done != KEPT or decoded.depth.said or decoded.paper.said or decoded.broken
    return said if changed else Fact(said)


def _span(headers: Sequence[Header]) -> str:
    widths, heights = ({getattr(header, side) for header in headers} for side in ("width", "height"))
    return " and ".join(
        f"{min(found)}{f' to {max(found)}' if len(found) > 1 else ''} {name}"
        for found, name in ((widths, "wide"), (heights, "high"))
    )


def _done(decoded: Decoded) -> str:
    height, width = decoded.x.shape[1:3]
    if all((header.height, header.width) == (height, width) for header in decoded.headers):
        return KEPT
    enlarged = sum(header.width < width or header.height < height for header in decoded.headers)
    return f"cut to the middle and resized to {width}×{height}" + (f" ({enlarged:,} enlarged)" if enlarged else "")


def _odd(found: Found, headers: Sequence[Header]) -> list[str]:
    """What lay there besides, and was not taken."""
    said = [f"{_listed_others(found)} ignored"] if found.others else []
    said += [f"{many(found.links, 'symbolic link')} not followed"] if found.links else []
    animated = sum(header.animated for header in headers)
    return said + ([f"of {animated:,} with several frames the first was taken"] if animated else [])


def _listed_others(found: Found) -> str:
    kinds = found.others.most_common(4)
    listed = ", ".join(f"{count:,} {shown(suffix) or 'without suffix'}" for suffix, count in kinds[:3])
    return f"{many(found.others.total(), 'other file')} ({listed}{', …' if len(kinds) > 3 else ''})"


def _left_out(names: Sequence[Name], broken: dict[int, Unreadable]) -> list[str]:
    return [f"{len(broken):,} broken left out: {_three(names, broken)}"] if broken else []


def _three(names: Sequence[Name], broken: dict[int, Unreadable]) -> str:
    first = [f"{shown('/'.join(names[i]))} ({shown(error.reason)})" for i, error in list(broken.items())[:3]]
    return ", ".join(first) + (", …" if len(broken) > 3 else "")


def _broken(path: Path, names: Sequence[Name], broken: dict[int, Unreadable], how: Pictures) -> RequestError:
    remedies = sorted({error.remedy for error in broken.values() if error.remedy})
    if len(broken) == len(names):
        way = "" if remedies else "Give a folder with images that can be read."
    elif how.shape is None:
        way = "--skip-broken (data.skip_broken=true) leaves them out."
    else:
        way = "Take them out first: every picture has its row. score and encode take --skip-broken."
    came = f"{len(broken):,} of {len(names):,} images in {shown(str(path))} cannot be read"
    return RequestError(f"{came}: {_three(names, broken)}.", " ".join(filter(None, (*remedies, way))))


def _no_images(path: Path, found: Found) -> RequestError:
    held = [_listed_others(found)] if found.others else []
    held += [f"{many(found.links, 'symbolic link')} to nowhere or out of it"] if found.links else []
    what = f"but {' and '.join(held)}" if held else "nothing at all"
    return RequestError(
        f"{shown(str(path))} is a directory that holds no images, {what}.",
        f"Images end in {', '.join(SUFFIXES)}; of arrays and tables give the file.",
    )
