"""Makes the page: every chapter is computed, and the file is written whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import RequestError
from ..files import check_output
from ..ops import keyed
from ..plainfiles import at_home, write_output
from .chapters import ORDER
from .page import rendered
from .words import Lang

MARK = b'<meta name="generator" content="unveil tour">'
HEAD = 4000  # bytes in which the mark stands


def check_tour(path: Path | str, lang: str = "en") -> Path:
    """Refuse, before any work, a language that there is not, and a file that cannot be written or is no tour."""
    if lang not in ("en", "zh"):
        raise RequestError(f"--lang came as {lang!r}; it takes en or zh.")
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
    progress: Callable[[str], None] | None = None,
    share: float = 1.0,
    only: Sequence[str] = (),
) -> Path:
    """Write the tour and return its path.

    Arguments:
        path: of the file; an earlier tour there is replaced, any other file is refused.
        lang: the language that is shown first, "en" or "zh"; the page holds both.
        progress: is told the title of each chapter before it is computed.
        share: of the usual effort that each chapter makes, for tests.
        only: the anchors of some chapters; by default all.
    """
    from .. import __version__

    path, started = check_tour(path, lang), time.perf_counter()
    chapters = []
    for name, chapter in ORDER.items():
        if only and name not in only:
            continue
        if progress is not None:
            progress(name)
        with keyed("tour", name):
            chapters.append(chapter(share))
    made = {"version": __version__, "seconds": f"{time.perf_counter() - started:.0f}"}
    write_output(path, rendered(chapters, lang, made).encode())
    return path
