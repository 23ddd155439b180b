"""Levels that differ only in capitals and blanks, as Yes and yes do: they are different ones, and it is said."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from .columns import LEVELLED, Column

SHOWN = 3  # groups of such levels that a sentence names


def said_alike(columns: Sequence[Column]) -> tuple[str, ...]:
    """A sentence for each column of levels of which some are alike."""
    told = ((column.name, alike(column.levels)) for column in columns if column.kind in LEVELLED)
    return tuple(_said(f"Column {name!r}", f"frame[{name!r}]", groups) for name, groups in told if groups)


def said_alike_labels(name: str, classes: Iterable[str]) -> tuple[str, ...]:
    """The same of labels."""
    groups = alike(classes)
    return (_said(f"The column of labels {name!r}", f"frame[{name!r}]", groups),) if groups else ()


def alike(levels: Iterable[str]) -> list[list[str]]:
    """Groups of levels that are one without capitals and blanks, in their order."""
    found: dict[str, list[str]] = {}
    for level in levels:
        found.setdefault(plain(level), []).append(level)
    return [group for group in found.values() if len(group) > 1]


def plain(text: str) -> str:
    """A text in small letters, with one blank between its words and none around them."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def _said(what: str, own: str, groups: Sequence[Sequence[str]]) -> str:
    shown = "; ".join(", ".join(map(repr, group)) for group in groups[:SHOWN])
    more = f"; and {len(groups) - SHOWN} more such groups" if len(groups) > SHOWN else ""
    first = {other: group[0] for group in groups for other in group[1:]}
    way = (
        f"{own}.str.strip().replace({first!r})"
        if len(groups) <= SHOWN
        else f"{own}.str.split().str.join(' ').str.lower()"
    )
    return (
        f"{what} has levels that differ only in capitals or blanks ({shown}{more}): each is a level of its own. If "
        f"they mean the same, write them alike, in pandas: {own} = {way}"
    )
