"""A source once it is decoded, before anything is recognised, split or binarized."""

import hashlib
import math
import numbers
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..domain.values import pieces
from ..errors import RequestError
from .limits import MAX_LABEL

Array = NDArray[Any]
MARKS = """
    ? - -- --- – — . .. ... * na n/a n.a. n.a #n/a #na n/d nd nan -nan null (null) none nil missing unknown undefined
    <na> nat #value! #div/0! #ref! #num! #name? #null! -1.#ind 1.#ind 1.#qnan -1.#qnan
"""
MISSING = frozenset({"", "#n/a n/a", *MARKS.split()})  # usual for what is missing, in small letters


@dataclass(frozen=True)
class Raw:
    """Decoded arrays in the source's order.

    Arguments:
        source: what `load` reads again: a name, an absolute path, or "array".
        x: [N, *shape], training rows before test rows.
        y: [N] int64 codes into `classes`, −1 where a label is not known; or None.
        classes: label names, or None.
        num_test: the number of rows at the end that are the source's own test split; 0 where it has none.
        binarization: what data.binarization=auto means for this source.
        notes: sentences for the user.
        observed: [N, *shape] bool, False where x is not known (and holds 0); None where all of it is.
        columns: the names of the columns of a table, or None.
        dropped: the names of the columns that were asked to be left out.
        frame: the data frame that x came from, as `frames.Frame`, or None.
        z: [N, D] known latents, a row of NaN where they are not known; or None.
        factors: known generative factors by name, [N] each, or None.
        files: of a folder, the path of each picture below it, [N]; or None.
        resize: what was done to the size of pictures, in a sentence, or None.
        white: of a folder with grey pictures of 16 bits, the value that became 255, or 0 where values were kept; None
            where there are none.
        paper: of a folder with pictures that are transparent in parts, the colour that shows there, "white" or "black";
            None where there are none.
        remarks: of new x for a run, sentences about what of it was not taken as it came.
        domain: what data.domain=auto means for this source: "auto", to recognise it, or a kind.
        together: [N] integers; rows with the same number stay in one split; None where every row is its own.
        table: of a mixed table, its columns, as `columns.Table`; None of other x.
        came: [N, …] of a mixed table that came as an array, that array; x then holds its codes.
        texts: the texts of each example [N], the first its own; None where they are not known. They are part of x only
            where a model of texts is asked for.
        strange: of new rows of a mixed table, where a level stands that training had none of [N, D]; or None.
    """

    source: str
    x: Array
    y: NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None
    num_test: int = 0
    binarization: str = "none"
    notes: tuple[str, ...] = ()
    observed: NDArray[np.bool_] | None = None
    columns: tuple[str, ...] | None = None
    dropped: tuple[str, ...] = ()
    frame: Any = None
    z: Array | None = None
    factors: Mapping[str, Array] | None = None
    files: tuple[str, ...] | None = None
    resize: str | None = None
    white: int | None = None
    paper: str | None = None
    remarks: tuple[str, ...] = ()
    domain: str = "auto"
    together: NDArray[np.int64] | None = None
    table: Any = None
    came: Array | None = None
    strange: NDArray[np.bool_] | None = None
    texts: tuple[tuple[str, ...], ...] | None = None

    @property
    def held(self) -> Array:
        """Where x holds something, known to the run or not, [N, *shape]: the rest are its gaps."""
        seen = np.ones(self.x.shape, bool) if self.observed is None else self.observed
        return seen if self.strange is None else seen | self.strange

    @property
    def ignored(self) -> tuple[str, ...]:
        """Sentences about what of new x for a run was not taken as it came."""
        return (*self.remarks, *(() if self.frame is None else self.frame.notes))

    @property
    def empty(self) -> tuple[str, ...]:
        """A sentence where nothing is observed of some examples, such as the lines of commas that may end a sheet."""
        if self.observed is None:
            return ()
        rows = np.flatnonzero(~self.observed.reshape(len(self.observed), -1).any(1))
        if not len(rows):
            return ()
        hold, where = ("holds", f"row {rows[0]}") if len(rows) == 1 else ("hold", f"the first is row {rows[0]}")
        return (
            f"{len(rows):,} of {len(self.observed):,} rows {hold} no value of x ({where}): nothing is learnt there, "
            "and they stay rows of what comes out; if they are no examples, leave them out.",
        )

    @property
    def known(self) -> Array:
        """x with a value that was observed in each place that was not: what may be looked at to see what x is."""
        if self.observed is None or not self.observed.any():
            return self.x
        any_value = self.x.flat[int(self.observed.argmax())]
        first = np.take_along_axis(self.x, self.observed.argmax(0)[None], 0)
        return np.where(self.observed, self.x, np.where(self.observed.any(0), first, any_value))

    @property
    def sha256(self) -> str:
        """The fingerprint of x, its mask, labels, class names and known z, whatever file they came from."""
        parts = [digest(self.x)]
        if self.y is not None:
            parts += [digest(self.y), repr(self.classes)]
        if self.observed is not None:
            parts += ["observed", digest(self.observed)]
        if self.z is not None:
            parts += ["z", digest(self.z)]
        if self.table is not None:
            parts.append(self.table.fingerprint)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def short_name(source: str) -> str:
    """A name for directories and titles: "mnist", "x" for …/x.npz:images, "t" for …/t.csv or …/t.csv.gz, "array"."""
    name = PurePath(re.split(r"(?i)(?<=\.npz|\.zip|h5ad|xlsx|xlsm):", source)[0]).name
    return re.sub(r"(?i)\.(npy|npz|(csv|tsv)(\.(gz|bz2|xz|zst|zip))?|parquet|h5ad|xlsx|xlsm|zip)$", "", name)


