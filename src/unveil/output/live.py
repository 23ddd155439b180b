"""A fit in a terminal: the validations as a table that grows, the newest samples, and a bar."""

import math
import sys
import time
from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.segment import ControlType
from rich.status import Status
from rich.text import Text

from ..fitting.events import Progress, Validated, Working
from ..languages import spoken
from .display import Display
from .streams import harmless, speakable
from .thumbnails import sample_lines

SECONDS_PER_FRAME = 0.1
SMOOTHING = 0.2  # share of the newest frame in the numbers beside the bar
LEAST_BAR = 12  # characters
DRAWN_SHARE = 0.1  # of the time, at most, for drawing samples


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
        self.samples: np.ndarray | None = None
        self.draw_again_at = -math.inf

    def say(self, lines: Sequence[str]) -> None:
        for line in lines:
            is_command = line.startswith("  ")  # which stays whole
            self.console.print(Text(speakable(harmless(spoken()(line)), sys.stderr)), soft_wrap=is_command)

    def progress(self, event: Progress) -> None:
        now = time.monotonic()
        if now - self.last_frame < SECONDS_PER_FRAME and event.step < event.steps:
            return
        self.last_frame = now
        newest = np.array([event[name] for name in ("bound", "rate", "distortion")])
        self.smooth = newest if self.smooth is None else self.smooth + SMOOTHING * (newest - self.smooth)
        self.bar.start()
        known = beside_bar(event, self.smooth, self.console.width)
        self.bar.update(self.task, completed=event.step, total=event.steps, description=known)
        self.bar.refresh()

    def validated(self, event: Validated) -> None:
        self.bar.stop()
        self._erase_samples()
        if not self.has_header:
            heads = (("step", 10), ("validation bound", 20), ("best", 12), ("rate", 10))
            self.console.print(Text("".join(rightmost(spoken()(name), width) for name, width in heads), style="dim"))
            self.has_header = True
        row = Text(f"{event.step:>10,}{event.bound:>20.2f}")
        row.append(f"{event.best:>12.2f}", style="green" if event.bound == event.best else "")
        self.console.print(row.append(f"{event.rate:>10.2f}"))
        samples = self._newest_samples(event)
        if samples is not None:
            self._print_samples(samples)
        self.bar.start()

    def _newest_samples(self, event: Validated) -> np.ndarray | None:
        """Those of this validation, or the last ones where drawing has taken its share of the time."""
        start = time.monotonic()
        if start >= self.draw_again_at:
            self.samples = event.samples
            self.draw_again_at = start + (time.monotonic() - start) / DRAWN_SHARE
        return self.samples

    def _print_samples(self, images: np.ndarray) -> None:
        lines = sample_lines(images, self.console)
        for line in lines:
            self.console.print(line, no_wrap=True, overflow="crop", crop=True)
        self.block = len(lines)

    def _erase_samples(self) -> None:
        for _ in range(self.block):
            self.console.control(Control.move(0, -1), Control((ControlType.ERASE_IN_LINE, 2)))
        self.block = 0

    def working(self, event: Working) -> None:
        self.close()
        self.status = self.console.status(Text(f"{spoken()(event.name)} …"), refresh_per_second=5)
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
    pieces = {name: spoken()(piece) for name, piece in pieces.items()}
    for name in ("step", "end", "speed", "distortion", "rate", "left"):
        if cell_len("  ".join(pieces.values())) <= width - LEAST_BAR:
            break
        del pieces[name]
    return "  ".join(pieces.values())


def rightmost(text: str, width: int) -> str:
    """Text at the right end of so many characters' room, of which a Chinese one takes two."""
    return " " * (width - cell_len(text)) + text


def clock(seconds: float) -> str:
    """75 → 1:15, 3700 → 1:01:40."""
    hours, rest = divmod(int(seconds + 0.5), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
