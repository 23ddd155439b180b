"""The two ways to fail: the request was wrong (exit 2), or the work failed (exit 1)."""

from __future__ import annotations

import difflib
import errno
import warnings
from collections.abc import Iterable
from pathlib import Path

NEAR = 0.66  # likeness of two names from which one may be meant by the other
ROOM, PLACE = "Make room on the disk.", "Choose a place that can be written in, or change its permissions."
FILES = "Too many files are open: raise the limit, such as with ulimit -n 4096."
REMEDIES = {  # by what the system says when something cannot be written
    errno.ENOSPC: ROOM, errno.EDQUOT: ROOM, errno.EFBIG: ROOM, errno.EROFS: PLACE, errno.EACCES: PLACE,
    errno.EPERM: PLACE, errno.EIO: "The disk may be faulty.", errno.EMFILE: FILES, errno.ENFILE: FILES,
}  # fmt: skip


class RequestError(ValueError):
    """The request was wrong: one sentence with what came, what is allowed and what to do (exit status 2)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.message, self.hint = message, hint


class WorkError(RuntimeError):
    """The request was fine and the work failed: a non-finite loss, a full disk (exit status 1)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.message, self.hint = message, hint


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A sentence that offers the nearest allowed name, or all of them when none is near."""
    allowed = sorted(allowed)
    return close(name, allowed) or (f"Allowed: {', '.join(allowed)}." if allowed else "Nothing is allowed here.")


def close(name: str, allowed: Iterable[str]) -> str:
    """ "Did you mean …?" with the nearest allowed name, or "" where none is near.

    A dotted key is near also where its last part is.
    """
    parts = {
        key: other for other in sorted(allowed, reverse=True) for key in (other, other.rpartition(".")[2].strip("-"))
    }
    found = difflib.get_close_matches(str(name).strip("-"), parts, n=1, cutoff=NEAR)
    return f"Did you mean {parts[found[0]]!r}?" if found else ""


class Fact(str):
    """A note that only states what was found. Other notes tell what was decided, and are warnings in Python."""

    __slots__ = ()


def decisions(notes: Iterable[str]) -> tuple[str, ...]:
    """The notes that tell what was decided about somebody's data."""
    return tuple(note for note in notes if not isinstance(note, Fact))


def remark(notes: Iterable[str], up: int = 3) -> None:
    """Sentences for whoever called, as warnings.

    Arguments: up, the number of calls between here and the user's own code.
    """
    for note in notes:
        warnings.warn(note, stacklevel=up + 1)


def positive(value: int, name: str = "num_samples") -> int:
    """The value itself, refused below 1."""
    at_least(1, name, value)
    return value


def at_least(least: int, name: str, value: int, most: int | None = None) -> None:
    """Refuse a whole number below `least`, or above `most`; `name` says what it is."""
    if value < least or (most is not None and value > most):
        ends = f"from {least} upwards" if most is None else f"from {least} to {most:,}"
        raise RequestError(f"{name} is {value}; it takes a whole number {ends}.")


class Unwritten(WorkError):
    """A file could not be written: a full disk, a folder that is read-only, a limit."""

    @classmethod
    def of(cls, path: Path, error: OSError) -> Unwritten:
        """What the system said of a path, and what helps."""
        return cls(f"{path} could not be written: {error.strerror or error}.", REMEDIES.get(error.errno or 0, ""))


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch and the libraries below it say so in words."""
    told = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "can't start new thread")
    if isinstance(error, RuntimeError):
        return any(words in str(error).lower() for words in told)
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


class Interrupted(WorkError):
    """Stopped by a signal, after the checkpoint was saved (exit status 128 + signal)."""

    def __init__(self, message: str, hint: str, signum: int) -> None:
        super().__init__(message, hint)
        self.signum = signum