def digest(array: Array) -> str:
    """sha256 over dtype, shape and bytes (little-endian, C order): equal values in equal types, equal digest."""
    little = array.dtype.newbyteorder("<")
    found = hashlib.sha256(f"{little.str} {array.shape} ".encode())
    for part in pieces(array) if array.ndim else (array,):
        found.update(np.ascontiguousarray(part, little).tobytes())
    return found.hexdigest()


def verify(arrays: Mapping[str, Array], digests: Mapping[str, str], where: str) -> None:
    """Refuse arrays whose `digest` is not the pinned one."""
    for name, pinned in digests.items():
        found = digest(arrays[name])
        if found != pinned:
            raise RequestError(
                f"{name} of {where} is not the published array: its sha256 is {found[:12]}… and {pinned[:12]}… was "
                "expected; fetch or copy it again."
            )


def encode_labels(y: Array) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels [N], integers or strings, as int64 codes and the class names in sorted order.

    None, NaN, a text that is a usual mark of what is missing (where two others are left), an empty one, and −1 (where
    no other label is negative, and there is more than that and 1) mean a label that is not known, whose code is −1.
    """
    known = _known_labels(y)
    if known.all() or not known.any():
        return _encode(y)
    codes = np.full(len(y), -1, np.int64)
    codes[known], classes = _encode(y[known])
    return codes, classes


def is_missing(value: Any) -> bool:
    """Whether an object stands for a missing value: None, NaN, pandas.NA, NaT, numpy.ma.masked."""
    return value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant") or bool(value != value)


def unknown_texts(texts: Collection[str]) -> set[str]:
    """Those of different labels of text that stand for none; "-" beside "+" is a label."""
    empty = {text for text in texts if not text.strip()}
    marks = {text for text in texts if text.strip().casefold() in MISSING}
    return marks if len(set(texts) - marks) > 1 else empty


def _known_labels(y: Array) -> NDArray[np.bool_]:
    if y.ndim != 1:
        return np.ones(1, bool)
    if y.dtype.kind == "O":
        known = np.array([not is_missing(value) for value in y.tolist()], bool)
    else:
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), bool)
    values = set(y[known].tolist())
    if values and all(isinstance(value, str) for value in values):
        return known & ~np.isin(y.astype(str), list(unknown_texts(values)))
    numeric = y.dtype.kind in "if" or all(isinstance(value, numbers.Integral) for value in values)
    if numeric and {value for value in values if value < 0} == {-1} and values != {-1, 1}:
        known &= y != -1
    return known


def _encode(y: Array) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if y.dtype.kind == "O" and y.size and all(isinstance(value, numbers.Real | np.bool_) for value in y.flat):
        y = _as_integers(y)
    if y.dtype.kind == "O" and all(isinstance(value, str) for value in y.flat):
        y = y.astype(str)
    if y.dtype.kind == "f" and (np.abs(y) < 2.0**63).all() and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    if y.ndim != 1 or y.dtype.kind not in "biuU":
        raise RequestError(
            f"Labels came as {y.dtype} of shape {y.shape}; they are integers or strings, one per example, shape (N,)."
        )
    if y.dtype.kind == "U" and (longest := int(np.char.str_len(y).max(initial=0))) > MAX_LABEL:
        raise RequestError(f"A label is a text of {longest:,} characters; a label has at most {MAX_LABEL:,}.")
    names, codes = np.unique(y, return_inverse=True)
    return codes.astype(np.int64), tuple(str(name) for name in names)


def _as_integers(y: Array) -> Array:
    """Numbers of Python as integers, to the last digit, where all of them are whole; else as floats."""
    if not all(math.isfinite(value) and value == int(value) for value in y.flat):
        return y.astype(np.float64)
    whole = [int(value) for value in y.flat]
    held = np.uint64 if max(whole) >= 2**63 and min(whole) >= 0 else np.int64
    try:
        return np.array(whole, held).reshape(y.shape)
    except OverflowError:
        raise RequestError("Labels came as integers of more than 64 bits; give them as text.") from None
