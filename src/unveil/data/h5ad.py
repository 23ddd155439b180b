"""AnnData files: X, a layer or an embedding of an .h5ad as x, a column of its obs as labels.

References: The on-disk format of AnnData (https://anndata.readthedocs.io/en/stable/fileformat-prose.html).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..domain.values import pieces
from ..errors import Fact, RequestError, nearest
from .filetree import many
from .frames import named_columns
from .hdf5 import attribute, child, is_dataset, is_text, numbers, opened, place_of, require_group, texts
from .npyfiles import require_memory
from .raw import Array, Raw, encode_labels
from .tablecolumns import listing, near_column

PLACES = ("X", "layers/NAME", "obsm/NAME")
SPARSE = ("csr_matrix", "csc_matrix")


def read_h5ad(
    path: Path, member: str | None = None, *, label: str = "", drop: str = "", columns: Sequence[str] | None = None
) -> Raw:
    """The matrix `member` of an .h5ad file as x, dense; whole numbers from 0 up are counts.

    Arguments:
        path: the file.
        member: "X" (where None), "layers/NAME" or "obsm/NAME".
        label: a column of obs, taken as labels; "" for none.
        drop: variables that are left out, separated by commas.
        columns: the names of variables that a run was fitted on: exactly these are x, in this order.
    """
    place = member or "X"
    with opened(path) as file:
        node = _find(file, place, path)
        rows, width = _sizes(node)
        names = None if place.startswith("obsm/") else _names(file, width)
        x = numbers(node) if is_dataset(node) else _sparse(node, (rows, width))
        labels = _column(child(file, "obs"), label, path, rows) if label and columns is None else None
    source = f"{path}:{member}" if member else str(path)
    return Variables(x, names, labels, place, str(path), path.name).as_raw(source, drop, columns)


@dataclass(frozen=True)
class Variables:
    """A matrix of AnnData.

    Arguments: x [N, D]; names of its variables [D], where each has its own, or None; labels [N] or None; place, where
    x stands; holder and short, what holds it, for sentences.
    """

    x: Array
    names: tuple[str, ...] | None
    labels: Array | None
    place: str
    holder: str
    short: str

    def as_raw(self, source: str, drop: str, columns: Sequence[str] | None) -> Raw:
        """x as it was asked for, whole numbers from 0 up being counts; arguments as of `read_h5ad`."""
        x, names, ignored, dropped = self.x, self.names, 0, self._dropped(drop) if columns is None else ()
        if dropped and names is not None:
            x = x[:, [name not in dropped for name in names]]
            names = tuple(name for name in names if name not in dropped)
        if columns is not None:
            places = self._places(columns)
            x, names, ignored = x[:, places], tuple(columns), x.shape[1] - len(places)
        y, classes = (None, None) if self.labels is None else encode_labels(self.labels)
        counts = bool(x.size) and all(bool((part >= 0).all() and (part == np.rint(part)).all()) for part in pieces(x))
        held = "whole numbers from 0 up, which are counts" if counts else "real numbers"
        notes = (Fact(f"x is {self.place} of {self.short}: {held}."),)
        unused = (f"{many(ignored, 'variable')} of {self.short} not used: the run was fitted without.",)
        kind, remarks = "count" if counts else "real", unused if ignored else ()
        return Raw(source, x, y, classes, notes=notes, columns=names, dropped=dropped, domain=kind, remarks=remarks)

    def _dropped(self, drop: str) -> tuple[str, ...]:
        """The variables that are left out."""
        if drop and self.names is None:
            raise RequestError(
                f"data.drop={drop} names variables, and those of {self.holder} have no names of their own."
            )
        found = tuple(named_columns(drop, self.names or (), True))
        if self.names is not None and len(found) == len(self.names):
            raise RequestError("No variable is left to be x.")
        return found

    def _places(self, columns: Sequence[str]) -> list[int]:
        """Where the variables of a run stand."""
        if self.names is None:
            raise RequestError(
                f"The run was fitted on variables by name, and those of {self.holder}:{self.place} have no names of "
                "their own.",
                "Give X or a layer, with a name for each: adata.var_names_make_unique().",
            )
        where = {name: i for i, name in enumerate(self.names)}
        if missing := [name for name in columns if name not in where]:
            lacks = listing(missing).replace("Column", "variable", 1)
            unused = [name for name in self.names if name not in columns]
            raise RequestError(
                f"{self.holder} lacks the {lacks} that the run was fitted on.",
                near_column(missing[0], unused, "It has, unused,"),
            )
        return [where[name] for name in columns]


def _find(file: Any, place: str, path: Path) -> Any:
    folder, _, name = place.partition("/")
    known = place == "X" or (folder in ("layers", "obsm") and name)
    if not known:
        raise RequestError(f"{path} was asked for {place!r}; allowed are {', '.join(PLACES)}.")
    if folder in file and (not name or name in child(file, folder)):
        return child(child(file, folder), name) if name else child(file, folder)
    there = [f"{group}/{key}" for group in ("layers", "obsm") if group in file for key in child(file, group)]
    raise RequestError(f"{path} holds no {place}.", nearest(place, [*(["X"] * ("X" in file)), *there]))


def _sizes(node: Any) -> tuple[int, int]:
    """The numbers of rows and columns that a matrix declares."""
    if is_dataset(node):
        if len(node.shape or ()) != 2:
            raise RequestError(f"{place_of(node)} has the shape {node.shape}; it must be (N, D), a row an example.")
        return node.shape[0], node.shape[1]
    kind = attribute(node, "encoding-type")
    if not isinstance(kind, str) or kind not in SPARSE:
        if attribute(node, "h5sparse_format") is not None:
            raise RequestError(f"{place_of(node)} is of an early layout; open it with anndata and write it again.")
        told = "nothing known" if kind is None else repr(kind)[:60]
        raise RequestError(f"{place_of(node)} holds {told}; allowed are dense arrays, {' and '.join(SPARSE)}.")
    found = np.asarray(attribute(node, "shape"))
    if found.shape != (2,) or found.dtype.kind not in "iu" or not (0 <= int(found.min()) <= int(found.max()) < 2**31):
        raise RequestError(f"{place_of(node)} declares no shape of two sizes from 0 upwards; write it again.")
    return int(found[0]), int(found[1])


def _sparse(node: Any, shape: tuple[int, int]) -> Array:
    """A sparse group as a dense array."""
    from scipy import sparse

    kind, where = attribute(node, "encoding-type"), place_of(node)
    values = numbers(child(node, "data"))
    values = values.astype(np.float32) if values.dtype == np.float16 else values  # which scipy does not take
    indices, starts = (_whole(child(node, name)) for name in ("indices", "indptr"))
    declared = math.prod(shape) * values.dtype.itemsize
    require_memory(declared, where)
    outer, inner = shape if kind == "csr_matrix" else shape[::-1]
    if wrong := _misplaced(values, indices, starts, outer, inner):
        raise RequestError(f"The {kind} in {where} is damaged: {wrong}; write it again.")
    found = getattr(sparse, kind)((values, indices, starts), shape)
    found.sum_duplicates()
    parts, x = found.tocoo(), np.zeros(shape, values.dtype)  # scipy's own counts in 32 bits, and writes beyond x
    x[parts.row, parts.col] = parts.data
    return x


def _misplaced(values: Array, indices: Array, starts: Array, outer: int, inner: int) -> str:
    """What is wrong with the places of values [n] in a sparse matrix; "" where nothing is.

    scipy does not look at rows that begin after their end where the last one ends at 0, and reads beyond its arrays.
    """
    if values.shape != indices.shape or values.ndim != 1:
        return f"{values.shape} values have {indices.shape} places"
    if starts.shape != (outer + 1,):
        return f"its index pointer has the size {starts.size} and should have {outer + 1}"
    if starts[0] != 0 or starts[-1] != len(values) or bool((np.diff(starts) < 0).any()):
        return "its index pointer does not rise from 0 to the number of values"
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < inner:
        return f"it has a place outside 0 to {inner - 1}"
    return ""


def _whole(dataset: Any) -> Array:
    """Places or codes as int64."""
    found = numbers(dataset, "iu")
    if found.size and int(found.max()) >= 2**63:
        raise RequestError(f"{place_of(dataset)} holds {found.max()}, which is no place in an array.")
    return found.astype(np.int64)


def _names(file: Any, columns: int) -> tuple[str, ...] | None:
    """The names of the variables, where each has its own."""
    var = child(file, "var")
    index = attribute(var, "_index")
    if not isinstance(index, str):
        raise RequestError(f"{place_of(var)} does not say which column names the variables; write the file again.")
    node = child(var, index)
    found = texts(node if is_dataset(node) else child(node, "values"))
    if len(found) != columns:
        raise RequestError(f"{place_of(var)} names {len(found)} variables, and X has {columns} columns.")
    return tuple(found) if len(set(found)) == len(found) else None


def _column(obs: Any, name: str, path: Path, rows: int) -> Array:
    require_group(obs)
    if name not in obs or name == attribute(obs, "_index"):
        raise RequestError(
            f"data.label names a column {name!r}, which obs of {path} does not have.", near_column(name, obs)
        )
    node = child(obs, name)
    if not is_dataset(node) and "values" in node and "mask" in node:
        return _nullable(node, rows)
    if not is_dataset(node) and "codes" not in node:
        kind = attribute(node, "encoding-type")
        raise RequestError(f"data.label={name} came as {kind}; labels are integers or text.")
    found = _values(node) if is_dataset(node) else _categories(node)
    if found.shape != (rows,):
        raise RequestError(f"{place_of(node)} holds labels of shape {found.shape} for {rows} examples; one each, (N,).")
    return found


def _nullable(node: Any, rows: int) -> Array:
    """Labels [N] of which some are missing: values beside a mask, that is true where there is none."""
    held, mask = _values(child(node, "values")), numbers(child(node, "mask"), "b")
    if held.shape != (rows,) or mask.shape != (rows,):
        raise RequestError(
            f"{place_of(node)} holds labels of shape {held.shape} and a mask {mask.shape} for {rows} examples."
        )
    found = held.astype(object)
    found[mask] = None
    return found


def _categories(node: Any) -> Array:
    """Labels [N] that are kept as the places of their texts; None where there is none."""
    held, codes = _values(child(node, "categories")), _whole(child(node, "codes"))
    if held.ndim != 1 or codes.ndim != 1:
        raise RequestError(f"{place_of(node)} holds codes {codes.shape} of categories {held.shape}; both are (N,).")
    if codes.size and not -1 <= int(codes.min()) <= int(codes.max()) < len(held):
        raise RequestError(
            f"{place_of(node)} holds the codes {codes.min()} to {codes.max()} of {len(held)} categories; they are the "
            "places of these, or −1 where there is none."
        )
    found = np.empty(len(codes), object)
    found[:] = [held[code] if code >= 0 else None for code in codes]
    return found


def _values(node: Any) -> Array:
    """A dataset of labels, as text or numbers."""
    return np.array(texts(node), object) if is_dataset(node) and is_text(node) else numbers(node)
