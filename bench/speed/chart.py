"""A small picture of test log p(x) against minutes, as SVG: a panel for each data set, whose numbers compare."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, EDGE = 560, 250, 50  # of one panel
LINE = 15  # height of a line of words
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")

Entry = dict[str, Any]
Place = Callable[[Entry], tuple[float, float]]


def chart(entries: list[Entry]) -> str:
    """One panel for each data set, one line for each series in it, over the logarithm of minutes."""
    panels = sorted((list(group) for _, group in groupby(sorted(entries, key=_data), _data)), key=len, reverse=True)
    drawn = [f'<g transform="translate(0 {i * HEIGHT})">\n{_panel(some)}\n</g>' for i, some in enumerate(panels)]
    height = HEIGHT * len(panels) + LINE
    title = _text(WIDTH / 2, height - 6, "minutes of the whole command; test log p(x) in nats")
    body = "\n".join([*drawn, title])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _panel(entries: list[Entry]) -> str:
    """The lines of one data set over each other."""
    names = sorted({_series(e) for e in entries}, key=lambda name: (len(name), name))
    minutes = sorted({e["minutes"] for e in entries})
    top = LINE * (len(names) + 2)
    place = _places(entries, minutes, top)
    series = [sorted((e for e in entries if _series(e) == name), key=lambda e: e["minutes"]) for name in names]
    lines = [_line(_colour(i), some, place) for i, some in enumerate(series)]
    legend = [_text(EDGE + 10, LINE * (i + 1.3), name, _colour(i), "start") for i, name in enumerate(names)]
    labels = _labels([(e, _colour(i)) for i, some in enumerate(series) for e in some], place)
    ticks = [_text(place({**entries[0], "minutes": m})[0], HEIGHT - EDGE + 28, f"{m:g}") for m in minutes]
    axes = f'<path d="M{EDGE} {top}V{HEIGHT - EDGE + 12}H{WIDTH - EDGE}" fill="none" stroke="#888"/>'
    return "\n".join([axes, *lines, *labels, *ticks, *legend])


def _places(entries: list[Entry], minutes: list[float], top: float) -> Place:
    """Where an entry lies: minutes to the right, log p(x) upwards, below `top`."""
    low, high = math.log(minutes[0]), math.log(minutes[-1])
    worst, best = (f(e["log_px"] for e in entries) for f in (min, max))

    def place(e: Entry) -> tuple[float, float]:
        share = (math.log(e["minutes"]) - low) / (high - low) if high > low else 0.5
        rise = (e["log_px"] - worst) / max(best - worst, 1e-9)
        return EDGE + share * (WIDTH - 2 * EDGE), HEIGHT - EDGE - rise * (HEIGHT - EDGE - top - LINE)

    return place


def _series(entry: Entry) -> str:
    return str(entry.get("series", entry["source"]))


def _data(entry: Entry) -> tuple[str, str]:
    """Log-likelihoods of one data set alone can be compared; binarized differently it is another."""
    return entry["source"], str(entry.get("binarization"))


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _line(colour: str, entries: list[Entry], place: Place) -> str:
    points = [place(e) for e in entries]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}"/>{dots}'


def _labels(entries: list[tuple[Entry, str]], place: Place) -> list[str]:
    """log p(x) above each point, or below it where another's stands above."""
    taken: list[tuple[float, float]] = []
    found = []
    for entry, colour in sorted(entries, key=lambda pair: -pair[0]["log_px"]):
        x, y = place(entry)
        at = y - 8
        while any(abs(x - other) < 40 and abs(at - line) < LINE for other, line in taken):
            at = max(at + LINE, y + LINE + 2)
        taken.append((x, at))
        found.append(_text(x, at, f"{entry['log_px']:.2f}", colour))
    return found


def _text(x: float, y: float, words: str, colour: str = "#333", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
