"""Docstrings as the code writes them, turned into what Sphinx reads: `x` is code, and bars and stars are characters.

A block such as

    Arguments:
        source: a name, a path or an array.

becomes a list of its names; an example becomes one that is shown as code.
"""

from __future__ import annotations

import re
from typing import Any

ENTRY = re.compile(r"^([\w, *]+): (.*)$")


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", rewritten)
    app.connect("autodoc-skip-member", is_of_others)
    return {"parallel_read_safe": True}


def rewritten(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Change `lines` in place, as autodoc asks."""
    lines[:] = as_rst(lines)


def is_of_others(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what a class inherits from another project: its own pages explain it."""
    module = getattr(getattr(thing, "fget", thing), "__module__", None) or "unveil"
    return None if module.split(".")[0] == "unveil" else True


def as_rst(lines: list[str]) -> list[str]:
    """The same text with what reStructuredText would misread put right."""
    told: list[str] = []
    for line in lines:
        entry, is_indented = ENTRY.match(line.strip()), line.startswith("    ")
        if line.strip().startswith((">>>", "...")):
            told += [] if told and told[-1].startswith((">>>", "...")) else [""]
            told.append(line.strip())
        elif is_indented and entry and not line.startswith("     "):
            told += ["", f"* ``{entry[1]}``: {plain(entry[2])}"]
        elif is_indented and told and told[-1].startswith(("* ", "  ")):
            told.append(f"  {plain(line.strip())}")
        elif is_indented:
            told.append(plain(line.strip()))
        else:
            told.append(plain(line))
    return [*told, ""]


def plain(line: str) -> str:
    """A line in which `code` is literal and every other character stands for itself."""
    pieces = line.split("`")
    if len(pieces) % 2 == 0:  # a lone backtick
        return _escaped(line)
    return "".join(f"``{piece}``" if at % 2 else _escaped(piece) for at, piece in enumerate(pieces))


def _escaped(text: str) -> str:
    return re.sub(r"([\\*|`]|_(?!\w))", r"\\\1", text)
