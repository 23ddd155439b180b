"""New pictures and texts for a run on both; either may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import Domain
from ..errors import RequestError, nearest
from .captions import NUMBERED, Captions, looks_like_a_picture, of_rows, read_table
from .frames import is_frame
from .pairs import TEXT
from .raw import Array, Raw
from .texts import as_numbers, unknown, written

TABLES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl")
NAMED = 5  # rows that are named
Reader = Callable[[Any, Domain], Raw]  # of new pictures in the domain of a run


def read_new_pairs(source: Any, domain: Domain, read: Reader, homes: Sequence[Path] = ()) -> Raw:
    """New x for a run on pictures and texts.

    Arguments:
        source: a path to a table of files and texts, as `captions.read_table` takes it, of which either may be empty; a
            frame with such columns; {"image": pictures or None, "text": strings or None}; a list of strings, which are
            texts without pictures; or pictures as any run takes them, which then have no text.
        read: reads pictures.
        homes: folders where pictures may be that are not beside the table.
    """
    image = next(name for name in domain.places if name != TEXT)
    if isinstance(source, Mapping):
        return _of_parts(dict(source), image, domain, read)
    if isinstance(source, str | Path) and Path(source).suffix.lower() in TABLES and Path(source).is_file():
        table = read_table(Path(source), looks_like_a_picture)
        return _of_table(table, (Path(source).parent, *homes), image, domain, read, str(source))
    if texts := _as_texts(source):
        return _of_parts({TEXT: texts}, image, domain, read)
    if is_frame(source):
        names = [str(name) for name in source.columns]
        cells = [["" if missing(cell) else str(cell) for cell in source[name]] for name in source.columns]
        rows = [(f"row {i}", row) for i, row in enumerate(zip(*cells, strict=True))]
        table = of_rows([("its names", names), *rows], looks_like_a_picture, "the frame")
        return _of_table(table, (Path(), *homes), image, domain, read, "array")
    return _of_parts({image: source}, image, domain, read)


def _as_texts(source: Any) -> list[Any]:
    """The strings of a list, an array or a column of them, None where there is none; [] of anything else."""
    if isinstance(source, str | Path) or hasattr(source, "columns"):
        return []
    if not (hasattr(source, "to_list") or isinstance(source, Sequence | np.ndarray)):
        return []
    if isinstance(source, np.ndarray) and source.dtype.kind not in "UO":
        return []
    listed = source.to_list() if hasattr(source, "to_list") else list(source)
    known = [cell for cell in listed if not missing(cell)]
    return listed if known and all(isinstance(cell, str) for cell in known) else []


def missing(cell: Any) -> bool:
    """Whether a cell of a list or a frame is None or NaN."""
    return cell is None or (isinstance(cell, float | np.floating) and cell != cell)


def _of_parts(parts: dict[str, Any], image: str, domain: Domain, read: Reader) -> Raw:
    for name in parts:
        if name not in domain.places:
            raise RequestError(f"There is no modality {name!r}.", nearest(name, domain.places))
    given, rows = parts.get(image), None
    if isinstance(given, Sequence) and not isinstance(given, str) and any(missing(one) for one in given):
        rows = np.array([i for i, one in enumerate(given) if not missing(one)], np.int64)
        given = np.stack([np.asarray(given[i]) for i in rows]) if len(rows) else None
    pictures = None if given is None else read(given, domain.part(image))
    texts = parts.get(TEXT)
    if pictures is None and texts is None:
        raise RequestError(f"Neither {image} nor {TEXT} came; give one of them, or both.")
    told = list(texts or ())
    if texts is None and pictures is not None:
        told = [None] * (len(pictures.x) if rows is None else len(parts[image]))
    return _joint(pictures, rows, told, image, domain, "array")


def _of_table(table: Captions, homes: Sequence[Path], image: str, domain: Domain, read: Reader, source: str) -> Raw:
    """Rows of paths and texts, of which either may be missing."""
    if not table.rows:
        raise RequestError(f"{source} has no row with a picture or a text.", "Its columns are called file and text.")
    named = [i for i, row in enumerate(table.rows) if row.file]
    if not named and not any(row.texts for row in table.rows):
        raise RequestError(
            f"No column of {source} names pictures or holds texts.", "Call them file and text; one may be left out."
        )
    pictures, rows = None, None
    if named:
        each = [read(str(_path_of(table.rows[i].file, homes)), domain.part(image)) for i in named]
        rows = np.array(named)
        pictures = Raw(source, np.concatenate([raw.x for raw in each]))
    texts = [row.texts[0] if row.texts else None for row in table.rows]
    several = sum(len(row.texts) > 1 for row in table.rows)
    said = table.said
    if several:
        said += (f"{several:,} rows of {source} have several texts: the first of each is judged.",)
    found = _joint(pictures, rows, texts, image, domain, source, [row.where for row in table.rows])
    files = tuple(row.file for row in table.rows) if named else None
    return replace(found, remarks=(*said, *found.remarks), files=files)


def _path_of(file: str, homes: Sequence[Path]) -> Path:
    """Where a picture is: beside the table, or in the folder that the run was fitted on."""
    bare = NUMBERED.sub("", file.replace("\\", "/"))
    for home in homes:
        for name in (file, bare):
            if (home / name).is_file():
                return home / name
    return homes[0] / file


def _joint(
    pictures: Raw | None,
    rows: Array | None,
    texts: Sequence[Any],
    image: str,
    domain: Domain,
    source: str,
    where: Sequence[str] | None = None,
) -> Raw:
    """Joint x [N, D] of pictures, which are those of `rows` (of all, where None), and texts [N]."""
    told = written([None if missing(text) or not text else text for text in texts], len(texts), where)
    part, count = domain.part(TEXT), len(told)
    strange = {i: why for i, row in enumerate(told) if row and (why := unknown(row[0], part))}
    codes, known = as_numbers([row[0] if row and i not in strange else None for i, row in enumerate(told)], part)
    x, observed = np.zeros((count, domain.num_dims), np.float32), np.zeros((count, domain.num_dims), bool)
    x[:, domain.places[TEXT]], observed[:, domain.places[TEXT]] = codes, known[:, None]
    if pictures is not None:
        at = np.arange(count) if rows is None else rows
        if len(pictures.x) != len(at):
            came = f"{len(pictures.x):,} pictures and {count:,} texts came"
            raise RequestError(f"{came}; give one text for each, or None.")
        if pictures.x.shape[1:] != domain.part(image).shape:
            raise RequestError(
                f"Pictures of shape {pictures.x.shape[1:]} came, and this run is on {domain.part(image).shape}."
            )
        x[at, domain.places[image]] = pictures.x.reshape(len(at), -1)
        seen = np.ones(pictures.x.shape, bool) if pictures.observed is None else pictures.observed
        observed[at, domain.places[image]] = seen.reshape(len(at), -1)
    remarks: tuple[str, ...] = ()
    if pictures is not None and not known.any() and not strange:
        remarks = (f"No text came, so log p is of the {image} alone.",)
    if strange:
        row, why = next(iter(strange.items()))
        named = ", ".join(str(i) for i in list(strange)[:NAMED]) + (", …" if len(strange) > NAMED else "")
        remarks = (
            f"{len(strange):,} of {count:,} texts are not observed, those of row {named}: that of row {row} {why}.",
        )
    files = pictures.files if pictures is not None and rows is None else None
    return Raw(source, x, observed=None if observed.all() else observed, remarks=remarks, files=files)
