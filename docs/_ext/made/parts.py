"""The parts of a kind: name, the line that `unveil list` prints, and the arguments that its docstring explains."""

from __future__ import annotations

import inspect

from unveil.cli.app import KINDS
from unveil.registry import load_all

from .writing import code, prose, table

SEE = {"en": "References", "zh": "文献"}
HEADS = {"en": ("name", "what it is"), "zh": ("名字", "说明")}
ARGUMENTS = {"en": "Arguments", "zh": "参数"}


def parts(language: str, kind: str) -> str:
    """A section for each part of a kind."""
    return "\n".join(_section(name, cls, language) for name, cls in load_all(kind).items())


def names(language: str) -> str:
    """A table for each kind: every name with the line that `unveil list` prints."""
    return "\n".join(f"## {kind}\n\n{_overview(kind.removesuffix('s'), language)}" for kind in KINDS)


def _overview(kind: str, language: str) -> str:
    return table(HEADS[language], [(code(name), prose(first_line(cls))) for name, cls in load_all(kind).items()])


def first_line(cls: type) -> str:
    """The summary of a source, else the first line of the docstring."""
    summary = getattr(cls, "summary", "")
    return summary if isinstance(summary, str) and summary else inspect.cleandoc(cls.__doc__ or "").split("\n")[0]


def _section(name: str, cls: type, language: str) -> str:
    _, *rest = paragraphs(inspect.cleandoc(cls.__doc__ or ""))
    lines = [f"## {name}", "", f"**{prose(first_line(cls))}**", ""]
    for paragraph in rest:
        lines += [_told(paragraph, language), ""]
    return "\n".join(lines) + f"\n{code(f'{cls.__module__}.{cls.__name__}')}\n"


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring, their lines kept."""
    return [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]


def _told(paragraph: str, language: str) -> str:
    head, _, rest = paragraph.partition(":")
    words = {"References": SEE, "Arguments": ARGUMENTS}.get(head)
    if words is None:
        return prose(" ".join(paragraph.split()))
    entries = rest.strip("\n")
    if not entries.startswith(" ") or "\n" not in rest:
        return f"*{words[language]}*: {prose(' '.join(rest.split()))}"
    return f"*{words[language]}*:\n\n" + "\n".join(f"- {prose(entry)}" for entry in _entries(entries))


def _entries(block: str) -> list[str]:
    """The items of an indented block; a line that is indented further goes on with the one before."""
    lines, entries = inspect.cleandoc(block).splitlines(), list[str]()
    for line in lines:
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line)
    return entries
