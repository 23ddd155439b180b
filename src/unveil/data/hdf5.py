"""HDF5 from anybody: nodes that are reached without following a link, and values whose cost is known before they come.

Whatever h5py reads goes through `child`, `attribute`, `numbers` and `texts`.
"""

from __future__ import annotations

import math
import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RequestError
from .limits import MAX_ATTRIBUTE, MAX_TEXT, MEBI, mebibytes, require_expansion
from .npyfiles import BROKEN, require_memory
from .raw import Array

HEAP = b"GCOL\1\0\0\0"  # how a heap of texts begins, of which h5py makes strings of any length
OBJECT = struct.Struct("<H6xQ")  # of a heap: its number, 0 for free space, and its size
PACKED = MEBI // 4  # bytes of a stored block, from which on it is unpacked piece by piece first


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The open file; what a missing reader or a damaged file raises becomes a sentence."""
    try:
        import h5py
    except ImportError as error:
        raise RequestError("Files of AnnData need h5py.", "pip install 'unveil[h5ad]' brings it.") from error
    try:
        _require_heaps(path)
        with h5py.File(path, "r") as file:
            yield file
    except RequestError:
        raise
    except PermissionError:
        raise RequestError(f"{str(path)!r} may not be read: no permission.") from None
    except BROKEN as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise RequestError(f"{path} cannot be read as .h5ad: {what}; write it again with adata.write().") from error


def _require_heaps(path: Path) -> None:
    """Refuse a heap of texts in which free space has no size: the library walks over it without end."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        at = held.find(HEAP)
        while at >= 0:
            place, end = at + 16, min(len(held), at + int.from_bytes(held[at + 8 : at + 16], "little"))
            while place + 16 <= end:
                index, size = OBJECT.unpack_from(held, place)
                if not index and not size:
                    raise RequestError(f"{path} is damaged, in the texts that it holds; write it again.")
                place += size if not index else 16 + size + -size % 8
            at = held.find(HEAP, at + len(HEAP))


def child(group: Any, name: str) -> Any:
    """The node of a name in a group; a link to another place or file is refused, and never followed."""
    import h5py

    require_group(group)
    first, _, rest = name.partition("/")
    if first and rest:  # a name with a stroke is kept as groups inside each other
        return child(child(group, first), rest)
    where = f"{place_of(group)}/{name}".replace(":/", ":", 1)
    link = group.get(name, getlink=True) if name not in ("", ".", "..") and "/" not in name else None
    if link is None:
        raise RequestError(f"{where} is missing; write the file again with adata.write().")
    if not isinstance(link, h5py.HardLink):
        kind = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
        raise RequestError(f"{where} is a link to {kind}, and no link is followed; write it as one file, without.")
    return group[name]


def require_group(node: Any) -> None:
    """Refuse a dataset in the place of a group."""
    import h5py

    if not isinstance(node, h5py.Group):
        raise RequestError(f"{place_of(node)} holds values, where a group is expected; write the file again.")


def attribute(node: Any, name: str) -> Any:
    """A small attribute, or None where there is none."""
    if name not in node.attrs:
        return None
    held = node.attrs.get_id(name)
    if math.prod(held.shape or ()) * held.dtype.itemsize > MAX_ATTRIBUTE:
        raise RequestError(f"The attribute {name!r} of {place_of(node)} is larger than {MAX_ATTRIBUTE:,} bytes.")
    found = node.attrs[name]
    if isinstance(found, np.ndarray) and found.shape == (1,):  # as R writes a single value
        found = found[0]
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def numbers(dataset: Any, kinds: str = "biuf") -> Array:
    """The values of a dataset of numbers, refused by name where it is something else.

    Arguments: kinds, those of NumPy that are taken.
    """
    _require_here(dataset)
    if dataset.dtype.kind not in kinds or dataset.dtype.subdtype is not None:
        told = "integers" if "f" not in kinds else "real numbers"
        raise RequestError(f"{place_of(dataset)} holds {_told(dataset.dtype)}; it must hold {told}.")
    _require_cost(dataset)
    return np.asarray(dataset[()])


def texts(dataset: Any) -> list[str]:
    """The values of a dataset [N] of text, in pieces: where lengths vary, nothing says how much they hold together."""
    import h5py

    _require_here(dataset)
    text = h5py.check_string_dtype(dataset.dtype)
    if text is None or len(dataset.shape) != 1:
        raise RequestError(f"{place_of(dataset)} holds {_told(dataset.dtype)} {dataset.shape}; it must hold text (N,).")
    _require_cost(dataset)
    each = text.length or max(1, Path(dataset.file.filename).stat().st_size)
    step, found, size = max(16, MAX_TEXT // (4 * each)), list[str](), 0
    for first in range(0, len(dataset), step):
        part = [value.decode() for value in dataset[first : first + step].tolist()]
        size += sum(map(len, part))
        if size > MAX_TEXT:
            raise RequestError(f"{place_of(dataset)} holds more than {mebibytes(MAX_TEXT)} of text.")
        found += part
    return found


def is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def is_dataset(node: Any) -> bool:
    import h5py

    return isinstance(node, h5py.Dataset)


def place_of(node: Any) -> str:
    """A node in a sentence."""
    return f"{node.file.filename}:{node.name.lstrip('/')}"


def _told(dtype: Any) -> str:
    """A type in a sentence."""
    import h5py

    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if h5py.check_ref_dtype(dtype) is not None:
        return "references"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "lists of different lengths"
    return "records with fields" if dtype.names else "opaque bytes" if dtype.kind == "V" else str(dtype)


def _require_here(dataset: Any) -> None:
    """Refuse what is no dataset, or keeps its values elsewhere, or is packed by something that is not installed."""
    import h5py

    where = place_of(dataset)
    if not isinstance(dataset, h5py.Dataset):
        raise RequestError(f"{where} is a {type(dataset).__name__.lower()}, where values are expected.")
    if dataset.external or dataset.is_virtual:
        raise RequestError(f"{where} keeps its values in another file, which is not followed; write it as one file.")
    if dataset.shape is None:
        raise RequestError(f"{where} holds no values at all.")
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            told = name.decode(errors="replace") or "without a name"
            raise RequestError(
                f"{where} is packed by filter {code} ({told!r}), which is not installed.",
                "adata.write(path, compression='gzip') needs none.",
            )


def _require_cost(dataset: Any) -> None:
    """Refuse values that memory cannot hold, that were never stored, or that become more than is declared."""
    block = math.prod(dataset.chunks or (1,)) * dataset.dtype.itemsize
    declared = max(math.prod(dataset.shape) * dataset.dtype.itemsize, block)
    held = Path(dataset.file.filename).stat().st_size
    require_expansion(declared, min(dataset.id.get_storage_size(), held), place_of(dataset))
    require_memory(declared, place_of(dataset))
    if dataset.chunks and dataset.compression:
        _require_blocks(dataset, block)


def _require_blocks(dataset: Any, declared: int) -> None:
    """Refuse a packed block that becomes more than a block: HDF5 would unpack it to its end."""
    large = list[Any]()
    dataset.id.chunk_iter(lambda block: large.append(block) if block.size > PACKED else None)
    for block in large:
        filters, stored = dataset.id.read_direct_chunk(block.chunk_offset)
        packed = dataset.compression == "gzip" and not filters
        if packed and len(zlib.decompressobj().decompress(stored, declared + PACKED)) > declared + 64:
            raise RequestError(f"A block of {place_of(dataset)} unpacks to more than it declares: refused.")
