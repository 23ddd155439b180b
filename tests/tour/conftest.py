"""The tour at a small size, made once; and a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unveil.ops import threads
from unveil.tour.make import computed
from unveil.tour.page import rendered
from unveil.tour.words import Chapter


@pytest.fixture(scope="session")
def chapters() -> list[Chapter]:
    with threads(1):
        return computed(share=0.1)


@pytest.fixture(scope="session")
def html(chapters: list[Chapter]) -> str:
    return rendered(chapters, "en", "0", 0.0)


@pytest.fixture(scope="session")
def page_file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tour") / "tour.html"
    path.write_text(html, encoding="utf-8")
    return path


def shown_outputs(html: str) -> list[str]:
    """What the page says that its code printed."""
    return re.findall(r'<pre class="out"[^>]*>(.*?)</pre>', html, re.DOTALL)
