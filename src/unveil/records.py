"""Records: JSON files that may come from anybody, read within limits and checked whole against a schema before use."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from .errors import RequestError
from .plainfiles import read_plain

MOST_BYTES = 64 * 2**20  # of a file; the largest honest one holds 100,000 columns in 20 MB
MOST_DEPTH = 24  # of lists and objects inside each other; a model of parts of parts has nine
MOST_DIGITS = 20  # of a whole number: those of 64 bits have no more
LARGEST = 2**53  # of a whole number that counts something: a float holds it exactly

Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Positive = Annotated[int, Meta(ge=1, le=LARGEST)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Meta(max_length=1_000_000)]
COPY = "Take it from a copy of the run."
CHANGED = "The file was changed or damaged; take it from a copy of the run."
NEWER = "Update unveil, or take the file from a copy of the run."

WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
SAYINGS = (  # of the validator, and as a person says them
    (r"^Expected (.+?), got (.+)$", r"must be \1, and \2 came"),
    (r"^Expected (.+)$", r"must be \1"),
    (r"^Invalid enum value (.+)$", r"cannot be \1"),
    (r"^Object missing required field `(.+)`$", r"lacks the key '\1'"),
    (r"^Object contains unknown field `(.+)`$", r"has the key '\1', which this version does not know"),
)


class Damaged(RequestError):
    """A file of a run that is not what `unveil` wrote."""


def read_record(path: Path, format: str, kind: Any) -> dict[str, Any]:
    """An object whose "format" is `format`, as a dict; older code refuses a newer format in a sentence.

    Arguments: kind, the schema, a `msgspec.Struct` or another type that `msgspec.convert` knows.

    Raises Damaged for a file that is too large, too deep, no JSON, or not of this kind.
    """
    try:
        found = parsed(read_plain(path, MOST_BYTES))
    except RequestError:  # it is no plain file
        raise
    except OSError as error:
        raise RequestError(f"{path} could not be read: {error.strerror or error}.", COPY) from error
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path} could not be read as JSON: {_told(error)}.", CHANGED) from error
    came = found.get("format") if isinstance(found, dict) else None
    if came != format:
        raise Damaged(f"{path} has the format {_short(came)} and this version reads {format!r}.", NEWER)
    check_record(found, kind, path)
    return dict(found)


def check_record(found: Any, kind: Any, path: Path | str) -> None:
    """Refuse a value that is not of a kind, naming file, key, what is allowed and what came."""
    try:
        msgspec.convert(found, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        hint = NEWER if "unknown field" in str(error) else CHANGED
        raise Damaged(f"{path} is not what unveil writes: {in_words(error)}.", hint) from error
    except UnicodeEncodeError as error:  # half a pair, in a key or where a name is expected
        raise Damaged(f"{path} is not what unveil writes: a name in it is no Unicode.", CHANGED) from error


def parsed(content: bytes) -> Any:
    """JSON within the limits: standard numbers only, none of more than 20 digits, no more than 24 levels.

    Raises ValueError or RecursionError.
    """
    found = json.loads(content.decode(), parse_int=_whole, parse_float=_number, parse_constant=_no_number)
    _check_depth(found)
    return found


def in_words(error: Exception) -> str:
    """What a validation found, as a person says it: "split.seed must be a whole number, and a text came"."""
    told, _, place = str(error).partition(" - at ")
    for pattern, words in SAYINGS:
        told = re.sub(pattern, words, told)
    told = re.sub(r"\b(int|float|str|bool|array|object|null)\b(?! \|? ?`)", lambda found: WORDS[found[1]], told)
    where = re.sub(r"[`$]|^\.", "", place.replace("$.", "").replace("[...]", ".…"))
    return f"{where or 'the file'} {told.replace('`', '').replace(' | ', ' or ')}"


def _check_depth(found: Any) -> None:
    """Refuse lists and objects that are too deep inside each other, without going down by recursion."""
    level = [found]
    for _ in range(MOST_DEPTH):
        level = [inner for held in level for inner in _inside(held)]
        if not level:
            return
    raise ValueError(f"lists and objects are more than {MOST_DEPTH} deep")


def _inside(held: Any) -> list[Any]:
    """The lists and objects right inside a list or an object."""
    values = held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
    return [value for value in values if isinstance(value, dict | list)]


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a whole number has {len(text):,} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _told(error: Exception) -> str:
    match error:
        case RecursionError():
            return f"lists and objects are more than {MOST_DEPTH} deep"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case json.JSONDecodeError():
            return f"{error.msg[:1].lower()}{error.msg[1:]} in line {error.lineno}"
    return str(error)


def _short(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:60]}…"
