"""What a person sees on standard error while something is counted: a bar, or the name of what is being done.

Where standard error is no terminal there are lines without control characters: one for each name, and one now and then.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..languages import spoken
from .streams import console, is_terminal, say

EVERY = 15.0  # seconds between two lines about one thing, where there is no terminal


@contextmanager
def counting(what: str, show: bool = True) -> Iterator[Callable[[int, int], None] | None]:
    """A bar and a clock for work that is counted, or where there is no terminal a line now and then.

    Gives a function of (done, total), or None where nothing is to be shown.
    """
    if not show:
        yield None
    elif not is_terminal():
        what = spoken()(what)
        with _lines() as tell:
            tell(what)
            yield lambda done, total: tell(_named(what, done, total))
    else:
        what = spoken()(what)
        text = TextColumn(f"{what} {{task.completed:,}}/{{task.total:,}}")
        bar = Progress(text, BarColumn(), TimeElapsedColumn(), console=console(), transient=True)
        task = bar.add_task(what, total=1)
        with bar:
            yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def naming(show: bool = True) -> Iterator[Callable[..., None]]:
    """A line that names what is being done: gives a function of (name), or of (name, done, total)."""
    if not show:
        yield lambda *told: None
    elif not is_terminal():
        with _lines() as tell:
            named = [""]

            def told(name: str, *counts: int) -> None:
                name = spoken()(name)
                tell(_named(name, *counts))
                if name != named[0]:
                    say([f"{name} ..."])
                named[0] = name

            yield told
    else:
        with console().status("") as status:
            tongue = spoken()
            yield lambda name, *counts: status.update(_named(tongue(name), *counts))


def _named(name: str, done: int | None = None, total: int | None = None) -> str:
    return name if done is None else f"{name} {done:,}/{total:,}"


@contextmanager
def _lines() -> Iterator[Callable[[str], None]]:
    """Every 15 seconds a line with what was told last, and for how long the work has gone on; also when none came."""
    last, started, ended = [""], time.monotonic(), threading.Event()

    def speak() -> None:
        while not ended.wait(EVERY):
            say([f"{last[0]}, {time.monotonic() - started:.0f} s".removeprefix(", ")])  # translated by who told it

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield lambda text: last.__setitem__(0, text)
    finally:
        ended.set()
        speaker.join()
