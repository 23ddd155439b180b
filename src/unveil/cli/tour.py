"""The verb tour."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

from .app import option, switch, verb
from .shared import answer


@verb("unveil tour --lang zh --open")
def tour(
    out: Annotated[Path | None, option("FILE.html", "Output file; default tour.html.", "-o", "--out")] = None,
    lang: Annotated[str, option("CODE", "Language shown first: en or zh.", show_default=True)] = "en",
    open: Annotated[bool, switch("--open", "Open it in the browser.")] = False,
) -> None:
    """Make a page that explains the formulas. It is computed in about a minute and opens without a network."""
    from ..output.counting import naming
    from ..tour import check_tour, write_tour

    path = check_tour(out or Path("tour.html"), lang)
    with naming() as progress:
        write_tour(path, "zh" if lang == "zh" else "en", progress=progress)
    if open:
        webbrowser.open(path.resolve().as_uri())
    answer(str(path))
