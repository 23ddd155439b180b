"""What the reference is made of: functions of the language that read the code and give Markdown."""

from __future__ import annotations

from collections.abc import Callable

from .commands import commands
from .files import files
from .glossary import glossary
from .keys import keys
from .parts import names, parts

PARTS: dict[str, Callable[..., str]] = {
    "commands": commands,
    "files": files,
    "glossary": glossary,
    "keys": keys,
    "names": names,
    "parts": parts,
}
