"""Markdown from plain values: tables and code whose characters stand for themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text as code; nothing for no text."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A sentence of a docstring: `code` stays, and every character that Markdown would read is escaped."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return _escaped(text)
    return "".join(f"`{piece}`" if at % 2 else _escaped(piece) for at, piece in enumerate(pieces))


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_|$<>\[\]{}~^#`])", r"\\\1", text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))
