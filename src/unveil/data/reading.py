"""Read what the user names or holds into a Raw: a registered name, a file, an object in memory."""

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch

from ..errors import Fact, RequestError, nearest
from ..legible import quoted
from ..registry import load_all
from .arraytables import array_as_table
from .columns import Table
from .compressed import is_compressed, kind_of
from .filetree import SUFFIXES as IMAGES
from .filetree import Pictures, shown
from .frames import is_frame, read_frame, split_words, words
from .h5ad import read_h5ad
from .inmemory import dense, is_anndata, is_sparse, read_anndata
from .limits import MAX_NAME, MAX_PART
from .npyfiles import describe_shapes, npz_names, read_npy, read_npz, split_member
from .raw import Array, Raw, encode_labels
from .tablecolumns import INTEGER, TOLD, is_number
from .tablefiles import SUFFIXES as TABLES
from .tablefiles import read_table
from .texttables import SEPARATORS as COMPRESSED

X_NAMES = ("x_train", "x", "X", "arr_0")
Y_NAMES = ("y", "labels")
Z_NAME = "z"
NAME_SHOWN = 60  # characters of the name of an array
PICKLED = "it can run code when it is opened, so it is never read; save the array with np.save"
LATER = {
    ".h5": "HDF5 is not read yet; np.save('x.npy', h5py.File(path)[name][:])",
    ".mat": "MATLAB files are not read yet; np.save('x.npy', scipy.io.loadmat(path)[name])",
    **dict.fromkeys(
        (".txt", ".dat"),
        "name a table of text .csv or .tsv, as commas or tabs separate its cells; of arrays give .npy or .npz",
    ),
    **dict.fromkeys(
        (".xls", ".ods", ".xlsb"),
        "of workbooks .xlsx is read; save it as such, or pandas.read_excel(path).to_csv('t.csv', index=False)",
    ),
    ".json": "JSON is not read; pandas.read_json(path).to_csv('t.csv', index=False)",
    ".jsonl": "JSON is not read; pandas.read_json(path, lines=True).to_csv('t.csv', index=False)",
    ".feather": "Feather is not read; pandas.read_feather(path).to_parquet('t.parquet')",
    ".dta": "files of Stata are not read; pandas.read_stata(path).to_parquet('t.parquet')",
    ".sav": "files of SPSS are not read; pandas.read_spss(path).to_parquet('t.parquet')",
    ".sas7bdat": "files of SAS are not read; pandas.read_sas(path).to_parquet('t.parquet')",
    ".rds": "files of R are not read; in R write.csv(readRDS(path), 't.csv')",
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".joblib"), PICKLED),
}


class Source(Protocol):
    """A class that is registered as a source."""

    summary: str

    def read(self) -> Raw: ...


def read(
    source: Any,
    y: Any = None,
    z: Any = None,
    *,
    label: str = "",
    drop: str = "",
    header: int | str = "auto",
    decimal: str = "auto",
    missing: str = "",
    kinds: str = "",
    domain: str = "auto",
    columns: Sequence[str] | None = None,
    known: Table | None = None,
    pictures: Pictures | None = None,
) -> Raw:
    """The decoded arrays of a source, with the user's own labels `y` [N] and known latents `z` where they are given.

    Arguments: label, drop, decimal, missing, kinds, domain, columns: of a table, as of `frames.read_frame`; header: of
    a table of text, as of `tablefiles.read_table`; known: of a run on a mixed table, its columns; pictures: how images
    are read.
    """
    pictures = pictures or Pictures()
    table: dict[str, Any] = {"label": label, "drop": drop, "header": header, "decimal": decimal, "missing": missing}
    table |= {"columns": columns, "kinds": kinds, "domain": domain, "table": known}
    raw = _read_any(source, pictures, **table)
    if raw.table is None and (known is not None or domain == "mixed") and raw.x.ndim == 2:
        raw = array_as_table(_marked(raw, missing), known, split_words(kinds))
    raw = _with_mask(_marked(raw, missing))
    pictures.require_use(raw.source, raw)
    if columns is None and raw.frame is None:
        _refuse_table_options(header, decimal)
    if kinds and raw.table is None:
        raise RequestError(f"data.kinds={kinds} names columns, and x is no mixed table; leave it out.")
    if label and raw.columns is None and columns is None:
        raise RequestError(f"data.label={label} names a column, and x is no table; give labels as y=….")
    if drop and raw.columns is None and columns is None:
        raise RequestError(f"data.drop={drop} names columns, and x is no table.")
    if z is not None:
        raw = replace(raw, z=_as_known_z(z, _length(raw.x)))
    if y is None:
        return raw
    codes, classes = encode_labels(_as_labels(y))
    if len(codes) != _length(raw.x):
        raise RequestError(f"{len(codes)} labels came for {_length(raw.x)} examples; give one per example.")
    return replace(raw, y=codes, classes=classes)


