"""What a person sees on standard error while work goes on: a live bar and samples, else plain lines."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.segment import ControlType
from rich.status import Status
from rich.text import Text

from ..fitting.events import Event, Finished, Phase, Progress, Validated
from ..pictures import half_blocks
from .sentences import say, speakable

if TYPE_CHECKING:
    from ..runs.store import RunStore

SECONDS_PER_FRAME = 0.1
SMOOTHING = 0.2  # share of the newest frame in the numbers beside the bar
TALLEST = 16  # lines of a row of samples
WANTED, SMALLEST = 4, 12  # images that should fit beside each other, and the pixels that they must keep for it
LEAST_BAR = 12  # characters


def follow(lines: Sequence[str], events: Iterable[Event], show: bool | None = None) -> RunStore:
    """Say `lines`, then carry out the events of a fit and say on standard error how it goes; returns the finished run.

    Arguments: show, True or False; by default where standard error is a terminal, and in a notebook.
    """
    run = None
    with _opened(_display(show)) as display:
        display.say(lines)
        for event in events:
            display.take(event)
            run = event.run if isinstance(event, Finished) else run
    assert run is not None, "a fit ends with Finished"
    return run


@contextmanager
def counting(what: str, show: bool = True) -> Iterator[Callable[[int, int], None] | None]:
    """A bar for work that is counted: gives a function of (done, total), or None where there is no terminal."""
    if not (show and is_terminal()):
        yield None
        return
    bar = Bar(
        TextColumn(f"{what} {{task.completed:,}}/{{task.total:,}}"), BarColumn(), console=_console(), transient=True
    )
    task = bar.add_task(what, total=1)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def naming(show: bool = True) -> Iterator[Callable[..., None]]:
    """A line that names what is being done: gives a function of (name), or of (name, done, total)."""
    if not (show and is_terminal()):
        yield _unshown
        return
    with _console().status("") as status:

        def tell(name: str, done: int | None = None, total: int | None = None) -> None:
            status.update(name if done is None else f"{name} {done:,}/{total:,}")

        yield tell


def _unshown(name: str, done: int | None = None, total: int | None = None) -> None:
    """Progress where nobody watches."""


def is_terminal() -> bool:
    """Whether standard error is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and not _console().is_dumb_terminal


def is_notebook() -> bool:
    """Whether this runs in a notebook's kernel."""
    return "ipykernel" in sys.modules


def clock(seconds: float) -> str:
    """75 → 1:15, 3700 → 1:01:40."""
    hours, rest = divmod(int(seconds + 0.5), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _console() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=False)


def _display(show: bool | None) -> Display:
    if show is False or (show is None and not (is_terminal() or is_notebook())):
        return Silent()
    return Live(_console()) if is_terminal() else Plain()


@contextmanager
def _opened(display: Display) -> Iterator[Display]:
    try:
        yield display
    finally:
        display.close()


