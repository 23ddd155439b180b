"""The page in a browser without a network: no request, no error, no dialog, every plot drawn, names harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from report.conftest import HOSTILE
from unveil.report.rounding import fixed
from unveil.runs.store import RunStore
from watched import Watched, opened, until

Pages = Callable[[RunStore], Watched]


@pytest.fixture(scope="module")
def shown(browser: Browser) -> Iterator[Pages]:
    """The page of a run, opened once for all tests that leave it as it was."""
    pages: dict[Path, Watched] = {}

    def page_of(run: RunStore) -> Watched:
        if run.path not in pages:
            pages[run.path] = opened(browser, run)
        return pages[run.path]

    yield page_of
    for watched in pages.values():
        watched.page.context.close()


@pytest.mark.parametrize("which", ["images", "vectors", "mixture"])
def test_opens_in_silence_with_every_plot_drawn(which: str, shown: Pages, request: pytest.FixtureRequest) -> None:
    watched = shown(request.getfixturevalue(which))
    page = watched.page
    figures = page.locator("[data-figure]")
    assert figures.count() >= 4
    assert page.locator("[data-figure] canvas").count() == 0  # SVG alone, no WebGL
    broken = page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
    assert broken == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100
    assert watched.said == []


def test_names_are_shown_as_they_are_and_do_nothing(shown: Pages, images: RunStore) -> None:
    watched = shown(images)
    page = watched.page
    legend = page.locator("#ex-legend li").all_text_contents()
    assert set(HOSTILE) <= set(legend)
    assert page.locator("#ex-legend b").count() == 0
    assert page.evaluate("document.querySelectorAll('img[src=\"x\"]').length") == 0
    assert watched.said == []


def test_plots_follow_a_change_to_dark_colours(shown: Pages, vectors: RunStore) -> None:
    watched = shown(vectors)
    colour = "getComputedStyle(document.querySelector('#plot-bound .xtick text')).fill"
    light = watched.page.evaluate(colour)
    watched.page.emulate_media(color_scheme="dark")
    until(watched.page, f"{colour} !== '{light}'")
    assert watched.page.evaluate(colour) == "rgb(228, 233, 236)"
    watched.page.emulate_media(color_scheme="light")
    until(watched.page, f"{colour} === '{light}'")
    assert watched.said == []


@pytest.mark.parametrize("which", ["images", "vectors"])
def test_fits_a_phone(which: str, browser: Browser, request: pytest.FixtureRequest) -> None:
    watched = opened(browser, request.getfixturevalue(which), width=380, dark=True)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 380
    assert watched.said == []
    watched.page.context.close()


def test_the_command_can_be_copied(shown: Pages, mixture: RunStore) -> None:
    watched = shown(mixture)
    watched.page.get_by_role("button", name="Copy").first.click()
    until(watched.page, "['Copied', 'Selected'].includes(document.querySelector('[data-copy]').textContent)")
    assert watched.page.locator("#command").inner_text().startswith("unveil fit ")
    assert watched.said == []


def test_scripts_that_are_not_the_pages_own_are_blocked(shown: Pages, mixture: RunStore) -> None:
    watched = shown(mixture)
    watched.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"alert(1)\">')")
    watched.page.wait_for_timeout(200)
    watched.page.evaluate("document.body.lastElementChild.remove()")
    said, watched.said[:] = list(watched.said), []
    assert not [line for line in said if line.startswith("dialog")]
    assert [line for line in said if "Content Security Policy" in line]


def test_a_click_on_a_picture_enlarges_it_and_another_puts_it_back(shown: Pages, images: RunStore) -> None:
    watched = shown(images)
    page = watched.page
    first = page.locator("#extremes .row img").first
    before = first.bounding_box()
    first.click()
    assert page.evaluate("document.getElementById('zoom').open")
    large = page.locator("#zoom img").bounding_box()
    assert before is not None and large is not None and large["width"] > 2 * before["width"]
    assert page.locator("#zoom p").inner_text() == page.locator("#extremes .row figcaption").first.inner_text()
    page.locator("#zoom").click()
    assert not page.evaluate("document.getElementById('zoom').open") and watched.said == []


def test_names_of_sections_lead_to_them(shown: Pages, images: RunStore) -> None:
    page = shown(images).page
    links = page.evaluate("[...document.querySelectorAll('.contents a, h2 a')].map(a => a.hash.slice(1))")
    names = page.evaluate("[...document.querySelectorAll('section')].map(s => s.id)")
    assert sorted(links) == sorted(names + names) and len(names) > 5


@pytest.mark.parametrize("width", [1100, 390])
def test_a_large_number_stays_in_its_box(browser: Browser, width: int, images: RunStore, tmp_path: Path) -> None:
    html = images.report_path.read_text(encoding="utf-8")
    own, wide = fixed(images.result["log_px"]), "−66,021.61"
    html = html.replace(f'--len:{len(own)}">{own}', f'--len:{len(wide)}">{wide}')
    html = html.replace(f"<dd>{fixed(images.result['elbo'])}</dd>", f"<dd>{wide}</dd>")
    (tmp_path / "wide.html").write_text(html, encoding="utf-8")
    page = browser.new_context(offline=True, viewport={"width": width, "height": 800}).new_page()
    page.goto((tmp_path / "wide.html").as_uri())
    assert page.locator(".headline strong").inner_text() == wide
    inside = """[...document.querySelectorAll('.strip dd, .headline strong')].every(e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        const [text, box] = [range.getBoundingClientRect(), e.parentElement.getBoundingClientRect()];
        return text.left >= box.left && text.right <= box.right - 8;
    })"""
    assert page.evaluate(inside)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
