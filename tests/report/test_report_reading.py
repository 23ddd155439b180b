"""Reading a page: terms are explained, sections fold, and paper holds all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from unveil.glossary import term
from unveil.report.vendor import SHA256, plotly
from unveil.runs.store import RunStore
from watched import Watched, opened

OPEN = "document.querySelectorAll('.fold:not([hidden])').length"
PLOTS_FIT = """[...document.querySelectorAll('[data-figure] .main-svg')].every(
    svg => svg.getBoundingClientRect().right <= document.querySelector('main').getBoundingClientRect().right + 1)"""


@pytest.fixture(scope="module")
def watched(browser: Browser, images: RunStore) -> Iterator[Watched]:
    found = opened(browser, images)
    yield found
    found.page.context.close()


def test_the_library_of_figures_is_the_one_that_is_named() -> None:
    import hashlib

    assert hashlib.sha256(plotly().encode()).hexdigest() == SHA256
    assert len(plotly()) < 1_600_000 and "plotly.js (cartesian - minified) v4.1.1" in plotly()[:200]


def test_a_term_is_explained_once_in_a_section_and_no_name_is(watched: Watched) -> None:
    terms = watched.page.evaluate(
        """[...document.querySelectorAll('section, header')].map(
            s => [...s.querySelectorAll('.term')].map(t => t.getAttribute('aria-describedby')))"""
    )
    assert sum(map(len, terms)) > 20 and all(len(each) == len(set(each)) for each in terms)
    assert "term-rate" in terms[0] and watched.page.locator("code .term, a .term, [data-figure] .term").count() == 0
    own = "document.getElementById(e.getAttribute('aria-describedby'))"
    assert watched.page.evaluate(f"[...document.querySelectorAll('.term')].every(e => {own})") and watched.said == []


@pytest.mark.parametrize("how", ["pointer", "keyboard", "touch"])
def test_a_term_is_explained_by_pointer_keyboard_and_finger(how: str, watched: Watched) -> None:
    page = watched.page
    own = page.locator("header dt .term[aria-describedby='term-rate']")
    popup = page.locator("#told")
    assert popup.is_hidden()
    own.scroll_into_view_if_needed()
    page.wait_for_timeout(100)  # scrolling hides what is told
    if how == "pointer":
        own.hover()
    elif how == "keyboard":
        own.focus()
    else:
        own.dispatch_event("click")
    assert popup.is_visible() and term("rate").en.meaning in popup.inner_text()
    page.keyboard.press("Escape")
    assert popup.is_hidden()
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    assert watched.said == []


def test_a_section_folds_and_a_link_to_it_opens_it(watched: Watched) -> None:
    page = watched.page
    count = page.evaluate(OPEN)
    button = page.locator("#training .folding")
    assert button.get_attribute("aria-expanded") == "true" and count > 8
    button.click()
    assert page.locator("#fold-training").is_hidden() and button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#fold-training").is_visible()
    button.click()
    page.locator(".contents a[href='#training']").click()
    assert page.locator("#fold-training").is_visible() and page.evaluate(OPEN) == count
    assert page.evaluate(PLOTS_FIT) and watched.said == []


def test_paper_has_every_section_and_no_plot_is_cut(watched: Watched) -> None:
    page = watched.page
    count = page.evaluate(OPEN)
    page.locator("#training .folding").click()
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = [{OPEN}, {PLOTS_FIT}]; }})")
    pdf = page.pdf(prefer_css_page_size=True)
    assert page.evaluate("window.printed") == [count, True]
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 4
    assert page.evaluate(OPEN) == count - 1 and page.evaluate(PLOTS_FIT)  # as it was before
    page.locator("#training .folding").click()
    assert watched.said == []


def test_what_only_a_screen_needs_is_not_printed(browser: Browser, images: RunStore) -> None:
    page = opened(browser, images).page
    page.emulate_media(media="print")
    for selector in (".contents", ".folding", ".terms", ".ex-buttons", ".command button"):
        shown = page.locator(selector)
        assert shown.count() and not any(shown.nth(i).is_visible() for i in range(shown.count())), selector
    page.context.close()
