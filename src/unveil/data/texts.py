"""Texts that go with examples: how they come, and how they become numbers."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..domain import Domain
from ..domain.text import LONGEST, encode, normalised, wrong_characters
from ..errors import Fact, RequestError
from .textfiles import text_file

Written = tuple[tuple[str, ...], ...]  # the texts of each example, the first being its own; none where none is known


@dataclass(frozen=True)
class Coded:
    """Texts as numbers.

    Arguments:
        domain: alphabet and longest length.
        first: [N, T] the first text of each example, 0 where none is known.
        known: [N] whether one is.
        all: [N, M, T] all texts of each example, the first repeated; None where none has more than one.
        counts: [N] how many there are.
        notes: sentences for the user.
    """

    domain: Domain
    first: NDArray[np.float32]
    known: NDArray[np.bool_]
    all: NDArray[np.float32] | None
    counts: NDArray[np.int64]
    notes: tuple[str, ...]


def written(came: Any, num_examples: int) -> Written:
    """Texts [N] as a user gives them: of each example a string, a list of strings, or None.

    Spaces of any kind and number count as one, and characters that can be written in several ways are one (NFC). What
    is no text is refused with its row.
    """
    rows = came.to_list() if hasattr(came, "to_list") else list(came)
    if len(rows) != num_examples:
        raise RequestError(f"{len(rows):,} texts came for {num_examples:,} examples; give one, or a list, for each.")
    return tuple(_row(row, i) for i, row in enumerate(rows))


def _row(came: Any, row: int) -> tuple[str, ...]:
    several = [came] if came is None or isinstance(came, str | float) else came
    if not isinstance(several, Sequence | np.ndarray):
        raise RequestError(f"The text of row {row} came as {type(came).__name__}; give a string or a list of them.")
    found = []
    for text in several:
        if text is None or (isinstance(text, float) and text != text):
            continue
        if not isinstance(text, str):
            raise RequestError(f"A text of row {row} came as {type(text).__name__}; give strings.")
        if wrong := wrong_characters(text.replace("\n", " ").replace("\r", " ").replace("\t", " ")):
            raise RequestError(
                f"The text of row {row} holds {wrong}, which is no character that is seen.", "Take it out of the text."
            )
        text = normalised(text)
        if len(text) > LONGEST:
            raise RequestError(
                f"The text of row {row} has {len(text):,} characters, and at most {LONGEST:,} are taken.", "Shorten it."
            )
        if text and text not in found:
            found.append(text)
    return tuple(found)


def coded(texts: Written, rows: NDArray[np.int64]) -> Coded:
    """Texts [N] as numbers, in an alphabet and a length of those of training `rows`."""
    training = [text for row in rows for text in texts[row]]
    if not training:
        raise RequestError("No training example has a text, so nothing can be learned about them.")
    alphabet = "".join(sorted(set().union(*map(set, training))))
    domain = Domain("text", (max(map(len, training)),), alphabet=alphabet)
    kept = [tuple(text for text in row if not unknown(text, domain)) for row in texts]
    lost = sum(len(row) for row in texts) - sum(map(len, kept))
    first, known = as_numbers([row[0] if row else None for row in kept], domain)
    counts = np.array([max(1, len(row)) for row in kept], np.int64)
    every = None
    if (most := int(counts.max())) > 1:
        flat = [(row or ("",))[i % max(1, len(row))] for row in kept for i in range(most)]
        every = encode(flat, alphabet, domain.num_dims).reshape(len(kept), most, -1)
    return Coded(domain, first, known, every, counts, _said(texts, kept, domain, lost))


def _said(texts: Written, kept: Sequence[Sequence[str]], domain: Domain, lost: int) -> tuple[str, ...]:
    count, without = sum(map(len, texts)), sum(not row for row in kept)
    told: list[str] = [
        Fact(
            f"{count:,} texts of {len(texts):,} examples: {len(domain.alphabet or '')} different characters, at most "
            f"{domain.num_dims} in a text. Spaces count as one, and characters are in NFC."
        )
    ]
    if lost:
        told.append(f"{lost:,} texts outside training have a character or a length that training had not: left out.")
    if without:
        told.append(f"{without:,} of {len(texts):,} examples have no text: it is not observed there.")
    return tuple(told)


def unknown(text: str, domain: Domain) -> str:
    """Why a text is none of a domain, or ""."""
    strange = sorted(set(text) - set(domain.alphabet or ""))
    if strange:
        return f"holds {strange[0]!r}, which no text of training does"
    if len(text) > domain.num_dims:
        return f"has {len(text)} characters, and training had at most {domain.num_dims}"
    return ""


def as_numbers(texts: Sequence[str | None], domain: Domain) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """([N, T], whether each is known [N]) of texts of a domain, None where there is none."""
    known = np.array([text is not None for text in texts], bool)
    return encode([text or "" for text in texts], domain.alphabet or "", domain.num_dims), known


def one_of(every: Tensor, counts: Tensor) -> Tensor:
    """One text of each example [B, T], drawn from torch's default generator; every [B, M, T], counts [B]."""
    which = (torch.rand(len(counts), device=counts.device) * counts).long().clamp(max=every.shape[1] - 1)
    return every[torch.arange(len(counts), device=counts.device), which]


