"""A page in a browser without a network, and all that it does beyond showing itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from unveil.runs.store import RunStore


def until(page: Page, condition: str) -> None:
    """Wait for a condition; playwright's own waiting would evaluate text in the page, which its policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never came true: {condition}")


class Watched:
    """A page and all that it did beyond showing itself."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page, self.said = page, list[str]()
        page.on("console", lambda message: self.said.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self._requested(request.url))
        self.own = file.resolve().as_uri()
        page.goto(self.own)
        page.wait_for_function(
            "[...document.querySelectorAll('[data-figure]')].every(e => e.querySelector('.main-svg'))"
        )

    def _requested(self, url: str) -> None:
        if url.partition("#")[0] != self.own and not url.startswith("data:"):
            self.said.append(f"request: {url}")


def opened(browser: Browser, run: RunStore | Path, width: int = 1100, dark: bool = False) -> Watched:
    """The report of a run, or a file, opened without a network."""
    context = browser.new_context(
        offline=True, viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    return Watched(context.new_page(), run if isinstance(run, Path) else run.path / "report.html")