def _refuse_table_options(header: int | str, decimal: str) -> None:
    for name, value in (("header", header), ("decimal", decimal)):
        if value != "auto":
            raise RequestError(f"data.{name}={value} is for tables, and x is none; leave it out.")


def _read_any(source: Any, pictures: Pictures, **table: Any) -> Raw:
    if isinstance(source, str | Path):
        with _printable():
            return _read_named(str(source), pictures, **table)
    if is_frame(source):
        header = table.pop("header")
        if header != "auto" and table["columns"] is None:
            raise RequestError(f"data.header={header} is for tables of text, and x is a frame; leave it out.")
        return read_frame(source, **table)
    if is_anndata(source):
        return read_anndata(source, **{name: table[name] for name in ("label", "drop", "columns")})
    if isinstance(source, np.ma.MaskedArray):
        return Raw("array", as_array(source.filled(0)), observed=~np.ma.getmaskarray(source))
    return Raw("array", as_array(source))


@contextmanager
def _printable() -> Iterator[None]:
    """Say what is wrong with a file so that it can be printed, whatever bytes its name is made of."""
    try:
        yield
    except RequestError as error:
        if not any("\ud800" <= character < "\ue000" for character in str(error)):
            raise
        raise RequestError(shown(error.message), shown(error.hint)) from error


def _with_mask(raw: Raw) -> Raw:
    """NaN is not observed: 0 in x, False in the mask."""
    x, observed = raw.x, raw.observed
    if x.dtype.kind == "f" and x.size and np.isnan(x.min()):
        observed = ~np.isnan(x) if observed is None else observed & ~np.isnan(x)
    if observed is None or observed.all():
        return replace(raw, observed=None)
    said = Fact(f"{1 - observed.mean():.1%} of the values of x are missing: these are not observed.")
    return replace(raw, x=np.where(observed, x, x.dtype.type(0)), observed=observed, notes=(*raw.notes, said))


def _marked(raw: Raw, missing: str) -> Raw:
    """Numbers of an array that stand for a missing value are not observed, and said; a frame has seen to its own."""
    if raw.frame is not None or not missing or raw.x.dtype.kind not in "iuf":
        return raw
    counts = {}
    observed = np.ones(raw.x.shape, bool) if raw.observed is None else raw.observed.copy()
    for mark in words(missing):
        if not is_number(mark):
            raise RequestError(
                f"data.na_values={missing} came for an array; it takes numbers, such as data.na_values=-999."
            )
        found = observed & (raw.x == (int(mark) if INTEGER.fullmatch(mark) else float(mark)))
        observed &= ~found
        counts[mark] = int(found.sum())
    told = ", ".join(f"{mark} ({count:,})" for mark, count in counts.items() if count)
    said = (f"Taken as missing values: {told}.",) if told else ()
    return replace(raw, observed=observed, notes=(*raw.notes, *said), remarks=(*raw.remarks, *said))


def as_array(x: Any) -> Array:
    """An object in memory as a NumPy array: an array, a tensor, a sparse matrix, (nested) lists of numbers."""
    if is_sparse(x):
        return dense(x)
    if isinstance(x, torch.Tensor):
        return _from_tensor(x)
    if not isinstance(x, Sequence) and not hasattr(x, "__array__"):
        raise RequestError(
            f"x came as {type(x).__name__}; give the name of a source, a path, an array, a tensor or lists of numbers."
        )
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise RequestError(
            "x came as lists of different lengths (or a tuple of arrays); give one array, and labels as y=…."
        ) from error
    if array.dtype.hasobject:
        raise RequestError(
            "x came as an array of Python objects.",
            "Give numbers, np.asarray(x, dtype=np.float32), or a table that may hold gaps, pandas.DataFrame(x)",
        )
    return array


def _from_tensor(x: torch.Tensor) -> Array:
    if x.layout != torch.strided or x.is_quantized:
        raise RequestError(f"x came as a {x.layout} tensor, which is not taken yet; give x.to_dense().")
    x = x.detach().cpu().resolve_conj().resolve_neg()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


