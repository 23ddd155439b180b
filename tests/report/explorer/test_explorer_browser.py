"""The explorer in a browser: dragged, slid, clicked, drawn on and moved with keys, without a request or an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser

from report.conftest import HOSTILE, fitted
from unveil.report.explorer import functions, scene
from unveil.report.page import page as page_of
from unveil.report.subject import Subject
from unveil.runs.store import RunStore
from watched import Watched, opened


class Explored:
    """The explorer of a page, and what a person does with it."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.page = watched, watched.page
        self.until("(d) => d.ready === 'yes' && Number(d.decoded || 0) > 0")

    def told(self) -> dict[str, str]:
        found: dict[str, str] = self.page.evaluate("({...document.getElementById('explorer-root').dataset})")
        return found

    def until(self, holds: str) -> None:
        for _ in range(100):
            if self.page.evaluate(f"() => ({holds})(document.getElementById('explorer-root').dataset)"):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never came true: {holds}")

    def after(self, act: Any) -> None:
        """Do something, and wait until a place was decoded after it."""
        before = int(self.told()["decoded"])
        act()
        self.until(f"(d) => Number(d.decoded) > {before}")

    def canvas(self, selector: str) -> np.ndarray:
        """The pixels [H, W, 4] of a canvas."""
        read = """selector => {
            const canvas = document.querySelector(selector), { width, height } = canvas;
            const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            return [width, height, [...copy.getImageData(0, 0, width, height).data]];
        }"""
        width, height, data = self.page.evaluate(read, selector)
        return np.array(data, np.uint8).reshape(height, width, 4)

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 12) -> None:
        """From one place of the map to another, in shares of its side."""
        self.page.locator("#ex-map").scroll_into_view_if_needed()
        box = self.page.locator("#ex-map").bounding_box()
        assert box is not None
        x, y, side = box["x"], box["y"], box["width"]
        self.page.mouse.move(x + start[0] * side, y + start[1] * side)
        self.page.mouse.down()
        self.page.mouse.move(x + end[0] * side, y + end[1] * side, steps=steps)
        self.page.mouse.up()


@pytest.fixture(scope="module")
def digits(browser: Browser, images: RunStore) -> Iterator[Explored]:
    watched = opened(browser, images)
    yield Explored(watched)
    watched.page.context.close()


def pick_nearest(explored: Explored) -> None:
    """Pick the example nearest to the cross, with the keyboard."""
    explored.page.locator("#ex-map").focus()
    explored.after(lambda: explored.page.keyboard.press("Enter"))


def test_a_dragged_place_is_decoded_as_it_moves(digits: Explored) -> None:
    before = int(digits.told()["decoded"])
    first = digits.canvas("#ex-x canvas")
    digits.drag((0.3, 0.3), (0.8, 0.75))
    digits.until(f"(d) => Number(d.decoded) > {before + 3}")  # several frames, not only the last
    assert not np.array_equal(first, digits.canvas("#ex-x canvas"))
    assert digits.watched.said == []


def test_the_picture_is_what_the_model_decodes(digits: Explored, images: RunStore) -> None:
    """A picked example stands at its posterior mean, whose E[x|z] the page shows."""
    pick_nearest(digits)
    name = digits.page.locator("#ex-picked p").first.inner_text()
    row = int(name.removeprefix("row ").split()[0].replace(",", ""))
    found = next(s for s in (images.data.test, images.data.valid) if row in s.rows.tolist())
    place = found.rows.tolist().index(row)
    with torch.no_grad():
        mean = images.model.posterior(found.expected(torch.tensor([place]))).mean
        assert mean is not None
        x = images.model.decode(mean).mean[0].numpy()
    shades = np.clip(np.round(255 * x / (images.domain.levels - 1)), 0, 255)
    for selector in ("#ex-x canvas", "#ex-picked canvas"):
        assert np.abs(digits.canvas(selector)[..., 0].astype(float) - shades).max() <= 2  # 0.01 of the range is 2.55
    assert "nats" in digits.page.locator(".ex-score").inner_text()
    assert digits.page.locator(".ex-near button").count() == 6 and digits.watched.said == []


