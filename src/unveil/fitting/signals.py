"""Ctrl-C and SIGTERM as requests that are met between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from ..errors import Interrupted
from ..legible import quoted


class StopRequests:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.waiting: Path | None = None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is not None:  # asked twice: at once
            raise Interrupted(
                "Stopped at once; what the last checkpoint holds is safe.", "Go on with: unveil resume RUN", signum
            )
        self.signum = signum
        if self.waiting is not None:
            raise self.told(self.waiting)

    @contextlib.contextmanager
    def at_once(self, path: Path) -> Iterator[None]:
        """Meet requests without waiting for a step, in work of the run `path` that is simply done again."""
        if self.signum is not None:
            raise self.told(path)
        self.waiting = path
        try:
            yield
        finally:
            self.waiting = None

    def told(self, path: Path) -> Interrupted:
        assert self.signum is not None
        name, more = signal.Signals(self.signum).name, f"Go on with: unveil resume {quoted(path)}"
        return Interrupted(f"Stopped by {name}; the checkpoint is saved.", more, self.signum)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Turn Ctrl-C and SIGTERM into a request that is met after the current step (main thread only)."""
    requests = StopRequests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    kept = {s: signal.signal(s, requests) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for s, handler in kept.items():
            signal.signal(s, handler)
