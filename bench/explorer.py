"""How long a browser takes for one decoded place of the explorer, and how near it comes to the model.

    python bench/explorer.py            a decoder 20-500-500-784, and the default convolutions on 28×28
    python bench/explorer.py RUN        the model of a run, too, dragged in its report: unveil report RUN comes first

It needs a Chromium or Chrome. A frame is what passes between a new place and its picture being painted.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any

import torch
from playwright.sync_api import Browser, Page, sync_playwright

import unveil.report.explorer
from unveil.domain import Domain
from unveil.model import Model
from unveil.models.vae import VAE
from unveil.ops import keyed
from unveil.report.explorer.functions import Functions, programs_of
from unveil.report.explorer.space import space_of

SCRIPT = Path(unveil.report.explorer.__file__).parent / "program.js"
FRAMES = 200
TIMED = """([program, places]) => {
    const { decode } = programs.all(program), times = [];
    let shown = null;
    for (const place of places) {
        const started = performance.now();
        shown = decode(Float32Array.from(place)).x;
        times.push(performance.now() - started);
    }
    return [times, [...shown]];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="a finished run with a report")
    asked = parser.parse_args()
    path = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if path is None:
        parser.error("no Chromium or Chrome was found; install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True).new_page()
        page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
        x = Domain("binary", (28, 28))
        for name, options in (
            ("20-500-500-784", {"network": "plain", "width": 500, "depth": 2, "latent": 20}),
            ("convolutions on patches, 32 latents", {"network": "patch"}),
        ):
            with keyed("bench", "explorer"):
                model = VAE.build(x, **options).eval()  # type: ignore[arg-type]
            tell(name, decoded(page, model, x))
        if asked.run is not None:
            tell(f"{asked.run.name}, dragged in its report", dragged(browser, asked.run))
        browser.close()


def decoded(page: Page, model: Model, x: Domain) -> dict[str, Any]:
    """Times of frames in ms, and the largest difference of E[x|z] from the model's."""
    with torch.no_grad(), keyed("bench", "places"):
        places = model.draw_prior(FRAMES)[0]
    functions = Functions(model, x, space_of(model, places), 0)
    programs = programs_of(functions)
    program = {**programs.constants.to_json(), "each": {"decode": programs.each["decode"].to_json()}}
    times, shown = page.evaluate(TIMED, [program, places.tolist()])
    with torch.no_grad():
        wanted = functions.decode(places[-1:])["x"]
    return {"times": times[20:], "difference": float((torch.tensor(shown) - wanted).abs().max())}


def dragged(browser: Browser, run: Path) -> dict[str, Any]:
    """Times of frames while the cross is dragged across the map."""
    page = browser.new_context(offline=True, viewport={"width": 1100, "height": 900}).new_page()
    page.goto((run / "report.html").resolve().as_uri())
    page.locator("#ex-map").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = page.locator("#ex-map").bounding_box()
    assert box is not None
    times = []
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    for step in range(FRAMES):
        share = 0.2 + 0.6 * (step % 50) / 50
        page.mouse.move(box["x"] + share * box["width"], box["y"] + (0.3 + step / 500) * box["height"])
        times.append(float(page.evaluate("document.getElementById('explorer-root').dataset.milliseconds")))
    page.mouse.up()
    return {"times": times[20:], "bytes": (run / "report.html").stat().st_size}


def tell(name: str, found: dict[str, Any]) -> None:
    times = sorted(found.pop("times"))
    told = {"median_ms": round(median(times), 2), "p95_ms": round(times[int(0.95 * len(times))], 2), **found}
    print(f"{name}: {json.dumps(told)}")


if __name__ == "__main__":
    main()