def test_a_click_on_a_dot_picks_the_example(digits: Explored) -> None:
    digits.page.locator("#ex-centre").click()
    pick_nearest(digits)
    other = digits.page.locator(".ex-near button").first
    name = other.get_attribute("aria-label")
    digits.after(other.click)
    assert name is not None and digits.page.locator("#ex-picked p").first.inner_text() == name


def test_a_latent_is_moved_by_its_slider(digits: Explored) -> None:
    slider = digits.page.locator(".ex-sliders input").first
    before = digits.canvas("#ex-x canvas")
    slider.focus()
    digits.after(lambda: [digits.page.keyboard.press("ArrowRight") for _ in range(30)])
    assert not np.array_equal(before, digits.canvas("#ex-x canvas"))
    shown = digits.page.locator(".ex-sliders output").first.inner_text().replace("−", "-")
    assert float(shown) == pytest.approx(float(slider.input_value()), abs=0.01)


def test_keys_move_the_cross_and_say_where_it_is(digits: Explored) -> None:
    digits.page.locator("#ex-map").focus()
    said = []
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowLeft", "ArrowDown"):
        digits.after(lambda key=key: digits.page.keyboard.press(key))
        said.append(digits.page.locator("#ex-said").inner_text())
    assert len(set(said)) == 4 and all(text.startswith("z moved to") for text in said)


def test_a_line_joins_two_places(digits: Explored) -> None:
    digits.drag((0.3, 0.3), (0.35, 0.35))
    digits.page.locator("#ex-start").click()
    digits.drag((0.7, 0.7), (0.75, 0.65))
    digits.page.locator("#ex-end").click()
    digits.page.wait_for_timeout(300)
    frames = [digits.canvas(f"#ex-strip canvas:nth-child({i})") for i in (1, 5, 9)]
    assert not np.array_equal(frames[0], frames[2]) and not np.array_equal(frames[0], frames[1])
    digits.page.locator("#ex-t").focus()
    digits.after(lambda: digits.page.keyboard.press("Home"))
    assert np.array_equal(digits.canvas("#ex-x canvas"), frames[0])
    digits.after(lambda: digits.page.keyboard.press("End"))
    assert np.array_equal(digits.canvas("#ex-x canvas"), frames[2])


def test_other_axes_keep_the_place(digits: Explored) -> None:
    pick_nearest(digits)
    before = digits.canvas("#ex-x canvas")
    digits.page.locator("#ex-axes").select_option(index=1)
    assert "z_" in digits.page.locator("#ex-axis-names").inner_text()
    assert np.array_equal(before, digits.canvas("#ex-x canvas"))
    digits.page.locator("#ex-axes").select_option(index=0)
    assert digits.watched.said == []