def _as_labels(y: Any) -> Array:
    return _from_tensor(y) if isinstance(y, torch.Tensor) else np.asarray(y)


def _as_known_z(z: Any, num_examples: int) -> Array:
    """Known latents as float32 [N, D], whose rows of NaN are not known."""
    found = np.asarray(as_array(z))
    if found.ndim != 2 or found.dtype.kind not in "biuf" or not found.size:
        raise RequestError(
            f"Known latents z came as {found.dtype} of shape {found.shape}; they are numbers [N, D], a row per "
            "example, NaN where they are not known."
        )
    if len(found) != num_examples:
        raise RequestError(f"{len(found)} rows of known latents z came for {num_examples} examples; give one for each.")
    if found.dtype.kind == "f" and (np.abs(found) > np.finfo(np.float32).max).any():
        raise RequestError(
            "Known latents z hold inf, or more than float32 can (3.4e38); give numbers, or NaN where none is known."
        )
    if np.isnan(found).any(1).all():
        raise RequestError("No row of the known latents z is known (each holds NaN); leave z out.")
    return found.astype(np.float32)


def _read_named(source: str, pictures: Pictures, **table: Any) -> Raw:
    sources = load_all("source")
    if source in sources:
        return cast(Source, sources[source]()).read()
    file, member = split_member(source)
    path = _path_of(file)
    kind = kind_of(path)
    if kind == ".h5ad" and path.is_file():
        return read_h5ad(path.resolve(), member, **{name: table[name] for name in ("label", "drop", "columns")})
    if not path.exists():
        _refuse_missing(source, path, list(sources))
    if path.is_dir() or (path.suffix.lower() in IMAGES and path.is_file()):
        from .folders import read_pictures

        return read_pictures(path, pictures)
    is_zip = path.suffix.lower() == ".zip" and kind not in (".npy", ".npz")
    if (is_zip or kind in (COMPRESSED if is_compressed(path) else TABLES)) and path.is_file():
        return read_table(path.resolve(), member=member, **table)
    if path.suffix.lower() in LATER:
        raise RequestError(f"{source!r}: {LATER[path.suffix.lower()]}.")
    if is_compressed(path) or kind not in (".npy", ".npz") or not path.is_file():
        raise RequestError(
            f"{source!r} is not a file that can be read; allowed are images (and folders of them), .npy, .npz[:name], "
            ".csv and .tsv (also compressed: .csv.gz, .zip[:NAME]), .parquet, .xlsx[:SHEET] and .h5ad[:layers/NAME]."
        )
    path = path.resolve()
    return _read_archive(path, member) if kind == ".npz" else Raw(str(path), read_npy(path))


def _path_of(file: str) -> Path:
    """The path that a person typed, refused where none can be of that name."""
    if "\0" in file:
        raise RequestError(f"The path {file[:NAME_SHOWN]!r} holds a zero byte, which no path does.")
    sizes = [len(part.encode(errors="surrogatepass")) for part in (file, *file.split("/"))]
    if sizes[0] >= MAX_NAME or max(sizes[1:]) > MAX_PART:
        raise RequestError(
            f"The path {file[:NAME_SHOWN]!r}… has {sizes[0]:,} bytes, {max(sizes[1:]):,} of them in one part; "
            f"a path has at most {MAX_NAME:,}, and {MAX_PART} in each part."
        )
    try:
        path = Path(file).expanduser()
    except RuntimeError:
        raise RequestError(f"There is no home folder {file.split('/')[0]!r}; write the path in full.") from None
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):  # which is said with what stands there instead
        return path
    except (OSError, ValueError) as error:  # a loop of links, no permission, a text that no path can be made of
        raise RequestError(f"{file!r} cannot be read: {getattr(error, 'strerror', '') or error}.") from error
    return path


def _refuse_missing(source: str, path: Path, names: list[str]) -> None:
    if path.suffix or len(path.parts) > 1:
        named = "" if path.suffix or path.is_absolute() else f"Named sources: {', '.join(names)}."
        raise RequestError(f"There is no file {source!r}.", f"{_beside(path)} {named}".strip())
    raise RequestError(f"There is no source and no file {source!r}.", nearest(source, names))


