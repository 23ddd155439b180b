"""A fit on standard error, as it goes: live in a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..fitting.events import Event, Finished
from .display import Display, Plain, Silent
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
    run, display = None, _display(show)
    try:
        display.say(lines)
        for event in events:
            display.take(event)
            run = event.run if isinstance(event, Finished) else run
    finally:
        display.close()
    assert run is not None, "a fit ends with Finished"
    return run


def _display(show: bool | None) -> Display:
    if show is False or (show is None and not (is_terminal() or is_notebook())):
        return Silent()
    return Live(console()) if is_terminal() else Plain()
