"""What a source holds once it is decoded, before anything is recognised, split or binarized."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError

Array = NDArray[Any]


@dataclass(frozen=True)
class Raw:
    """Decoded arrays in the source's order.

    Arguments:
        source: what `load` reads again: a name, an absolute path, or "array".
        x: [N, *shape], training rows before test rows.
        y: [N] int64 codes into `classes`, or None.
        classes: label names, or None.
        num_test: the number of rows at the end that are the source's own test split; 0 where it has none.
        binarization: what "auto" means for this source.
        notes: sentences for the user.
        observed: [N, *shape] bool, False where x is not known (and holds 0); None where all of it is.
        columns: the names of the columns of a table, or None.
        frame: the data frame that x came from, as `frames.Frame`, or None.
        z: [N, D] known latents, a row of NaN where they are not known; or None.
        factors: known generative factors by name, [N] each, or None.
        resize: what was done to the size of pictures, in a sentence, or None.
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
    frame: Any = None
    z: Array | None = None
    factors: Mapping[str, Array] | None = None
    resize: str | None = None

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
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def short_name(source: str) -> str:
    """A name for directories and titles: "mnist", "x" for …/x.npz:images, "array"."""
    return PurePath(source.split(".npz:")[0]).name.removesuffix(".npy").removesuffix(".npz")


def digest(array: Array) -> str:
    """sha256 over dtype, shape and bytes (little-endian, C order): equal values in equal types, equal digest."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{plain.dtype.str} {array.shape} ".encode() + plain.tobytes()).hexdigest()


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
    """Labels [N], integers or strings, as int64 codes and the class names in sorted order."""
    if y.dtype.kind == "O" and all(isinstance(value, str) for value in y.flat):
        y = y.astype(str)
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    if y.ndim != 1 or y.dtype.kind not in "biuU":
        raise RequestError(
            f"Labels came as {y.dtype} of shape {y.shape}; they are integers or strings, one per example, shape (N,)."
        )
    names, codes = np.unique(y, return_inverse=True)
    return codes.astype(np.int64), tuple(str(name) for name in names)
