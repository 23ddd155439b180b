"""A fit on standard error, as it goes: live in a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..fitting.events import Event, Finished
from .display import Plain
from .live import Live
from .streams import console, is_notebook, is_terminal

if TYPE_CHECKING:
    from ..runs.store import RunStore


def follow(lines: Sequence[str], events: Iterable[Event], show: bool | None = None) -> RunStore:
    """Carry out the events of a fit while saying on standard error how it goes; returns the finished run.

    Arguments:
        lines: what to say first.
        show: True or False; by default where standard error is a terminal, and in a notebook.
    """
    run = None
    with _shown(show, lines) as take:
        for event in events:
            take(event)
            run = event.run if isinstance(event, Finished) else run
    assert run is not None, "a fit ends with Finished"
    return run


def shows(show: bool | None) -> bool:
    """Whether a fit is shown: as asked, or where standard error is a terminal, and in a notebook."""
    return is_terminal() or is_notebook() if show is None else show


@contextmanager
def _shown(show: bool | None, lines: Sequence[str]) -> Iterator[Callable[[Event], None]]:
    """What takes the events, after `lines`."""
    if not shows(show):
        yield lambda event: None
        return
    display = Live(console()) if is_terminal() else Plain()
    try:
        display.say(lines)
        yield display.take
    finally:
        display.close()
