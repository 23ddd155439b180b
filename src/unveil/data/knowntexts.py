"""Texts whose vectors are known: z is the vector of the text that goes with a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..domain.text import normalised
from ..errors import RequestError, nearest
from .raw import Array
from .texts import Written, rows_of_pictures, written


@dataclass(frozen=True, repr=False)
class KnownTexts:
    """Different texts and the z of each.

    Arguments: texts [M]; z [M, D] float32.
    """

    texts: tuple[str, ...]
    z: Array

    @property
    def sha256(self) -> str:
        """The fingerprint of texts and vectors."""
        told = hashlib.sha256(repr(self.texts).encode("utf-8", "surrogatepass"))
        told.update(np.ascontiguousarray(self.z, np.float32).tobytes())
        return told.hexdigest()

    def of(self, texts: Written) -> Array:
        """The z [N, D] of the first text of each example that has one; rows of NaN where none has."""
        place = {text: i for i, text in enumerate(self.texts)}
        found = np.full((len(texts), self.z.shape[1]), np.nan, np.float32)
        for row, several in zip(found, texts, strict=True):
            known = next((text for text in several if text in place), None)
            if known is not None:
                row[:] = self.z[place[known]]
        return found

    def vector(self, text: str) -> Array:
        """The z [D] of a text; one that has none is refused."""
        wanted = normalised(text)
        if wanted not in self.texts:
            raise RequestError(
                f"The text {wanted[:60]!r} has no known vector, and z is the vector of a text in this run.",
                nearest(wanted, self.texts),
            )
        return self.z[self.texts.index(wanted)]


def from_mapping(given: Mapping[str, Any]) -> KnownTexts:
    """Known texts from {text: its vector}."""
    rows = [(f"The vector of {text!r}", text, vector) for text, vector in given.items()]
    return _known(rows, "z")


def read_known(path: Path, files: Sequence[str]) -> tuple[Written, KnownTexts, tuple[str, ...]]:
    """The text of each picture, the known texts, and what to say, of a table: file, text, and the numbers of z."""
    found, said = rows_of_pictures(path, files, one_text=True)
    rows, texts = [], []
    for i, file in enumerate(files):
        own = [row for row in found.get(i, []) if row.texts]
        texts.append([row.texts[0] for row in own])
        for row in own:
            cells = [
                part for cell in row.rest for part in cell.strip(" []()").replace(";", ",").split(",") if part.strip()
            ]
            if cells:
                rows.append((f"z of {file} ({row.where} of {path.name})", row.texts[0], cells))
    return written(texts, len(files)), _known(rows, str(path)), said


def _known(rows: list[tuple[str, str, Any]], source: str) -> KnownTexts:
    """Known texts of (what to call it, text, numbers); refused where a text has two vectors, or vectors two lengths."""
    found: dict[str, tuple[float, ...]] = {}
    for name, text, cells in rows:
        (own,) = written([text], 1)
        if not own:
            continue
        vector = _numbers(name, cells)
        if found.setdefault(own[0], vector) != vector:
            raise RequestError(
                f"{name[0].upper()}{name[1:]} differs from that of another row of the text {own[0]!r}.",
                "Give each text one vector.",
            )
    sizes = {len(vector) for vector in found.values()}
    if len(sizes) != 1 or 0 in sizes:
        told = " and ".join(map(str, sorted(sizes))) or "no"
        raise RequestError(
            f"The vectors of texts in {source} hold {told} numbers; each takes as many as all others, at least one.",
            "A table has the columns file, text, and one for each number of z; without a vector these are empty.",
        )
    return KnownTexts(tuple(found), np.array(list(found.values()), np.float32))


def _numbers(name: str, cells: Any) -> tuple[float, ...]:
    try:
        vector = tuple(float(cell) for cell in cells)
        finite = all(abs(value) <= float(np.finfo(np.float32).max) for value in vector)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(f"{name} is not all numbers: {str(list(cells))[:80]}.", "Give numbers.") from error
    if not finite:
        raise RequestError(f"{name} holds NaN, inf, or more than float32 can (3.4e38).", "Give finite numbers.")
    return vector
