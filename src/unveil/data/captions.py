"""Tables of pictures and their texts as people have them: which column names the file, and which hold texts."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import RequestError
from .filetree import SUFFIXES
from .raw import MISSING
from .tablecolumns import is_number
from .textfiles import text_file

SEPARATORS = (",", "\t", ";", "|")
TEXTUAL = re.compile(r"(?:raw[ _-]?)?(?:text|caption|description|title|sentence|comment|name|label|alt)s?[ _-]?\d*")
FILES = ("file", "filename", "file_name", "filepath", "file_path", "image", "img", "path", "picture", "photo")
NUMBERED = re.compile(r"#\d+$")  # what some tables put behind the name of a picture, one line for each text of it
MOST_JSON = 500_000_000  # bytes
LOOKED = 200  # rows that say which column is which
Picked = Callable[[str], bool]  # whether a cell names a picture


@dataclass(frozen=True)
class Row:
    """One row of a table of files and texts.

    Arguments: where, such as "line 3"; file, "" where none is named; texts; rest, the cells of other columns.
    """

    where: str
    file: str
    texts: tuple[str, ...]
    rest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Captions:
    """A table of files and texts, read.

    Arguments: rows; said, sentences for the user on how it was read.
    """

    rows: tuple[Row, ...]
    said: tuple[str, ...] = ()


def read_table(path: Path, names_picture: Picked, *, one_text: bool = False) -> Captions:
    """The rows of a table of text, separated by commas, tabs, semicolons or pipes, or of JSON.

    The column that names files is the one whose cells end as those of pictures do, or else name pictures, most often; a
    first line without any names the columns. Texts are the columns that are called text, caption, title and the like,
    all others where none is.

    Arguments: names_picture, whether a cell names a picture; one_text, where no column is called so, the first that
    names no file is the text, and no other.
    """
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is no file.", "Give the path of a table: --text captions.csv")
    if not path.is_file():
        raise RequestError(
            f"There is no table of texts {path}.",
            "Give its path: --text captions.csv. Of a run whose table was moved: unveil relink RUN PHOTOS --text "
            "captions.csv",
        )
    if path.suffix.lower() in (".json", ".jsonl"):
        return _of_json(path, names_picture)
    lines = _lines(path, names_picture)
    return of_rows([(f"line {number}", cells) for number, cells in lines], names_picture, path.name, one_text)


def of_rows(
    rows: Sequence[tuple[str, Sequence[str]]], names_picture: Picked, source: str, one_text: bool = False
) -> Captions:
    """The same of rows that are there, each with where it stands."""
    first = [cell.strip() for cell in rows[0][1]] if rows else []
    is_head = bool(rows) and not any(map(names_picture, first)) and _names_columns(first, rows[1:], names_picture)
    head, body = (first, rows[1:]) if is_head else ([], rows)
    width = len(head) or max((len(cells) for _, cells in body), default=0)
    file = _file_column(head, body, names_picture, width)
    texts, told = _text_columns(head, body, file, width, one_text)
    rest = [i for i in range(width) if i != file and i not in texts]
    found, joined, missing = [], 0, 0
    for where, cells in body:
        cells = list(cells)
        if head and len(cells) > width and texts and texts[-1] == width - 1:
            cells, joined = [*cells[: width - 1], ",".join(cells[width - 1 :])], joined + 1
        elif head and any(cell.strip() for cell in cells[width:]):
            raise RequestError(
                f"{where.capitalize()} of {source} has {len(cells)} cells, and its first line names {width} columns.",
                "A text that holds the separator stands in double quotes.",
            )
        cells += [""] * (width - len(cells))
        own = tuple(cells[i] for i in texts)
        kept = tuple(text for text in own if text.strip().casefold() not in MISSING)
        missing += sum(bool(text.strip()) for text in own) - len(kept)
        named = cells[file].strip() if file is not None else ""
        found.append(Row(where, named, kept, tuple(cells[i] for i in rest)))
    if joined:
        told += (f"{joined:,} rows of {source} have more cells than columns: the last hold one text with commas.",)
    if missing:
        told += (f"{missing:,} cells of {source} hold a mark of what is missing, such as NA: they are no texts.",)
    return Captions(tuple(found), told)


def _names_columns(first: Sequence[str], below: Sequence[tuple[str, Sequence[str]]], names_picture: Picked) -> bool:
    """Whether a first line without a picture names columns: the lines below name pictures, or its words are usual."""
    usual = any(TEXTUAL.fullmatch(cell.casefold()) or cell.casefold() in FILES for cell in first)
    return usual or any(names_picture(cell.strip()) for _, cells in below[:LOOKED] for cell in cells)


def _file_column(
    head: Sequence[str], body: Sequence[tuple[str, Sequence[str]]], names_picture: Picked, width: int
) -> int | None:
    few = [cells[:width] for _, cells in body[:LOOKED]]
    for names in (looks_like_a_picture, names_picture):  # a word may be the name of a picture without its ending
        counts = Counter(i for cells in few for i, cell in enumerate(cells) if names(cell.strip()))
        if counts and max(counts.values()) > len(few) / 2:
            return max(counts, key=lambda i: (counts[i], -i))
    called = next((i for i, name in enumerate(head) if name.casefold() in FILES), None)
    return called if called is not None or not counts else max(counts, key=lambda i: (counts[i], -i))


def _text_columns(
    head: Sequence[str], body: Sequence[tuple[str, Sequence[str]]], file: int | None, width: int, one_text: bool
) -> tuple[list[int], tuple[str, ...]]:
    """Which columns are texts, and what to say of that where the first line names columns."""
    others = [i for i in range(width) if i != file]
    called = [i for i in others if head and TEXTUAL.fullmatch(head[i].casefold())]
    if one_text:
        return called or others[:1], ()
    few = body[:LOOKED]
    numbers = [i for i in others if _holds_numbers([cells[i] for _, cells in few if i < len(cells)])]
    texts = called or [i for i in others if i not in numbers] or ([] if file is not None and numbers else others)
    left = [head[i] for i in others if i not in texts and head and head[i]]
    told: tuple[str, ...] = ()
    if left:
        names = ", ".join(repr(head[i]) for i in texts)
        said = ", ".join(map(repr, left[:5])) + (", …" if len(left) > 5 else "")
        told = (f"Texts are {names or 'in no column'}; left out: {said}.",)
    return texts, told


def _holds_numbers(cells: Sequence[str]) -> bool:
    known = [cell.strip() for cell in cells if cell.strip()]
    return bool(known) and all(map(is_number, known))


def _lines(path: Path, names_picture: Picked) -> list[tuple[int, list[str]]]:
    """The lines by the separator at which most of them name a picture."""
    file = text_file(path)
    tried = ("\t",) if path.suffix.lower() in (".tsv", ".tab") else SEPARATORS
    best: list[tuple[int, list[str]]] = []
    most, wrong = 0.0, ""
    for separator in tried:
        try:
            lines = [(number, cells) for number, cells in file.rows(separator) if cells]
        except csv.Error as error:
            wrong = (
                wrong or f"{path} is no table of files and texts: {error}. A quote that does not end may be the cause."
            )
            continue
        named = sum(any(names_picture(cell.strip()) for cell in cells) for _, cells in lines[:LOOKED])
        wide = sum(len(cells) > 1 for _, cells in lines[:LOOKED])
        value = named + wide / (2 * LOOKED)
        if value > most or not best:
            best, most = lines, value
    if most < 1 and wrong:
        raise RequestError(wrong)
    return best


def _of_json(path: Path, names_picture: Picked) -> Captions:
    """A list of objects, one object a line, {file: text or texts}, or {"images": […], "annotations": […]} of COCO."""
    if path.stat().st_size > MOST_JSON:
        raise RequestError(f"{path} has more than {MOST_JSON:,} bytes.", "Write it as a table: file,text")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        found: Any = json.loads(text)
    except ValueError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            why = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
            raise RequestError(f"{path} is no JSON that can be read{why}.", "Write it as a table: file,text") from error
    except RecursionError as error:
        raise RequestError(f"{path} is no JSON that can be read: it is too deep.") from error
    if isinstance(found, dict) and isinstance(found.get("images"), list) and isinstance(found.get("annotations"), list):
        return Captions(tuple(_of_coco(found, path)))
    if isinstance(found, dict):
        pairs = list(found.items())
        rows = [Row(f"entry {i + 1}", str(file), tuple(_texts(own))) for i, (file, own) in enumerate(pairs)]
        return Captions(tuple(rows))
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        return Captions(tuple(_of_object(f"entry {i + 1}", each, names_picture) for i, each in enumerate(found)))
    raise RequestError(f"{path} holds no pictures with texts.", 'It takes [{"file": …, "text": …}, …] or {file: text}.')


def _of_object(where: str, one: Mapping[str, Any], names_picture: Picked) -> Row:
    file = next((v for v in one.values() if isinstance(v, str) and names_picture(v)), None)
    file = file or next((str(v) for k, v in one.items() if str(k).casefold() in FILES and v), "")
    texts = [t for k, v in one.items() if TEXTUAL.fullmatch(str(k).casefold()) and v != file for t in _texts(v)]
    return Row(where, file, tuple(texts))


def _of_coco(found: Mapping[str, Any], path: Path) -> Iterable[Row]:
    names: dict[Any, str] = {}
    for i, each in enumerate(found["images"]):
        number = each.get("id") if isinstance(each, dict) else None
        if not isinstance(number, int | str) or number in names:
            why = "an id that another has" if isinstance(number, int | str) else "no id"
            raise RequestError(
                f"Image {i + 1} in {path} has {why}.", "Give each image a whole number of its own as id."
            )
        names[number] = str(each.get("file_name", ""))
    for i, each in enumerate(found["annotations"]):
        number = each.get("image_id") if isinstance(each, dict) else None
        if isinstance(number, int | str) and number in names:
            yield Row(f"annotation {i + 1}", names[number], tuple(_texts(each.get("caption"))))


def _texts(came: Any) -> list[str]:
    """The strings in a string, a list of strings or of objects that hold a sentence."""
    if isinstance(came, str):
        return [came]
    if isinstance(came, Mapping):
        return [text for key, own in came.items() if TEXTUAL.fullmatch(str(key).casefold()) for text in _texts(own)]
    return [text for each in came for text in _texts(each)] if isinstance(came, list) else []


def looks_like_a_picture(cell: str) -> bool:
    """Whether a cell ends as the files of pictures do."""
    return PurePosixPath(NUMBERED.sub("", cell.strip())).suffix.lower() in SUFFIXES


class Places:
    """Which picture of a folder a cell names: by its path below the folder, or any end of it that is alone there.

    Slashes may lean either way; "#1" behind the name, "./", capitals and a missing ending are nothing.

    Arguments: files, the paths of all pictures, in the order of the source.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._found: tuple[dict[str, list[int]], ...] = ({}, {}, {})
        for i, file in enumerate(files):
            parts = file.split("/")
            for k in range(len(parts)):
                for forms, form in zip(self._found, _forms("/".join(parts[k:])), strict=True):
                    forms.setdefault(form, []).append(i)
        self._exact = {file: i for i, file in enumerate(files)}

    def of(self, cell: str) -> list[int]:
        """The pictures that a cell may mean: one, none, or several."""
        if not cell:
            return []
        if cell in self._exact:
            return [self._exact[cell]]
        parts = NUMBERED.sub("", cell.replace("\\", "/")).split("/")
        parts = [part for part in parts if part not in ("", ".")]
        for k in range(len(parts)):  # the longest end first: a folder above the given one may be named, too
            tail = _forms("/".join(parts[k:]))
            for forms, form in zip(self._found, tail, strict=True):
                if form in forms:
                    return forms[form]
        return []

    def __call__(self, cell: str) -> bool:
        return bool(self.of(cell))


def _forms(path: str) -> tuple[str, str, str]:
    """A path as it is, in small letters, and without its ending."""
    small = path.casefold()
    return path, small, re.sub(r"\.[a-z0-9]{1,5}$", "", small)
