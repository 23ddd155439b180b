"""The language of a terminal: set where a command starts, read where a line is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .tongue import ENGLISH, Tongue

_tongue: ContextVar[Tongue] = ContextVar("tongue", default=ENGLISH)


@contextmanager
def speaking(tongue: Tongue) -> Iterator[None]:
    """Lines that are written inside the block are said in a language."""
    token = _tongue.set(tongue)
    try:
        yield
    finally:
        _tongue.reset(token)


def spoken() -> Tongue:
    """The language that is spoken now."""
    return _tongue.get()