class Display(ABC):
    """Somewhere to show events."""

    def take(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Progress():
                self.progress(event)
            case Validated():
                self.validated(event)
            case Phase():
                self.phase(event)
            case Finished():
                self.close()
                self.say((*event.sentences, "", "Next:", *(f"  {command}" for command in event.commands)))

    @abstractmethod
    def say(self, lines: Sequence[str]) -> None: ...
    @abstractmethod
    def progress(self, event: Progress) -> None: ...
    @abstractmethod
    def validated(self, event: Validated) -> None: ...
    @abstractmethod
    def phase(self, event: Phase) -> None: ...
    @abstractmethod
    def close(self) -> None: ...


class Silent(Display):
    """Shows nothing."""

    def say(self, lines: Sequence[str]) -> None: ...
    def progress(self, event: Progress) -> None: ...
    def validated(self, event: Validated) -> None: ...
    def phase(self, event: Phase) -> None: ...
    def close(self) -> None: ...


class Plain(Display):
    """Lines without control characters: for files, pipes and notebooks."""

    def say(self, lines: Sequence[str]) -> None:
        say(lines)

    def progress(self, event: Progress) -> None: ...

    def validated(self, event: Validated) -> None:
        self.say(
            [
                f"step {event.step:,} of {event.steps:,}: validation bound {event.bound:.2f}, best {event.best:.2f}, "
                f"rate {event.rate:.2f}"
            ]
        )

    def phase(self, event: Phase) -> None:
        self.say([f"{event.name} ..."])

    def close(self) -> None: ...


class Live(Display):
    """A table of validations that grows, the newest samples under it, and a bar at the bottom."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = BarColumn(bar_width=None), TextColumn("{task.description}")
        self.bar = Bar(*columns, console=console, auto_refresh=False, transient=True, expand=True)
        self.task = self.bar.add_task("", total=1)
        self.status: Status | None = None
        self.smooth: np.ndarray | None = None
        self.last_frame, self.block, self.has_header = 0.0, 0, False

    def say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.console.print(
                Text(speakable(line, sys.stderr)), soft_wrap=line.startswith("  ")
            )  # commands stay whole

    def progress(self, event: Progress) -> None:
        now = time.monotonic()
        if now - self.last_frame < SECONDS_PER_FRAME and event.step < event.steps:
            return
        self.last_frame = now
        newest = np.array([event[name] for name in ("bound", "rate", "distortion")])
        self.smooth = newest if self.smooth is None else self.smooth + SMOOTHING * (newest - self.smooth)
        self.bar.start()
        self.bar.update(
            self.task,
            completed=event.step,
            total=event.steps,
            description=beside_bar(event, self.smooth, self.console.width),
        )
        self.bar.refresh()

    def validated(self, event: Validated) -> None:
        self.bar.stop()
        self._erase_samples()
        if not self.has_header:
            self.console.print(Text(f"{'step':>10}{'validation bound':>20}{'best':>12}{'rate':>10}", style="dim"))
            self.has_header = True
        row = Text(f"{event.step:>10,}{event.bound:>20.2f}")
        row.append(f"{event.best:>12.2f}", style="green" if event.bound == event.best else "")
        self.console.print(row.append(f"{event.rate:>10.2f}"))
        if event.samples is not None:
            self._print_samples(event.samples)
        self.bar.start()

    def _print_samples(self, images: np.ndarray) -> None:
        lines = sample_lines(images, self.console)
        for line in lines:
            self.console.print(line, no_wrap=True, overflow="crop", crop=True)
        self.block = len(lines)

    def _erase_samples(self) -> None:
        for _ in range(self.block):
            self.console.control(Control.move(0, -1), Control((ControlType.ERASE_IN_LINE, 2)))
        self.block = 0

    def phase(self, event: Phase) -> None:
        self.close()
        self.status = self.console.status(Text(f"{event.name} …"), refresh_per_second=5)
        self.status.start()

    def close(self) -> None:
        self.bar.stop()
        if self.status is not None:
            self.status.stop()
            self.status = None


def beside_bar(event: Progress, smooth: np.ndarray, width: int) -> str:
    """As much of what is known as fits beside a bar."""
    bound, rate, distortion = smooth
    end = time.strftime("%H:%M:%S", time.localtime(time.time() + event.seconds_left))
    pieces = {
        "step": f"{event.step:,}/{event.steps:,}",
        "bound": f"bound {bound:.1f}",
        "rate": f"rate {rate:.1f}",
        "distortion": f"distortion {distortion:.1f}",
        "speed": f"{event.examples_per_second:,.0f}/s",
        "left": f"{clock(event.seconds_left)} left",
        "end": f"until {end}",
    }
    for name in ("step", "end", "speed", "distortion", "rate", "left"):
        if len("  ".join(pieces.values())) <= width - LEAST_BAR:
            break
        del pieces[name]
    return "  ".join(pieces.values())


def sample_lines(images: np.ndarray, console: Console) -> list[Text]:
    """A row of images that fits the terminal: half blocks in colour, shades without, ASCII where it must be."""
    colour = console.color_system in ("truecolor", "256") and not console.options.ascii_only
    lines = half_blocks(shrunk(images, console.width), console.width - 1, colour)
    return [Text.from_ansi(line) if colour else Text(speakable(line, sys.stderr)) for line in lines]


def shrunk(images: np.ndarray, room: int) -> np.ndarray:
    """Images [N, H, W, C] averaged over squares until a row of them is low, and shows several, in `room` characters."""
    count, height, width, channels = images.shape
    factor = -(-height // (2 * TALLEST))
    while room // (width // factor + 1) < WANTED and min(height, width) // (factor + 1) >= SMALLEST:
        factor += 1
    rows, columns = height // factor, max(1, width // factor)
    kept = images[:, : rows * factor, : columns * factor].astype(np.float32)
    squares = kept.reshape(count, rows, factor, columns, -1, channels)
    return squares.mean((2, 4)).round().astype(np.uint8)
