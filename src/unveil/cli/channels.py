"""The standard streams while a command runs: closed, full, without a reader or without Unicode, they break nothing.

- A stream that is closed at the start (`>&-`) is the null device: nobody wanted it, and the exit status is the work's.
- Standard output is the answer. Where its reader has gone (`| head -1`) the command ends in silence with status 141, as
  a shell says of a program that SIGPIPE ended; where it cannot be written (`>/dev/full`), with a sentence and status 1.
  What the command has written into files stays.
- Standard error is for who looks on. What cannot be written there is dropped, and the work and its status go on.
- A character that a stream cannot encode is written in others.
"""

import codecs
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from ..errors import WorkError
from ..legible import in_other_letters

READERLESS = 128 + getattr(signal, "SIGPIPE", 13)  # the exit status where nobody reads standard output any more
LETTERS = "unveil.letters"


class ReaderGone(Exception):
    """Nobody reads standard output any more."""


@contextmanager
def channels() -> Iterator[None]:
    """Standard streams that hold to the rules above; those of a caller come back at the end."""
    open_all()
    codecs.register_error(LETTERS, in_other_letters)
    with redirect_stdout(channel(sys.stdout, 1, refuse)), redirect_stderr(channel(sys.stderr, 2, lambda error: None)):
        try:
            yield
        finally:
            sys.stderr.flush()


def open_all() -> None:
    """Open the null device where a standard descriptor is closed: the next file to be opened would be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free


def refuse(error: OSError) -> None:
    """Raise for what standard output did not take."""
    if isinstance(error, BrokenPipeError):
        raise ReaderGone from error
    raise WorkError(f"Standard output could not be written: {error.strerror or error}.") from error


class Channel(io.RawIOBase):
    """A descriptor that after its first failure takes everything and writes nothing.

    Arguments: under, what writes; failed, what to do at the failure.
    """

    def __init__(self, under: Any, failed: Callable[[OSError], None]) -> None:
        self.under, self.failed = under, failed

    def write(self, data: Any, /) -> int | None:
        try:
            return self.under.write(data)
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.under.fileno())
            os.close(null)
            self.failed(error)
            return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.under.fileno()

    def isatty(self) -> bool:
        return self.under.isatty()


def channel(stream: Any, number: int, failed: Callable[[OSError], None]) -> Any:
    """The stream of a descriptor as a channel; one that a caller has put in its place as it is, in all letters."""
    if stream is None:  # it was closed
        return written(Channel(io.FileIO(number, "w", closefd=False), failed), "utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    if descriptor(stream) != number:
        stream.reconfigure(errors=LETTERS)
        return stream
    under = getattr(stream.buffer, "raw", stream.buffer)
    return written(Channel(under, failed), stream.encoding, stream.line_buffering or stream.write_through)


def written(raw: Channel, encoding: str, by_lines: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, LETTERS, line_buffering=by_lines)


def descriptor(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except OSError:
        return None