def table_of_texts(path: Path) -> list[list[str]]:
    """The rows of a table of files and texts, between tabs where its name ends so, else between commas."""
    separator = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    try:
        return [cells for _, cells in text_file(path).rows(separator)]
    except csv.Error as error:
        raise RequestError(f"{path} is no table of files and texts: {error}.") from error


def read_captions(path: Path, files: Sequence[str]) -> tuple[Written, tuple[str, ...]]:
    """The texts of pictures by their files, and what to say: a table of text whose first column names the file.

    All other columns are texts; so are further rows of the same file.
    """
    found, said = captions(path, files)
    return written(
        [[text for cells in found.get(i, []) for text in cells] for i in range(len(files))], len(files)
    ), said


def captions(path: Path, files: Sequence[str]) -> tuple[dict[int, list[list[str]]], tuple[str, ...]]:
    """The cells of each picture's rows after the first, which names its file, and what to say.

    A first line that names no picture names the columns.
    """
    rows = table_of_texts(path)
    places = _places(files)
    if rows and rows[0] and rows[0][0].strip() not in places:
        rows = rows[1:]
    found: dict[int, list[list[str]]] = {}
    strange: list[str] = []
    for cells in rows:
        if not cells or not any(cell.strip() for cell in cells):
            continue
        name = cells[0].strip()
        if name not in places:
            strange.append(name)
            continue
        found.setdefault(places[name], []).append(cells[1:])
    if not found:
        told = f", such as {strange[0]!r}" if strange else ""
        raise RequestError(
            f"{path} names none of the {len(files):,} pictures{told}.",
            f"Its first column takes their paths below the folder, such as {files[0]!r}, and the others texts.",
        )
    said: tuple[str, ...] = ()
    if strange:
        said = (f"{len(strange):,} rows of {path.name} name no picture, first {strange[0]!r}: they are left out.",)
    return found, said


def _places(files: Sequence[str]) -> Mapping[str, int]:
    """The row of each picture by its path, and by its name where that is the only one."""
    names: dict[str, list[int]] = {}
    for i, file in enumerate(files):
        names.setdefault(Path(file).name, []).append(i)
    alone = {name: rows[0] for name, rows in names.items() if len(rows) == 1}
    return alone | {file: i for i, file in enumerate(files)}


def required(text: str, domain: Domain) -> str:
    """A text as it stands in a domain; what is none is refused."""
    found = normalised(text)
    if why := unknown(found, domain):
        raise RequestError(f"The text {found[:60]!r} {why}.", "Say it in other words.")
    return found
