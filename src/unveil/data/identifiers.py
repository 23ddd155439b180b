"""Columns of whole numbers that may only name the rows: a number of its own in each, and a name that says so."""

from __future__ import annotations

import re

import numpy as np

from .raw import Array
from .tablecolumns import taking

WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
NAMES = frozenset(
    {
        "id", "ids", "uid", "uuid", "guid", "pk", "nr", "num", "number", "nummer", "code", "key", "index", "idx",
        "identifier", "serial",
    }
)  # fmt: skip
AT_END = frozenset({"no", "ref"})  # which mean a number only there: house_no, and not no2
ENOUGH = 20  # rows from which numbers that all differ may be names


def said_identifier(name: str, values: Array) -> tuple[str, ...]:
    """A sentence where the numbers [n] of a column may be names of the rows."""
    if len(values) < ENOUGH or not (values == np.rint(values)).all() or len(np.unique(values)) < len(values):
        return ()
    count_on = int(values.max()) - int(values.min()) == len(values) - 1
    if not count_on and not _is_named_so(name):
        return ()
    what = "the numbers of a count in another order" if count_on else "a whole number of its own in each row"
    return (
        f"Column {name!r} holds {what}, as an identifier does, which tells nothing of new rows; if it is one: "
        f"{taking(name, 'drop')}",
    )


def _is_named_so(name: str) -> bool:
    words = [word.casefold() for word in WORDS.findall(name)]
    return bool(NAMES & {*words}) or (bool(words) and words[-1] in AT_END)
