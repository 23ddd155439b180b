"""The two trees are parallel: the same pages, headings of the same levels, the same blocks of code."""

from __future__ import annotations

import re

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
