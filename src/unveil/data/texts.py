"""Texts that go with examples: how they come, and how they become numbers."""

from __future__ import annotations

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
from .captions import Places, Row, read_table

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


def written(came: Any, num_examples: int, where: Sequence[str] | None = None) -> Written:
    """Texts [N] as a user gives them: of each example a string, a whole number, a list of these, or None.

    Spaces of any kind and number count as one, and characters that can be written in several ways are one (NFC). What
    is no text is refused with its row.

    Arguments: where, what to call each example, in place of "row 3".
    """
    if isinstance(came, Mapping | str) or hasattr(came, "columns"):
        raise RequestError(
            f"Texts came as {type(came).__name__}; give a list with a text, a list of texts, or None for each example.",
            "Of a frame that is one column: text=frame['caption'].",
        )
    rows = came.to_list() if hasattr(came, "to_list") else list(came)
    if len(rows) != num_examples:
        raise RequestError(f"{len(rows):,} texts came for {num_examples:,} examples; give one, or a list, for each.")
    return tuple(_row(row, f"row {i}" if where is None else where[i]) for i, row in enumerate(rows))


def _row(came: Any, row: str) -> tuple[str, ...]:
    several = [came] if came is None or isinstance(came, str | float | int | np.generic) else came
    if not isinstance(several, Sequence | np.ndarray) or isinstance(several, bytes):
        raise RequestError(f"The text of {row} came as {type(came).__name__}; give a string or a list of them.")
    found = []
    for text in several:
        if text is None or (isinstance(text, float | np.floating) and text != text):
            continue
        if isinstance(text, int | np.integer) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str):
            raise RequestError(f"A text of {row} came as {type(text).__name__}; give strings.")
        if wrong := wrong_characters(text.replace("\n", " ").replace("\r", " ").replace("\t", " ")):
            raise RequestError(
                f"The text of {row} holds {wrong}, which is no character that is seen.",
                f"Take it out of the text, in Python: text.replace({chr(int(wrong[2:], 16))!a}, '').",
            )
        text = normalised(text)
        if len(text) > LONGEST:
            raise RequestError(
                f"The text of {row} has {len(text):,} characters, and at most {LONGEST:,} are taken.", "Shorten it."
            )
        if text and text not in found:
            found.append(text)
    return tuple(found)


def coded(texts: Written, rows: NDArray[np.int64]) -> Coded:
    """Texts [N] as numbers, in an alphabet and a length of those of training `rows`."""
    training = [text for row in rows for text in texts[row]]
    if not training:
        raise RequestError(
            f"None of the {len(rows):,} training examples has a text; {sum(map(bool, texts)):,} of all "
            f"{len(texts):,} have one.",
            "Give texts to more of them. Of a table, a column of numbers alone is no text, unless it is called text.",
        )
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
        strange = next(text for row in texts for text in row if unknown(text, domain))
        told.append(
            f"{lost:,} texts outside training have a character or a length that training had not, and are left out. "
            f"The first, {strange[:40]!r}, {unknown(strange, domain)}."
        )
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


def read_captions(path: Path, files: Sequence[str]) -> tuple[Written, tuple[str, ...]]:
    """The texts of pictures by their files, and what to say, of a table that `captions.read_table` reads.

    Further rows of a file are further texts of it.
    """
    found, said = rows_of_pictures(path, files)
    several = [[text for row in found.get(i, []) for text in row.texts] for i in range(len(files))]
    where = [f"{file} ({found[i][0].where} of {path.name})" if i in found else file for i, file in enumerate(files)]
    return written(several, len(files), where), said


def rows_of_pictures(
    path: Path, files: Sequence[str], *, one_text: bool = False
) -> tuple[dict[int, list[Row]], tuple[str, ...]]:
    """The rows of each picture, and what to say, as of `captions.read_table`; refused where most rows name none."""
    places = Places(files)
    table = read_table(path, places, one_text=one_text)
    found: dict[int, list[Row]] = {}
    strange: list[str] = []
    kept = [row for row in table.rows if row.file or row.texts]
    for row in kept:
        rows = places.of(row.file)
        if len(rows) == 1:
            found.setdefault(rows[0], []).append(row)
        else:
            strange.append(f"{row.file!r}, which is in several folders" if rows else repr(row.file))
    if not found or len(strange) > len(kept) / 2:
        told = f", such as {strange[0]} ({len(strange):,} of {len(kept):,} rows)" if strange else ""
        raise RequestError(
            f"{path} names {'hardly any' if found else 'none'} of the {len(files):,} pictures{told}.",
            f"One of its columns takes their paths below the folder, such as {files[0]!r}, and others their texts.",
        )
    said = table.said
    if strange:
        said += (f"{len(strange):,} rows of {path.name} name no picture, first {strange[0]}: they are left out.",)
    return found, said


def required(text: str, domain: Domain) -> str:
    """A text as it stands in a domain; what is none is refused."""
    found = normalised(text)
    if not found:
        raise RequestError("The text is empty, and says nothing.", "Leave it out, or say something.")
    if why := unknown(found, domain):
        raise RequestError(f"The text {found[:60]!r} {why}.", "Say it in other words.")
    return found
