"""Makes the page: every chapter is computed, and the file is written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from ..errors import RequestError
from ..files import check_output
from ..languages import checked
from ..ops import keyed, threads
from ..plainfiles import at_home, write_output
from .chapters import ORDER
from .page import rendered
from .words import Chapter, FalseClaim, Lang

MARK = b'<meta name="generator" content="unveil tour">'
Told = Callable[[str, int, int], None]
HEAD = 4000  # bytes in which the mark stands


def check_tour(path: Path | str, lang: str = "en") -> Path:
    """Refuse, before any work, a language that there is not, and a file that cannot be written or is no tour."""
    checked(lang)
    path = at_home(path)
    if path.suffix.lower() != ".html":
        raise RequestError(f"The output came as {path.name!r}; it must end in .html.")
    path = check_output(path)
    if path.is_file():
        with path.open("rb") as file:
            if MARK not in file.read(HEAD):
                raise RequestError(f"{path} exists and is not a tour; choose another name with -o.")
    return path


def write_tour(
    path: Path | str = "tour.html",
    lang: Lang = "en",
    *,
    progress: Told | None = None,
    share: float = 1.0,
    only: Sequence[str] = (),
) -> Path:
    """Write the tour and return its path.

    Arguments:
        path: of the file; an earlier tour there is replaced, any other file is refused.
        lang: the language that is shown first, "en" or "zh"; the page holds both.
        progress: is told the name of each chapter before it is computed, its place and how many there are.
        share: of the usual effort that each chapter makes, for tests.
        only: the anchors of some chapters; by default all.
    """
    from .. import __version__

    path, started = check_tour(path, lang), perf_counter()
    with threads(1):  # so that the numbers do not hang on the cores of a machine
        html = rendered(computed(progress, share, only), lang, __version__, started)
    write_output(path, html.encode())
    return path


def computed(progress: Told | None = None, share: float = 1.0, only: Sequence[str] = ()) -> list[Chapter]:
    """The chapters with their numbers and figures; the arguments are those of `write_tour`."""
    chosen = {name: chapter for name, chapter in ORDER.items() if not only or name in only}
    found = []
    for i, (name, chapter) in enumerate(chosen.items()):
        if progress is not None:
            progress(f"chapter {name}", i + 1, len(chosen))
        try:
            with keyed("tour", name):
                found.append(chapter(share))
        except FalseClaim as error:
            raise FalseClaim(error.claim, f"The chapter {name!r} of the tour") from None
    return found
