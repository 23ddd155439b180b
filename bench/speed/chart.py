"""A small picture of test log p(x) against minutes, as SVG."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, EDGE = 560, 300, 60
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


def chart(entries: list[dict[str, Any]]) -> str:
    """One line for each series, in nats above the worst on the same data, over the logarithm of minutes."""
    series = sorted({_series(e) for e in entries}, key=lambda s: (s != "mnist", s))
    minutes = sorted({e["minutes"] for e in entries})
    worst = {d: min(e["log_px"] for e in entries if _data(e) == d) for d in map(_data, entries)}
    top = max([1.0, *(e["log_px"] - worst[_data(e)] for e in entries)])
    low, high = math.log(minutes[0]), math.log(max(minutes[-1], minutes[0] * 1.01))

    def place(e: dict[str, Any]) -> tuple[float, float]:
        x = EDGE + (math.log(e["minutes"]) - low) / (high - low) * (WIDTH - 2 * EDGE)
        return x, HEIGHT - EDGE - (e["log_px"] - worst[_data(e)]) / top * (HEIGHT - 2 * EDGE)

    drawn = [_line(i, s, sorted((e for e in entries if _series(e) == s), key=lambda e: e["minutes"]), place)
             for i, s in enumerate(series)]  # fmt: skip
    ticks = [_text(place({**entries[0], "minutes": m})[0], HEIGHT - 35, f"{m:g}") for m in minutes]
    axes = f'<path d="M{EDGE} {EDGE / 2}V{HEIGHT - EDGE + 12}H{WIDTH - EDGE}" fill="none" stroke="#888"/>'
    title = _text(
        WIDTH / 2, HEIGHT - 12, "minutes of the whole command; height: nats above the lowest on the same data"
    )
    body = "\n".join([axes, *drawn, *ticks, title])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _series(entry: dict[str, Any]) -> str:
    return str(entry.get("series", entry["source"]))


def _data(entry: dict[str, Any]) -> tuple[str, str]:
    """Log-likelihoods of one data set alone can be compared; binarized differently it is another."""
    return entry["source"], str(entry.get("binarization"))


def _line(number: int, source: str, entries: list[dict[str, Any]], place: Any) -> str:
    colour, points = COLOURS[number % len(COLOURS)], [place(e) for e in entries]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    labels = "".join(_text(x, y - 8, f"{e['log_px']:.2f}", colour) for e, (x, y) in zip(entries, points, strict=True))
    legend = f'<text x="{EDGE + 10}" y="{20 + 16 * number}" fill="{colour}">{escape(source)}</text>'
    return f'<polyline points="{path}" fill="none" stroke="{colour}"/>{dots}{labels}{legend}'


def _text(x: float, y: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="{colour}">{escape(words)}</text>'
