"""AnnData files: X, a layer or an embedding of an .h5ad as x, a column of its obs as labels.

References: The on-disk format of AnnData (https://anndata.readthedocs.io/en/stable/fileformat-prose.html).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Fact, RequestError, nearest
from .filetree import many
from .frames import named_columns
from .npyfiles import require_memory
from .raw import Array, Raw, encode_labels
from .tablecolumns import listing, near_column

PLACES = ("X", "layers/NAME", "obsm/NAME")


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
    with _opened(path) as file:
        x = _matrix(_find(file, place, path), f"{path}:{place}")
        names = None if place.startswith("obsm/") else _names(file)
        labels = _column(file["obs"], label, path) if label and columns is None else None
    ignored, dropped = 0, _dropped(drop, names, path) if columns is None else ()
    if dropped and names is not None:
        x, names = x[:, [name not in dropped for name in names]], tuple(name for name in names if name not in dropped)
    if columns is not None:
        places = _places(columns, names, path, place)
        x, names, ignored = x[:, places], tuple(columns), x.shape[1] - len(places)
    y, classes = (None, None) if labels is None else encode_labels(labels)
    counts = bool(x.size) and bool((x >= 0).all() and (x == np.rint(x)).all())
    held = "whole numbers from 0 up, which are counts" if counts else "real numbers"
    notes = (Fact(f"x is {place} of {path.name}: {held}."),)
    source = f"{path}:{member}" if member else str(path)
    remarks = (f"{many(ignored, 'variable')} of {path.name} not used: the run was fitted without.",) if ignored else ()
    kind = "count" if counts else "real"
    return Raw(source, x, y, classes, notes=notes, columns=names, dropped=dropped, domain=kind, remarks=remarks)


def _dropped(drop: str, names: Sequence[str] | None, path: Path) -> tuple[str, ...]:
    """The variables that are left out."""
    if drop and names is None:
        raise RequestError(f"data.drop={drop} names variables, and those of {path} have no names of their own.")
    found = tuple(named_columns(drop, names or (), True))
    if names is not None and len(found) == len(names):
        raise RequestError("No variable is left to be x.")
    return found


def _places(columns: Sequence[str], names: Sequence[str] | None, path: Path, place: str) -> list[int]:
    """Where the variables of a run stand in a file."""
    if names is None:
        raise RequestError(
            f"The run was fitted on variables by name, and those of {path}:{place} have no names of their own.",
            "Give X or a layer, with a name for each: adata.var_names_make_unique().",
        )
    where = {name: i for i, name in enumerate(names)}
    if missing := [name for name in columns if name not in where]:
        lacks = listing(missing).replace("Column", "variable", 1)
        unused = [name for name in names if name not in columns]
        raise RequestError(
            f"{path} lacks the {lacks} that the run was fitted on.", near_column(missing[0], unused, "It has, unused,")
        )
    return [where[name] for name in columns]


def _find(file: Any, place: str, path: Path) -> Any:
    folder, _, name = place.partition("/")
    known = place == "X" or (folder in ("layers", "obsm") and name)
    if not known:
        raise RequestError(f"{path} was asked for {place!r}; allowed are {', '.join(PLACES)}.")
    if place not in file:
        there = [f"{group}/{key}" for group in ("layers", "obsm") if group in file for key in file[group]]
        raise RequestError(f"{path} holds no {place}.", nearest(place, [*(["X"] * ("X" in file)), *there]))
    return file[place]


def _matrix(node: Any, where: str) -> Array:
    """A dense dataset, or a sparse group as a dense array."""
    import h5py
    from scipy import sparse

    if isinstance(node, h5py.Dataset):
        return _dense(node, where)
    kind = node.attrs.get("encoding-type", "nothing known")
    known = {"csr_matrix": sparse.csr_matrix, "csc_matrix": sparse.csc_matrix}
    if kind not in known:
        raise RequestError(f"{where} holds {kind}; allowed are dense arrays, csr_matrix and csc_matrix.")
    rows, columns = (int(size) for size in node.attrs["shape"])
    values = _dense(node["data"], where)
    values = values.astype(np.float32) if values.dtype == np.float16 else values  # which scipy does not take
    indices, starts = _dense(node["indices"], where), _dense(node["indptr"], where)
    require_memory(rows * columns * values.dtype.itemsize, where)
    try:
        found = known[kind]((values, indices, starts), (rows, columns))
        found.check_format(full_check=True)  # every index is inside the matrix, before any is used
    except ValueError as error:
        raise ValueError(f"the {kind} is damaged: {error}") from error
    return np.asarray(found.toarray(order="C"))


def _dense(dataset: Any, where: str) -> Array:
    if dataset.external or dataset.is_virtual:
        raise RequestError(f"{where} keeps its values in another file, which is not followed; write it as one file.")
    require_memory(dataset.size * dataset.dtype.itemsize, where)
    return np.asarray(dataset[()])


def _names(file: Any) -> tuple[str, ...] | None:
    """The names of the variables, where each has its own."""
    var = file["var"]
    found = _texts(var[var.attrs["_index"]])
    return tuple(found) if len(set(found)) == len(found) else None


def _column(obs: Any, name: str, path: Path) -> Array:
    import h5py

    if name not in obs or name == obs.attrs.get("_index"):
        raise RequestError(
            f"data.label names a column {name!r}, which obs of {path} does not have.", near_column(name, obs)
        )
    node = obs[name]
    if isinstance(node, h5py.Dataset):
        return np.array(_texts(node), object) if node.dtype.kind in "OS" else np.asarray(node[()])
    if "codes" in node:
        held, codes = _column(node, "categories", path), np.asarray(node["codes"][()])
        found = np.empty(len(codes), object)
        found[:] = [held[code] if code >= 0 else None for code in codes]
        return found
    raise RequestError(f"data.label={name} came as {node.attrs.get('encoding-type')}; labels are integers or text.")


def _texts(dataset: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in dataset[()].tolist()]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The open file; what a missing reader or a damaged file raises becomes a sentence."""
    try:
        import h5py
    except ImportError as error:
        raise RequestError("Files of AnnData need h5py.", "pip install 'unveil[h5ad]' brings it.") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except RequestError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        what = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise RequestError(f"{path} cannot be read as .h5ad: {what}; write it again with adata.write().") from error
