"""The two trees are parallel: the same pages, headings of the same levels, the same blocks of code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import pages

NAMES = pages.names("en")


def test_both_trees_have_the_same_pages() -> None:
    assert pages.names("zh") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_same_headings_and_blocks_in_both(name: str) -> None:
    english, chinese = pages.read("en", name), pages.read("zh", name)
    levels = [[level for level, _ in page.headings] for page in (english, chinese)]
    assert levels[0] == levels[1], f"{name}: {english.headings} and {chinese.headings}"
    blocks = [[(b.language, b.file, bool(b.why_not), b.code) for b in page.blocks] for page in (english, chinese)]
    assert blocks[0] == blocks[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_written_in_its_own_language(name: str) -> None:
    """The headings and the prose: a Chinese page has Chinese in it, an English one has none but what it quotes."""
    chinese = re.compile(r"[\u4e00-\u9fff]")
    english_prose = re.sub(r"`[^`]*`|\"[^\"]*\"|“[^”]*”|\([^)]*\)", "", pages.read("en", name).prose)
    assert len(chinese.findall(english_prose)) < 40, "much Chinese outside of code and quotes"
    assert len(chinese.findall(pages.read("zh", name).prose)) > 5


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_page_has_one_title(language: str) -> None:
    for name in pages.names(language):
        assert [level for level, _ in pages.read(language, name).headings].count(1) == 1, name


# Of directives that are no blocks of code, `generated` and `eval-rst` are made from the code.
FENCES = (
    "code-block", "code", "note", "tip", "warning", "admonition", "figure", "toctree", "math", "generated", "eval-rst",
)  # fmt: skip
UNSEEN = re.compile(r"^(?:\s*~~~|\s*>\s*(?:`{3}|~~~)|.*\t.*`{3})", re.MULTILINE)  # what the harness does not see


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_block_is_written_so_that_it_would_not_be_run(language: str) -> None:
    for name in pages.names(language):
        text = (pages.HOME / language / f"{name}.md").read_text(encoding="utf-8")
        assert UNSEEN.findall(text) == [], name
        directives = re.findall(r"^\s*(?:`{3,}|:{3,})\{([\w:-]+)\}", text, re.MULTILINE)
        assert set(directives) <= set(FENCES), name


def test_every_line_for_a_shell_is_a_command() -> None:
    """Output has blocks of its own, so that no line is taken for it."""
    for name in NAMES:
        for block in pages.read("en", name).blocks:
            if block.language in ("console", "sh"):
                assert not any(line.startswith("$ ") for line in block.code.split("\n")), f"{name}:{block.line}"


def test_a_file_that_a_page_writes_is_used_on_it() -> None:
    for name in NAMES:
        blocks = pages.read("en", name).blocks
        for i, block in enumerate(blocks):
            if block.file:
                used = any(Path(block.file).stem in later.code for later in blocks[i + 1 :] if later.is_run)
                assert used, f"{name}: {block.file} is written and never used"


@pytest.mark.parametrize("wrong", ["~~~python\nraise\n~~~", "> ```python\n> raise\n> ```", "\t```python"])
def test_a_fence_of_another_kind_is_seen(wrong: str) -> None:
    assert UNSEEN.search(f"text\n\n{wrong}\n")


def test_a_remark_is_of_the_next_block_alone() -> None:
    text = "<!-- not run: it is long -->\n```python\na\n```\n```python\nb\n```\n\n```python\nc\n```\n"
    found = pages.parsed("x", Path("x.md"), text).blocks
    assert [bool(block.why_not) for block in found] == [True, False, False]
