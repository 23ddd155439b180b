"""Draws a figure as SVG. Both languages stand in one drawing, and the page shows one of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape

from .figures import Axis, Bars, Dots, Figure, Line, Live, Mark, Note, Tiles, numbers
from .words import LANGS, Text

WIDTH = 430
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 10, 44  # around the plot
SHADES = 16
EDGE = 6  # by which a mark may reach over the plot
STEPS = (1, 2, 2.5, 5, 10)


def drawn(figure: Figure, name: str, label: str) -> Markup:
    """The SVG of a figure.

    Arguments: figure; name, its own on the page; label, the id of the element whose words say what it shows.
    """
    view = f"0 0 {WIDTH} {figure.height}"
    parts = [f'<svg viewBox="{view}" role="img" aria-labelledby="{label}" xmlns="http://www.w3.org/2000/svg">']
    parts += _frame(figure)
    clip = f"{name}-clip"
    wide, high = WIDTH - LEFT - RIGHT + 2 * EDGE, figure.height - TOP - BOTTOM + 2 * EDGE
    box = f'x="{LEFT - EDGE}" y="{TOP - EDGE}" width="{wide}" height="{high}"'
    parts.append(f'<clipPath id="{clip}"><rect {box}/></clipPath><g clip-path="url(#{clip})">')
    parts += [piece for mark in figure.marks if not isinstance(mark, Note) for piece in _mark(figure, mark)]
    parts.append("</g>")
    parts += [piece for mark in figure.marks if isinstance(mark, Note) for piece in _mark(figure, mark)]
    parts.append("</svg>")
    return Markup("".join(parts))


def box(figure: Figure) -> dict[str, list[float]]:
    """Where the axes of a figure begin and end in its drawing, and what they measure there, for a script."""
    ends = [float(end) for end in (LEFT, WIDTH - RIGHT, figure.height - BOTTOM, TOP)]
    return {"box": ends, "x": [figure.x.low, figure.x.high], "y": [figure.y.low, figure.y.high]}


def legend(figure: Figure) -> list[tuple[int, Text, bool]]:
    """The colour and the name of each mark that has one, and whether its line is dashed."""
    found = []
    for mark in figure.marks:
        if isinstance(mark, Line | Dots | Bars | Live) and mark.name is not None:
            colour = mark.colour if isinstance(mark.colour, int) else mark.colour[0]
            found.append((colour, mark.name, isinstance(mark, Line) and mark.dashed))
    return found


def _frame(figure: Figure) -> Iterator[str]:
    bottom = figure.height - BOTTOM
    for place, name in ticks(figure.x):
        x = _x(figure, place)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>'
        where = f'class="tick" x="{x}" y="{bottom + 15}"'
        if isinstance(name, Text):
            yield from _words(name, where)
        else:
            yield f'<text {where} text-anchor="middle">{escape(name)}</text>'
    for place, name in ticks(figure.y):
        y = _y(figure, place)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{y}" dy=".35em" text-anchor="end">{escape(str(name))}</text>'
    middle = (TOP + bottom) / 2
    yield from _words(figure.x.title, f'class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{figure.height - 8}"')
    yield from _words(figure.y.title, f'class="axis" transform="translate(13 {middle}) rotate(-90)"')


def _words(text: Text, where: str) -> Iterator[str]:
    for lang in LANGS:
        yield f'<text lang="{lang}" text-anchor="middle" {where}>{escape(getattr(text, lang))}</text>'


def _mark(figure: Figure, mark: Mark) -> Iterator[str]:
    match mark:
        case Line():
            yield _line(figure, mark)
        case Dots():
            yield from _dots(figure, mark)
        case Bars():
            yield from _bars(figure, mark)
        case Tiles():
            yield from _tiles(figure, mark)
        case Live():
            yield f'<path class="live" fill="none" style="stroke:var(--c{mark.colour})" stroke-width="2.6"/>'
        case Note():
            colour = "" if mark.colour is None else f' style="fill:var(--c{mark.colour})"'
            place = f'x="{_x(figure, mark.x)}" y="{_y(figure, mark.y)}" text-anchor="{mark.anchor}"{colour}'
            for lang in LANGS:
                yield f'<text lang="{lang}" class="note" {place}>{escape(getattr(mark.text, lang))}</text>'


def _line(figure: Figure, mark: Line) -> str:
    xs, ys = numbers(mark.x), numbers(mark.y)
    runs, run = list[list[str]](), list[str]()
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            run.append(f"{_x(figure, x)} {_y(figure, y)}")
        elif run:
            runs, run = [*runs, run], []
    runs = [*runs, run] if run else runs
    path = "".join("M" + "L".join(run) for run in runs)
    if mark.filled:
        base = _y(figure, max(figure.y.low, 0.0) if not figure.y.log else figure.y.low)
        closed = f"M{_x(figure, xs[0])} {base}L{path[1:]}L{_x(figure, xs[-1])} {base}Z"
        return f'<path d="{closed}" style="fill:var(--c{mark.colour});opacity:.22"/>' + _stroke(path, mark)
    return _stroke(path, mark)


def _stroke(path: str, mark: Line) -> str:
    dash = ' stroke-dasharray="5 4"' if mark.dashed else ""
    return f'<path d="{path}" fill="none" style="stroke:var(--c{mark.colour})" stroke-width="{mark.width:g}"{dash}/>'


def _dots(figure: Figure, mark: Dots) -> Iterator[str]:
    xs, ys = numbers(mark.x), numbers(mark.y)
    colours = [mark.colour] * len(xs) if isinstance(mark.colour, int) else mark.colour
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        told = f"<title>{escape(mark.told[i])}</title>" if mark.told else ""
        place = f'cx="{_x(figure, x)}" cy="{_y(figure, y)}" r="{mark.size:g}"'
        yield f'<circle {place} style="fill:var(--c{colours[i]})">{told}</circle>'


def _bars(figure: Figure, mark: Bars) -> Iterator[str]:
    xs, ys = numbers(mark.x), numbers(mark.y)
    bases = np.zeros_like(ys) if mark.base is None else numbers(mark.base)
    for x, y, base in zip(xs, ys, bases, strict=True):
        left, right = _x(figure, x - mark.width / 2), _x(figure, x + mark.width / 2)
        top, bottom = sorted((_y(figure, y), _y(figure, base)))
        size = f'x="{left}" y="{top}" width="{round(right - left, 1)}" height="{round(bottom - top, 1)}"'
        yield f'<rect {size} style="fill:var(--c{mark.colour})"><title>{y - base:.4g}</title></rect>'


def _tiles(figure: Figure, mark: Tiles) -> Iterator[str]:
    """One path for each of a few shades, with equal neighbours of a row as one piece."""
    xs, ys = numbers(mark.x), numbers(mark.y)
    values = np.asarray(mark.values, dtype=np.float64)
    shades = np.round(SHADES * values / (float(values.max()) or 1.0)).astype(int)
    dx, dy = (xs[1] - xs[0]) / 2, (ys[1] - ys[0]) / 2
    paths: dict[int, list[str]] = {}
    for row, y in enumerate(ys):
        top, bottom = _y(figure, y + dy), _y(figure, y - dy)
        ends = [0, *(np.flatnonzero(np.diff(shades[row])) + 1), len(xs)]
        for start, end in pairwise(ends):
            left, right = _x(figure, xs[start] - dx), _x(figure, xs[end - 1] + dx)
            paths.setdefault(int(shades[row, start]), []).append(f"M{left} {top}H{right}V{bottom}H{left}Z")
    for shade, path in sorted(paths.items()):
        if shade:
            yield f'<path d="{"".join(path)}" style="fill:var(--c0);opacity:{shade / SHADES:.3g}"/>'


def _share(axis: Axis, value: float) -> float:
    if axis.log:
        return math.log(max(value, 1e-300) / axis.low) / math.log(axis.high / axis.low)
    return (value - axis.low) / (axis.high - axis.low)


def _x(figure: Figure, value: float) -> float:
    return round(LEFT + _share(figure.x, float(value)) * (WIDTH - LEFT - RIGHT), 1)


def _y(figure: Figure, value: float) -> float:
    bottom = figure.height - BOTTOM
    return round(bottom - _share(figure.y, float(value)) * (bottom - TOP), 1)


def ticks(axis: Axis) -> list[tuple[float, str | Text]]:
    """Four to seven round places of an axis; of a logarithmic one powers of ten, or what was asked for."""
    if axis.marks is not None:
        return list(axis.marks)
    if axis.log:
        return _powers(axis)
    rough = (axis.high - axis.low) / 5
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in STEPS if s * power >= rough)
    first = math.ceil(axis.low / step - 1e-9)
    places = step * np.arange(first, math.floor(axis.high / step + 1e-9) + 1)
    return [(float(place), spelled(float(place))) for place in places]


def _powers(axis: Axis) -> list[tuple[float, str | Text]]:
    low, high = math.ceil(math.log10(axis.low) - 1e-9), math.floor(math.log10(axis.high) + 1e-9)
    every = max(1, math.ceil((high - low + 1) / 7))
    return [(10.0**power, spelled(10.0**power)) for power in range(low, high + 1, every)]


def spelled(value: float) -> str:
    """A number as a tick shows it, with a true minus."""
    if value and not 1e-3 <= abs(value) < 1e5:
        digits = str(math.floor(math.log10(abs(value)) + 1e-9))
        raised = digits.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        front = value / 10.0 ** int(digits)
        return f"10{raised}" if abs(front - 1) < 1e-9 else f"{front:.3g}·10{raised}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−")
