"""Links into the documentation of other projects, from short lists of names that lie in `docs/inventories`.

A list is text: its first line is the address of the documentation, each further line a name, its kind and its page.
Sphinx reads such lists in a compressed form, which is written while the site is built; nothing is fetched.
"""

from __future__ import annotations

import zlib
from pathlib import Path

HEAD = (
    "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# The remainder of this file is compressed using zlib.\n"
)


def written_inventories(texts: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """What `intersphinx_mapping` takes: {project: (address, file)}.

    Arguments: texts, where the lists are; folder, where their compressed form goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return {
        text.stem: (_address(text), str(_written(text, folder / f"{text.stem}.inv"))) for text in texts.glob("*.txt")
    }


def _address(text: Path) -> str:
    return text.read_text(encoding="utf-8").splitlines()[0]


def _written(text: Path, inventory: Path) -> Path:
    entries = [line.split() for line in text.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
    lines = "".join(f"{name} {kind} 1 {page} -\n" for name, kind, page in entries)
    inventory.write_bytes(HEAD.format(text.stem).encode() + zlib.compress(lines.encode()))
    return inventory