def _beside(path: Path) -> str:
    """Which file stands there instead of one that does not."""
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either."
    names = os.listdir(folder) if os.access(folder, os.R_OK) else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    if close:
        return f"Did you mean {str(folder / close[0])!r}?"
    return "" if path.is_absolute() else f"A path without / in front is read from here, {str(Path.cwd())!r}."


def _read_archive(path: Path, member: str | None) -> Raw:
    names = npz_names(path)
    name = member or _pick(path, names)
    split = member is None and name == "x_train" and "x_test" in names
    wanted = [name, "x_test"] if split else [name]
    parts = read_npz(path, wanted)
    if split and not (parts[name].ndim and parts["x_test"].ndim):
        raise RequestError(f"The two splits of {path} are {describe_shapes(parts)}; each holds a row an example.")
    if split and (parts[name].shape[1:] != parts["x_test"].shape[1:] or parts[name].dtype != parts["x_test"].dtype):
        raise RequestError(f"The two splits of {path} differ: {describe_shapes(parts)}; make them alike.")
    if split and not len(parts["x_test"]):
        raise RequestError(f"x_test of {path} is empty; leave it out, or give it rows.")
    x = np.concatenate(list(parts.values())) if split else parts[name]
    notes = (Fact(f"x is {' followed by '.join(wanted)} of {path.name}."),)
    found = Raw(f"{path}:{member}" if member else str(path), x, num_test=len(parts["x_test"]) if split else 0)
    found = _with_labels(replace(found, notes=notes), path, _label_names(wanted, names), name, strict=member is None)
    return _with_known_z(found, path) if member is None and Z_NAME in names and name != Z_NAME else found


def _pick(path: Path, names: list[str]) -> str:
    for name in X_NAMES:
        if name in names:
            return name
    if len(names) != 1:
        told = [name[:NAME_SHOWN] if name.isprintable() else repr(name[:NAME_SHOWN]) for name in sorted(names)]
        more = f" and {len(told) - TOLD:,} more" if len(told) > TOLD else ""
        listed = f"It holds {', '.join(told[:TOLD])}{more}" if names else "It holds no array"
        plain = [name for name in sorted(names) if name.isprintable() and len(name) <= NAME_SHOWN]
        way = f"Name one as {path.name}:NAME" + (f", such as {quoted(f'{path}:{plain[0]}')}" if plain else ".")
        way = way if names else ""
        raise RequestError(f"{path} does not say which array is x. {listed}.", way)
    return names[0]


def _label_names(wanted: list[str], names: list[str]) -> list[str]:
    own = [name.replace("x_", "y_") for name in wanted if name in ("x_train", "x_test")]
    candidates = [own] if own else [[name] for name in Y_NAMES]
    return next((group for group in candidates if set(group) <= set(names) and group != wanted), [])


def _with_labels(raw: Raw, path: Path, names: list[str], x_name: str, strict: bool) -> Raw:
    """Labels that lie beside x, which is called x_name; what cannot be labels is left out, and the user is told."""
    if not names:
        return raw
    said = " followed by ".join(names)
    try:
        parts = read_npz(path, names)
        codes, classes = encode_labels(np.concatenate(list(parts.values())))
    except (RequestError, ValueError, TypeError) as error:
        return replace(raw, notes=(*raw.notes, f"{said} was not taken as labels: {error}"))
    if len(codes) == _length(raw.x):
        return replace(
            raw, y=codes, classes=classes, notes=(*raw.notes, Fact(f"Labels are {said}: {len(classes)} classes."))
        )
    if strict:
        raise RequestError(
            f"{path} holds {len(codes)} labels ({said}) for {_length(raw.x)} examples.",
            f"This takes x alone: {quoted(f'{path}:{x_name}')}",
        )
    return replace(raw, notes=(*raw.notes, f"{said} was not taken as labels: it has {len(codes)} rows."))


def _with_known_z(raw: Raw, path: Path) -> Raw:
    """Known latents that lie beside x; others are left out, and the user is told."""
    try:
        z = _as_known_z(read_npz(path, [Z_NAME])[Z_NAME], _length(raw.x))
    except RequestError as error:
        return replace(raw, notes=(*raw.notes, f"{Z_NAME} was not taken as known latents: {error}"))
    count = int((~np.isnan(z).any(1)).sum())
    said = f"Known latents are {Z_NAME}: {z.shape[1]} of {count:,} examples; {path.name}:NAME takes x alone."
    return replace(raw, z=z, notes=(*raw.notes, said))


def _length(x: Array) -> int:
    return len(x) if x.ndim else 0