def test_a_drawing_is_encoded_decoded_and_judged(digits: Explored, images: RunStore) -> None:
    pad = digits.page.locator("#ex-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    digits.page.mouse.move(box["x"] + 60, box["y"] + 60)
    digits.page.mouse.down()
    digits.after(lambda: digits.page.mouse.move(box["x"] + 150, box["y"] + 160, steps=6))
    digits.page.mouse.up()
    first = float(digits.told()["elbo"])
    drawn = np.round(digits.canvas("#ex-pad")[..., 0] / 255 * 16).astype(np.float32)
    made = functions.Functions(images.model, images.domain, scene.space_of(images.model, torch.zeros(3, 5)), 0)
    with torch.no_grad():
        wanted = made.judge(torch.from_numpy(drawn).unsqueeze(0))
    assert first == pytest.approx(float(wanted["elbo"]), abs=0.5) and drawn.max() > 8
    data = digits.page.evaluate("JSON.parse(document.getElementById('explorer-data').textContent).points.elbo")
    share = round(100 * np.mean(np.array(data) < first))
    assert (
        digits.page.locator("#ex-rank").inner_text()
        == f"{share} % of the {len(data)} examples shown have a lower ELBO."
    )
    told = digits.page.locator("#ex-bound").inner_text()
    assert told.startswith("ELBO −") and "nats" in told
    digits.page.locator("#ex-clear").click()
    digits.until(f"(d) => Number(d.elbo) !== {first}")
    assert digits.canvas("#ex-pad")[..., :3].max() == 0
    pad.focus()
    for key in ("ArrowRight", " ", "ArrowDown", " "):
        digits.page.keyboard.press(key)
    assert digits.canvas("#ex-pad")[..., :3].max() > 100
    assert digits.watched.said == []


def test_every_control_has_a_name_and_is_reached_by_tab(digits: Explored) -> None:
    nameless = """[...document.querySelectorAll('#explorer-root :is(button, input, select, canvas[tabindex])')]
        .filter(e => e.offsetParent !== null)
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels.length))).length"""
    assert digits.page.evaluate(nameless) == 0
    assert digits.page.locator("#explorer-root [tabindex='-1']").count() == 0
    silent = "[...document.querySelectorAll('#explorer-root canvas')].filter(e => !e.getAttribute('aria-label')).length"
    assert digits.page.evaluate(silent) == 0


def test_colours_can_be_told_from_their_ground(digits: Explored) -> None:
    """WCAG AA: 4.5 to 1 for text, light and dark."""
    contrast = """() => {
        const light = colour => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const paper = light(getComputedStyle(document.body).backgroundColor);
        const text = ":is(p, li, span, button, summary, h3, figcaption, output, select)";
        return [...document.querySelectorAll("#explorer-root " + text)]
            .filter(e => e.offsetParent !== null && e.textContent.trim())
            .map(e => light(getComputedStyle(e).color))
            .map(ink => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
    }"""
    for scheme in ("light", "dark"):
        digits.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        digits.page.wait_for_timeout(200)
        assert min(digits.page.evaluate(contrast)) >= 4.5
    digits.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_fits_every_width(browser: Browser, images: RunStore, width: int) -> None:
    explored = Explored(opened(browser, images, width=width))
    pick_nearest(explored)
    assert explored.page.evaluate("document.documentElement.scrollWidth") <= width
    explored.drag((0.4, 0.4), (0.6, 0.6))
    assert explored.watched.said == []
    explored.page.context.close()


@pytest.fixture(scope="module")
def table(home: Path) -> RunStore:
    """A VAE of a table with holes, whose names attack the page."""
    rng = np.random.default_rng(0)
    lines = [f'"{HOSTILE[0]}",a,when,"{HOSTILE[1].replace(chr(34), chr(34) * 2)}"']
    for i in range(150):
        city = ["Rome", "<b>Oslo</b>", "Lima"][i % 3]
        number = "" if i % 7 == 0 else f"{rng.normal(i % 3, 0.2):.2f}"
        lines.append(f"{city},{number},2020-0{1 + i % 9}-1{i % 10},{rng.integers(90)}")
    (home / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    return fitted(str(home / "table.csv"), home / "table", model="vae", model__latent=3, train__steps=20)


def test_a_row_of_a_table_shows_its_columns_and_its_unlikely_cells(browser: Browser, table: RunStore) -> None:
    explored = Explored(opened(browser, table))
    page = explored.page
    heads = page.locator("#ex-x td:first-child").all_inner_texts()
    assert len(heads) == 4 and heads[1:3] == ["a", "when"] and "onerror" in heads[0]
    pick_nearest(explored)
    cells = page.locator("#ex-picked td:nth-child(2)").all_inner_texts()
    assert cells[0] in ("Rome", "<b>Oslo</b>", "Lima") and cells[2].startswith("2020-0")
    assert "Least likely cells" in page.locator(".ex-odd").inner_text()
    page.locator("#ex-map").scroll_into_view_if_needed()
    box = page.locator("#ex-map").bounding_box()
    assert box is not None
    for share in np.linspace(0.2, 0.8, 25):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        if not page.locator("#ex-card").is_hidden():
            break
    assert "a: " in page.locator("#ex-card .label").inner_text()
    assert page.locator("#explorer-root b, #explorer-root img").count() == 0
    assert explored.watched.said == []
    page.context.close()


def test_a_decoder_that_is_too_large_leaves_tiles_and_says_how_to_go_on(
    browser: Browser, images: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scene, "programs_of", lambda found: functions.programs_of(found, most_bytes=1000))
    (tmp_path / "report.html").write_text(page_of(images), encoding="utf-8")
    explored = Explored(opened(browser, tmp_path / "report.html"))
    told = explored.page.locator(".ex-why").inner_text()
    assert f"unveil explore {images.path}" in told and "121 places" in told
    assert explored.page.locator("#ex-axes").is_hidden()  # tiles are of the first map alone
    first = explored.page.locator("#ex-x .thumbnail").evaluate("e => e.style.backgroundPosition")
    explored.drag((0.2, 0.2), (0.8, 0.8))
    explored.page.wait_for_timeout(200)
    assert first != explored.page.locator("#ex-x .thumbnail").evaluate("e => e.style.backgroundPosition")
    assert explored.page.locator("#ex-draw").is_hidden() and explored.watched.said == []
    explored.page.context.close()


@pytest.fixture(scope="module")
def labelled(home: Path, digits_file: str) -> RunStore:
    """A VAE that is given the labels, of digits."""
    with np.load(digits_file) as file:
        np.savez(home / "labelled.npz", x=file["x"], y=np.arange(len(file["x"])) % 3)
    options = {"latent": 3, "train__steps": 40, "condition": "label"}
    return fitted(str(home / "labelled.npz"), home / "labelled", **options)


def test_each_label_has_a_decoder_of_its_own(browser: Browser, labelled: RunStore) -> None:
    explored = Explored(opened(browser, labelled))
    pick_nearest(explored)
    options = explored.page.locator("#ex-label option").count()
    seen = []
    for code in range(options):
        explored.after(lambda code=code: explored.page.locator("#ex-label").select_option(index=code))
        seen.append(explored.canvas("#ex-x canvas")[..., 0].astype(float))
    name = explored.page.locator("#ex-picked p").first.inner_text()
    row = int(name.removeprefix("row ").split()[0].replace(",", ""))
    found = next(s for s in (labelled.data.test, labelled.data.valid) if row in s.rows.tolist())
    batch = found.expected(torch.tensor([found.rows.tolist().index(row)]))
    with torch.no_grad():
        mean = labelled.model.posterior(batch).mean
        assert mean is not None
        for code in range(options):
            x = labelled.model.decode(mean, torch.tensor([code])).mean[0].numpy()
            shades = np.clip(np.round(255 * x / (labelled.domain.levels - 1)), 0, 255)
            assert np.abs(seen[code] - shades).max() <= 2
    assert not np.array_equal(seen[0], seen[1]) and explored.watched.said == []
    explored.page.context.close()


def test_scores_beside_labels_are_all_of_x_alone(labelled: RunStore) -> None:
    known = scene.scores(Subject.of(labelled))
    for split, name in (("test", "test_without_labels"), ("valid", "valid")):
        rows = labelled.judged(split).rows.tolist()  # type: ignore[arg-type]
        np.testing.assert_allclose([known[row] for row in rows], labelled.scores(name), rtol=1e-5)
    assert not np.allclose(labelled.scores("test"), labelled.scores("test_without_labels"))
    found = scene.scene_of(Subject.of(labelled))
    assert found is not None and found.data["said"]["quantity"] == "log p(x)"


def test_the_prior_is_drawn_with_the_shares_that_are_said(digits: Explored) -> None:
    """Of draws from p(z), half lie within the inner line: counted by the pixels between dots and lines."""
    held = digits.page.evaluate(
        """() => {
            const data = JSON.parse(document.getElementById("explorer-data").textContent);
            const all = programs.fromHalf(data.prior), k = data.size;
            return Array.from({ length: all.length / k }, (_, i) => Math.hypot(...all.subarray(i * k, (i + 1) * k)));
        }"""
    )
    assert len(held) == 3000 and np.mean(held) == pytest.approx(np.sqrt(5), abs=0.2)  # N(0, I) in five dimensions


def test_many_latents_and_codes_and_nothing(ladder: RunStore, mixture: RunStore, browser: Browser) -> None:
    explored = Explored(opened(browser, ladder))
    assert "direction 1" in explored.page.locator(".ex-slide span").first.inner_text()
    explored.drag((0.3, 0.3), (0.7, 0.6))
    assert explored.watched.said == []
    explored.page.context.close()
    assert "explorer-data" not in (mixture.path / "report.html").read_text(encoding="utf-8").split("<script>")[0]
