"""What is shown while work goes on, in a terminal and elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from unveil.fitting.events import Event, Finished, Progress, Validated, Working
from unveil.output import live, progress, thumbnails
from unveil.output.live import Live, beside_bar, clock
from unveil.output.progress import follow
from unveil.output.streams import speakable
from unveil.output.thumbnails import shrunk
from unveil.runs.store import RunStore

RUN = RunStore.load(Path(__file__).parents[1] / "runs" / "0.1.0" / "vae")


def update(step: int, steps: int = 100) -> Progress:
    logs = {"bound": torch.tensor(-98.76), "rate": torch.tensor(12.3), "distortion": torch.tensor(86.46)}
    return Progress(step, steps, logs, 41_000.0, 3700.0)


def events(samples: np.ndarray | None) -> Iterator[Event]:
    for step in range(1, 5):
        yield update(step)
        yield Validated(step, 100, -100.0 / step, -100.0 / step, 9.5, lambda: samples)
    yield Working("test examples", 0, 1)
    yield Finished(RUN, ("It is good.",), ("unveil report runs/one --open",))


def images(size: int = 8, channels: int = 1) -> np.ndarray:
    return np.full((16, size, size, channels), 200, np.uint8)


def console(**options: object) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=100, **options), file  # type: ignore[arg-type]


def shown(monkeypatch: pytest.MonkeyPatch, samples: np.ndarray | None, **options: object) -> str:
    found, file = console(**options)
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    monkeypatch.setattr(progress, "console", lambda: found)
    run = follow((), events(samples), show=True)
    assert run is RUN
    return file.getvalue()


def test_a_terminal_shows_a_bar_validations_and_the_newest_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, images(), color_system="truecolor", legacy_windows=False)
    assert "bound -98.8  rate 12.3  distortion 86.5  41,000/s  1:01:40 left" in text
    assert [line.count("▀") for line in text.splitlines() if "▀" in line] == [99] * 16, "4 rows of 4 lines, 99 wide"
    assert text.count("\x1b[1A\x1b[2K") >= 12, "three of the four rows are taken back"
    assert text.index("-25.00") < text.index("It is good.") < text.index("unveil report runs/one --open")
    assert text.count("\x1b[?25l") <= text.count("\x1b[?25h"), "the cursor stays hidden"


def test_without_colour_samples_are_shades(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, images(), color_system=None, legacy_windows=False)
    assert "▓▓▓▓▓▓▓▓ ▓▓▓▓▓▓▓▓" in text and "▀" not in text


def test_x_that_are_no_images_show_no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "▀" not in shown(monkeypatch, None, color_system="truecolor", legacy_windows=False)


def test_samples_are_drawn_in_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, drawn = [0.0], []
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now[0], localtime=None, strftime=None))

    def draw() -> np.ndarray:
        drawn.append(now[0])
        now[0] += 2.0
        return images()

    bar = Live(console(color_system="truecolor", legacy_windows=False)[0])
    for step in range(1, 51):
        now[0] += 1.0
        bar.validated(Validated(step, 100, -9.0, -9.0, 1.0, draw))
        assert bar.block == 4, "the last ones stay"
    assert drawn == [1.0, 21.0, 41.0]


def test_samples_that_nobody_looks_at_are_not_drawn() -> None:
    follow((), (event for event in [Validated(1, 1, -9.0, -9.0, 1.0, lambda: 1 / 0), Finished(RUN, (), ())]), show=True)


def test_elsewhere_there_are_plain_lines(capfd: pytest.CaptureFixture[str]) -> None:
    follow((), events(images()), show=True)
    out, err = capfd.readouterr()
    assert out == "" and "\x1b" not in err and "\r" not in err
    assert err.splitlines()[:2] == [
        "step 1 of 100: validation bound -100.00, best -100.00, rate 9.50",
        "step 2 of 100: validation bound -50.00, best -50.00, rate 9.50",
    ]


@pytest.mark.parametrize("show", [None, False])
def test_a_library_is_silent_where_nobody_looks(show: bool | None, capfd: pytest.CaptureFixture[str]) -> None:
    follow((), events(images()), show=show)
    assert capfd.readouterr() == ("", "")


def test_the_bar_is_drawn_at_most_ten_times_a_second() -> None:
    found, file = console(color_system=None, legacy_windows=False)
    bar = Live(found)
    bar.progress(update(1, 10**6))
    drawn = file.getvalue().count("bound")
    bar.last_frame += 1000.0  # no time passes
    for step in range(2, 2000):
        bar.progress(update(step, 10**6))
    assert file.getvalue().count("bound") == drawn
    bar.close()


@pytest.mark.parametrize("width", [30, 60, 80, 100, 200])
def test_beside_the_bar_stands_what_fits(width: int) -> None:
    text = beside_bar(update(5), np.array([-98.76, 12.3, 86.46]), width)
    assert len(text) <= width - live.LEAST_BAR and "bound -98.8" in text
    assert ("until" in text) == (width >= 100)


@pytest.mark.parametrize(
    "shape", [(16, 8, 8, 1), (16, 28, 28, 1), (16, 64, 64, 3), (3, 100, 2, 1), (3, 1, 50, 4), (2, 33, 35, 1)]
)
@pytest.mark.parametrize("room", [40, 80, 200])
def test_images_shrink_until_a_row_is_low(shape: tuple[int, ...], room: int) -> None:
    small = shrunk(np.full(shape, 77, np.uint8), room)
    assert small.shape[0] == shape[0] and small.shape[3] == shape[3] and small.shape[1] <= 2 * thumbnails.TALLEST
    assert (small == 77).all()


def test_times() -> None:
    assert [clock(s) for s in (0, 75.2, 3700)] == ["0:00", "1:15", "1:01:40"]


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", "8×8 ± ░ μ"), ("ascii", "8x8 +- . ?"), ("cp1252", "8×8 ± . ?")]
)
def test_text_is_written_in_what_a_stream_can_write(encoding: str, said: str) -> None:
    assert speakable("8×8 ± ░ μ", io.TextIOWrapper(io.BytesIO(), encoding=encoding)) == said
