"""New pictures and texts for a run on both; either may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import Domain
from ..errors import RequestError, nearest
from .frames import is_frame
from .pairs import TEXT
from .raw import Array, Raw
from .texts import as_numbers, table_of_texts, unknown, written

Reader = Callable[[Any, Domain], Raw]  # of new pictures in the domain of a run


def read_new_pairs(source: Any, domain: Domain, read: Reader) -> Raw:
    """New x for a run on pictures and texts.

    Arguments:
        source: a path to a table whose columns are `file` (a path from where the table is, or nothing) and `text`; a
            frame with these columns; {"image": pictures or None, "text": strings or None}; a list of strings, which
            are texts without pictures; or pictures as any run takes them, which then have no text.
        read: reads pictures.
    """
    image = next(name for name in domain.places if name != TEXT)
    if isinstance(source, Mapping):
        return _of_parts(dict(source), image, domain, read)
    if isinstance(source, str | Path) and Path(source).suffix.lower() in (".csv", ".tsv") and Path(source).is_file():
        return _of_rows(*_rows(Path(source)), Path(source).parent, image, domain, read, str(source))
    if is_frame(source):
        columns = {str(name): list(source[name]) for name in source.columns}
        files, texts = (_column(columns, name) for name in ("file", TEXT))
        return _of_rows(files, texts, Path(), image, domain, read, "array")
    if isinstance(source, Sequence) and not isinstance(source, str) and source and isinstance(source[0], str | None):
        return _of_parts({TEXT: list(source)}, image, domain, read)
    return _of_parts({image: source}, image, domain, read)


def _of_parts(parts: dict[str, Any], image: str, domain: Domain, read: Reader) -> Raw:
    for name in parts:
        if name not in domain.places:
            raise RequestError(f"There is no modality {name!r}.", nearest(name, domain.places))
    pictures = None if parts.get(image) is None else read(parts[image], domain.part(image))
    texts = parts.get(TEXT)
    if pictures is None and texts is None:
        raise RequestError(f"Neither {image} nor {TEXT} came; give one of them, or both.")
    told = [None] * len(pictures.x) if texts is None and pictures is not None else list(texts or ())
    return _joint(pictures, None, told, image, domain, "array")


def _column(columns: Mapping[str, list[Any]], name: str) -> list[Any]:
    if not columns.keys() & {"file", TEXT}:
        raise RequestError(
            f"The table has the columns {', '.join(map(repr, columns))}; pairs have 'file' and '{TEXT}'.",
            "Rename them; one of the two may be left out.",
        )
    count = len(next(iter(columns.values())))
    return columns.get(name, [None] * count)


def _rows(path: Path) -> tuple[list[Any], list[Any]]:
    lines = table_of_texts(path)
    if len(lines) < 2:
        raise RequestError(f"{path} has no row below its names; pairs have the columns 'file' and '{TEXT}'.")
    names = [name.strip() for name in lines[0]]
    cells = [[line[i] if i < len(line) else "" for line in lines[1:] if any(line)] for i in range(len(names))]
    columns = dict(zip(names, cells, strict=True))
    return _column(columns, "file"), _column(columns, TEXT)


def _of_rows(
    files: list[Any], texts: list[Any], home: Path, image: str, domain: Domain, read: Reader, source: str
) -> Raw:
    """Rows of paths and texts, of which either may be missing."""
    named = [i for i, file in enumerate(files) if isinstance(file, str) and file.strip()]
    pictures, rows = None, None
    if named:
        each = [read(str(home / files[i].strip()), domain.part(image)) for i in named]
        rows = np.array(named)
        pictures = Raw(source, np.concatenate([raw.x for raw in each]))
    return _joint(pictures, rows, texts, image, domain, source)


def _joint(
    pictures: Raw | None, rows: Array | None, texts: Sequence[Any], image: str, domain: Domain, source: str
) -> Raw:
    """Joint x [N, D] of pictures, which are those of `rows` (of all, where None), and texts [N]."""
    told = written([None if text is None or text != text or not text else text for text in texts], len(texts))
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
    if strange:
        row, why = next(iter(strange.items()))
        remarks = (f"{len(strange):,} of {count:,} texts are not observed: the text of row {row} {why}.",)
    return Raw(source, x, observed=None if observed.all() else observed, remarks=remarks)
