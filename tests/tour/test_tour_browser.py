"""The tour in a browser without a network: silent, sliders that move, both languages, a phone, the dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from unveil.tour.chapters import kl
from watched import Watched, opened, until

SLIDER = "#identity input[type=range]"


@pytest.fixture(scope="module")
def watched(browser: Browser, page_file: Path) -> Iterator[Watched]:
    found = opened(browser, page_file)
    yield found
    found.page.context.close()


def shown_frame(page: Page) -> int:
    frames = "[...document.querySelectorAll('#identity .frame')]"
    assert page.evaluate(f"{frames}.filter(f => !f.hidden).length") == 1
    return int(page.evaluate(f"{frames}.findIndex(f => !f.hidden)"))


def test_opens_in_silence_with_every_picture_drawn(watched: Watched) -> None:
    page = watched.page
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth)")
    assert page.locator("svg").count() > 100
    assert page.evaluate("[...document.querySelectorAll('.frame:not([hidden]) svg')].every(s => s.clientHeight > 80)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100
    assert watched.said == []


def test_a_slider_moves_the_picture_by_the_keyboard(watched: Watched) -> None:
    page = watched.page
    page.locator(SLIDER).focus()
    page.keyboard.press("Home")
    first = page.locator("#identity .told:not([hidden])").inner_text()
    assert shown_frame(page) == 0
    page.keyboard.press("ArrowRight")
    assert shown_frame(page) == 1
    second = page.locator("#identity .told:not([hidden])").inner_text()
    assert first != second and page.locator(SLIDER).get_attribute("aria-valuetext") == second
    page.keyboard.press("End")
    assert shown_frame(page) == int(page.locator(SLIDER).get_attribute("max") or 0)
    assert watched.said == []


def test_a_slider_moves_the_picture_by_the_mouse(watched: Watched) -> None:
    page = watched.page
    slider = page.locator(SLIDER)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    last = int(slider.get_attribute("max") or 0)
    assert 0.4 * last <= shown_frame(page) <= 0.6 * last


def test_both_kls_are_computed_as_q_is_moved(watched: Watched) -> None:
    page = watched.page
    for mean, width in ((0.0, 1.0), (-1.6, 0.6), (3.95, 0.3)):
        page.evaluate(
            "([m, w]) => { const [a, b] = document.querySelectorAll('[data-lab] input'); a.value = m; b.value = w;"
            " b.dispatchEvent(new Event('input')); }",
            [mean, width],
        )
        told = page.locator("[data-lab] output").inner_text().replace("−", "-")
        found = [float(value) for value in re.findall(r"= (-?[\d.]+)", told)]
        p = kl._mixture()
        expected = [kl._kl(kl._normal(mean, width), np.log(p)), kl._kl_back(p, np.log(p), mean, width)]
        assert found == pytest.approx(expected, abs=2e-3)
    assert (page.locator("[data-lab] .live").get_attribute("d") or "").count("L") == 160 and watched.said == []


def test_play_runs_to_the_end(watched: Watched) -> None:
    page = watched.page
    button = page.locator("#jensen .play")
    button.click()
    until(page, "document.querySelector('#jensen input').value > 1")
    assert button.inner_text() == "Stop"
    button.click()
    assert button.inner_text() == "Play" and watched.said == []


def test_the_language_changes_and_what_is_read_stays(browser: Browser, page_file: Path) -> None:
    watched = opened(browser, page_file)
    page = watched.page
    page.evaluate("document.querySelector('#sigma h2').scrollIntoView({behavior: 'instant'})")
    before = page.evaluate("document.querySelector('#sigma h2').getBoundingClientRect().top")
    page.evaluate("document.querySelector('[data-lang=zh]').click()")  # playwright's own click scrolls to the bar
    assert page.evaluate("document.documentElement.lang") == "zh" and "导览" in page.title()
    seen = page.evaluate(
        "[...document.querySelectorAll('[lang=en], [lang=zh]')].filter(e => e !== document.documentElement)"
        ".map(e => [e.lang || e.getAttribute('lang'), e.getClientRects().length > 0])"
    )
    assert not [1 for lang, visible in seen if lang == "en" and visible]
    assert [1 for lang, visible in seen if lang == "zh" and visible]
    top = page.evaluate("document.querySelector('#sigma h2').getBoundingClientRect().top")
    assert abs(top - before) < 60
    assert page.get_by_role("button", name="中文").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="English").click()
    assert page.evaluate("document.documentElement.lang") == "en" and watched.said == []
    page.context.close()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_fits_a_phone_in_the_dark(browser: Browser, page_file: Path, lang: str) -> None:
    watched = opened(browser, page_file, width=380, dark=True)
    page = watched.page
    page.locator(f"[data-lang={lang}]").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 27)"
    assert page.evaluate("getComputedStyle(document.querySelector('svg .axis')).fill") == "rgb(228, 233, 236)"
    assert watched.said == []
    page.context.close()


def test_prints_without_its_buttons(watched: Watched) -> None:
    page = watched.page
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible() and not page.locator("#identity .play").is_visible()
    assert page.locator("#identity .frame:not([hidden]) svg").first.is_visible()
    page.emulate_media(media="screen")


def test_code_can_be_copied(watched: Watched) -> None:
    button = watched.page.locator("#five [data-copy]").first
    button.click()
    said = "['Copied', 'Selected'].includes(document.querySelector('#five [data-copy] span').textContent)"
    until(watched.page, said)
    assert watched.said == []
