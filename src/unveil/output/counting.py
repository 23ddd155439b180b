"""What a person sees on standard error while something is counted: a bar, or the name of what is being done.

Where standard error is no terminal there are lines without control characters: one for each name, and for what takes
long.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn

from .streams import console, is_terminal, say

SECONDS = 10.0  # between two lines about one thing, where there is no terminal


@contextmanager
def counting(what: str, show: bool = True) -> Iterator[Callable[[int, int], None] | None]:
    """A bar for work that is counted, or a line every ten seconds: gives a function of (done, total), or None."""
    if not show:
        yield None
        return
    if not is_terminal():
        lines = Lines(quiet=True)
        yield lambda done, total: lines.tell(what, done, total)
        return
    bar = Progress(
        TextColumn(f"{what} {{task.completed:,}}/{{task.total:,}}"), BarColumn(), console=console(), transient=True
    )
    task = bar.add_task(what, total=1)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def naming(show: bool = True) -> Iterator[Callable[..., None]]:
    """A line that names what is being done: gives a function of (name), or of (name, done, total)."""
    if not show:
        yield lambda *told: None
        return
    if not is_terminal():
        yield Lines().tell
        return
    with console().status("") as status:

        def tell(name: str, done: int | None = None, total: int | None = None) -> None:
            status.update(words(name, done, total))

        yield tell


def words(name: str, done: int | None, total: int | None) -> str:
    return name if done is None else f"{name} {done:,}/{total:,}"


class Lines:
    """A line for each new name, and one every ten seconds for what goes on under the same name.

    Arguments: quiet, the first ten seconds go without a line, too.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._name, self._last = None if not quiet else "", time.monotonic()
        self._quiet = quiet

    def tell(self, name: str, done: int | None = None, total: int | None = None) -> None:
        now = time.monotonic()
        is_new = not self._quiet and name != self._name
        if is_new or now - self._last >= SECONDS:
            say([f"{words(name, done, total)} ..."])
            self._last = now
        self._name = name
