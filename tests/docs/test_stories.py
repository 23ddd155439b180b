"""Every block of docs/en runs as it stands, at a small size (small.py). One page: pytest tests/docs -k fill-holes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import pages
from docs.small import small
from docs.stories import told

MOST_NOT_RUN = 12
NAMES = pages.names("en")


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with small():
        yield


STORIES = [
    page for page in [*(pages.read("en", name) for name in NAMES), pages.readme()] if any(b.is_run for b in page.blocks)
]


@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(
    page: pages.Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the library remarks on is read by a person, not by a test
        told(page, tmp_path, monkeypatch, lambda: capfd.readouterr().err)


def test_each_block_says_what_it_is() -> None:
    unknown = {
        f"{page.path}:{block.line}": block.language
        for page in (pages.read("en", name) for name in NAMES)
        for block in page.blocks
        if block.language not in pages.RUN | pages.SHOWN and not block.file
    }
    assert unknown == {}


def test_few_blocks_are_marked_as_not_run_and_each_says_why() -> None:
    why = [(page, block.why_not) for page in NAMES for block in pages.read("en", page).blocks if block.why_not]
    assert len(why) <= MOST_NOT_RUN, why
    assert [page for page, reason in why if len(reason) < 10] == []
