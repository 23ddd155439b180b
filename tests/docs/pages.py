"""Pages of the site as the tests read them: headings and blocks, and what of it is to run.

A block is run by its language:

    python              in the one namespace of its page
    console, sh         line by line: `unveil …`, `python FILE.py`; `$ ` before a line is dropped, and in a block with
                        such prompts the other lines are output
    text, json, html …  not run: shown
    any, with :caption: NAME    not run: written to the file NAME, which later blocks of the page use

Before a block that cannot run here stands `<!-- not run: why -->`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

HOME = Path(__file__).parents[2] / "docs"
RUN = {"python", "console", "sh"}
SHOWN = {"text", "json", "html", "toml", "yaml", "csv", "make", "bibtex"}
FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,})(?P<info>[^`]*)$")
DIRECTIVE = re.compile(r"^\{([\w:-]+)\}\s*(.*)$")
CLOSED = "\0"  # where a block stood
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Arguments: language; code; line of the page where the code begins, from 1; file, the name in its caption; why_not,
    why it is not run.
    """

    language: str
    code: str
    line: int
    file: str = ""
    why_not: str = ""

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.file and not self.why_not


@dataclass(frozen=True)
class Page:
    """A page: its name below its tree, its headings as (level, text), its blocks, and its text outside of blocks."""

    name: str
    path: Path
    headings: list[tuple[int, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    prose: str = ""


def names(language: str) -> list[str]:
    """The pages of a tree, as how-to/fill-holes."""
    root = HOME / language
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.md"))


def readme() -> Page:
    """The README of the repository, which is held to the same rules."""
    path = HOME.parent / "README.md"
    return parsed("README", path, path.read_text(encoding="utf-8"))


@cache
def read(language: str, name: str) -> Page:
    path = HOME / language / f"{name}.md"
    return parsed(name, path, path.read_text(encoding="utf-8"))


def parsed(name: str, path: Path, text: str) -> Page:
    """A page from its text. A fence may stand inside another of more marks, as in a list or a note."""
    page, prose, lines = Page(name, path), list[str](), iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        if fence := FENCE.match(line):
            held = _inside(lines, fence["marks"])
            info, why = fence["info"].strip(), NOT_RUN.search(_just_before(prose))
            prose.append(CLOSED)
            _enter(page, prose, info, held, number + 1, why[1] if why else "")
        elif heading := re.match(r"^(#+)\s+(.*)$", line):
            page.headings.append((len(heading[1]), heading[2].strip()))
            prose.append(line)
        else:
            prose.append(line)
    text = "\n".join(line for line in prose if line != CLOSED)
    return Page(page.name, page.path, page.headings, page.blocks, text)


def _just_before(prose: list[str]) -> str:
    """The lines that stand right before a block, up to an empty one or another block."""
    found: list[str] = []
    for line in reversed(prose):
        if line == CLOSED or (not line.strip() and found):
            break
        found.append(line)
    return "\n".join(found)


def _inside(lines: Iterator[tuple[int, str]], marks: str) -> list[str]:
    held = []
    for _, line in lines:
        if re.match(rf"^ *{marks}`*\s*$", line):
            break
        held.append(line)
    return held


def _enter(page: Page, prose: list[str], info: str, held: list[str], line: int, why: str) -> None:
    directive = DIRECTIVE.match(info)
    if directive is None:
        page.blocks.append(Block(info, _dedented(held), line, why_not=why))
    elif directive[1] in ("code-block", "code"):
        options = [text for text in held if re.match(r"^\s*:[\w-]+:", text)]
        captions = [text.split(":caption:")[1].strip() for text in options if ":caption:" in text]
        code = _dedented(held[len(options) :])
        page.blocks.append(Block(directive[2], code, line + len(options), *(captions[:1] or [""]), why))
    else:  # a directive whose content is prose, or none of ours
        inner = parsed(page.name, page.path, "\n".join(held))
        page.blocks.extend(inner.blocks)
        prose.append(inner.prose if directive[1] in ("note", "tip", "warning", "admonition", "figure") else "")


def _dedented(held: list[str]) -> str:
    margin = min((len(line) - len(line.lstrip()) for line in held if line.strip()), default=0)
    return "\n".join(line[margin:] for line in held).strip("\n") + "\n"


def commands(block: Block) -> Iterator[tuple[int, list[str], str]]:
    """(line of the page, words, comment) of each command of a block for a shell."""
    lines = block.code.split("\n")
    has_prompts = any(line.startswith("$ ") for line in lines)
    at = 0
    while at < len(lines):
        line, start = lines[at], at
        while line.endswith("\\"):
            at += 1
            line = line[:-1] + lines[at].strip()
        at += 1
        if has_prompts and not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words:
            yield block.line + start, words, line.partition(" #")[2].strip()
