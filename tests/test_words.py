"""The sentences that a person reads: short ones, and none of those that readers said they did not understand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "unveil"
READ = ("report", "evaluation", "diagnostics", "use", "output", "trials", "tour")  # rooms whose texts people read
LONGEST = 32  # words of a sentence, or of a part of one that ends in a colon or semicolon
NOT_UNDERSTOOD = (
    "is not expected to fall below",
    "needs exact, which",
    "come from nowhere",
    "comes from nowhere",
    "Behind the best comes",
    "read off z",
    "are left to p(x|z)",
    "is as good as it gets",
)


def texts(path: Path) -> Iterator[str]:
    """The string constants of a file that are no docstrings, an X for every value that is put in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pieces = {id(v) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for v in node.values}
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in pieces | told:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)


def shown_files() -> list[Path]:
    return [*(p for room in READ for p in sorted((SOURCE / room).rglob("*.py"))), *sorted(SOURCE.rglob("*.html"))]


@pytest.mark.parametrize("path", shown_files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_sentences_are_short_and_plain(path: Path) -> None:
    found = list(texts(path)) if path.suffix == ".py" else [re.sub(r"\{[%{].*?[%}]\}", "X", path.read_text("utf-8"))]
    for text in found:
        assert not [phrase for phrase in NOT_UNDERSTOOD if phrase in text]
        if path.suffix == ".py":
            long = [s for s in re.split(r"(?<=[.!?:;])\s+", text) if len(s.split()) > LONGEST]
            assert not long, long


def test_chinese_has_one_word_for_a_nat_and_one_for_a_collapse() -> None:
    root = SOURCE.parents[1]
    files = [
        p
        for room in (SOURCE, root / "docs" / "zh")
        for end in ("py", "txt", "md", "html", "js")
        for p in room.rglob(f"*.{end}")
    ]
    assert len(files) > 300
    for path in files:
        assert not re.search("\u5948\u7279|\u574d\u7f29", path.read_text(encoding="utf-8")), path
