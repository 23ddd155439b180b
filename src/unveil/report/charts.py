"""The pieces of every Plotly figure, as plain JSON: axes, bars, lines, points, contours, rules, notes, errors.

Colours with an @ are the page's own and are set where a figure is drawn. Text goes through `plain`, for Plotly reads a
little HTML in labels. Only SVG traces are used.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Figure = dict[str, Any]
Array = NDArray[np.floating]
Values = Sequence[float] | Sequence[float | None] | Array | Tensor
PALETTE = (
    "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#d4a72c", "#b07aa1", "#ff9da7", "#9c755f", "#9aa0a6",
)  # fmt: skip
FEW = 14  # values, up to which each has its label or its mark


def figure(data: Sequence[Figure], x: Figure, y: Figure, height: int = 300, **layout: Any) -> Figure:
    """Traces that hold anything, over two axes; without a legend unless one is asked for."""
    shown = [trace for trace in data if len(trace["x"])]
    return {"data": shown, "layout": {"height": height, "xaxis": x, "yaxis": y, "showlegend": False, **layout}}


def axis(title: str = "", **more: Any) -> Figure:
    """A linear axis without a line at 0."""
    return {"title": {"text": plain(title)}, "zeroline": False, **more}


def names_axis(**more: Any) -> Figure:
    return {"type": "category", "showgrid": False, **more}


def log_axis(title: str, places: Iterable[float | None] = ()) -> Figure:
    """A logarithmic axis, marked at the places where they are few."""
    marks = sorted({place for place in places if place is not None})
    return axis(title, type="log", **({"tickvals": marks} if 0 < len(marks) <= FEW else {}))


def bars(
    places: Sequence[Any], values: Values, colour: str | list[str] = "@accent", hover: str | None = None, *,
    level: bool = False, digits: int = 4, **more: Any,
) -> Figure:  # fmt: skip
    """A bar at each place, which may be a label; level ones start at the left."""
    lengths = short(values, digits)
    ends = {"orientation": "h", "x": lengths, "y": places} if level else {"x": places, "y": lengths}
    return {"type": "bar", **ends, "marker": {"color": colour}, **_hover(hover), **more}


def line(
    x: Values, y: Values, colour: str = "@accent", name: str = "", *,
    width: float = 2.2, hover: str | None = "%{y} at %{x}", marks: bool = False, dash: str = "solid", digits: int = 4,
    **more: Any,
) -> Figure:  # fmt: skip
    """A line through points, with a mark at each where asked for."""
    style = {"color": colour, "width": width, "dash": dash}
    found = {"type": "scatter", "mode": "lines+markers" if marks else "lines", "name": plain(name), "line": style}
    marker = {"marker": {"size": 4, "color": colour}} if marks else {}
    return {**found, **marker, "x": short(x, digits), "y": short(y, digits), **_hover(hover), **more}


def points(
    x: Values, y: Values, colour: str | list[str], name: str = "", *,
    size: float = 4.5, opacity: float = 1.0, hover: str | None = None, digits: int = 4, marker: Figure | None = None,
    **more: Any,
) -> Figure:  # fmt: skip
    found = {"type": "scatter", "mode": "markers", "name": plain(name), "x": short(x, digits), "y": short(y, digits)}
    style = {"color": colour, "size": size, "opacity": opacity, **(marker or {})}
    return {**found, "marker": style, **_hover(hover), **more}


def tiles(values: Sequence[Sequence[float | None]], names: Sequence[str], unit: str = "", top: float = 1.0) -> Figure:
    """A square [P, P] of colours from 0 to `top`; both axes are `places` of the names."""
    where = list(range(len(names)))
    shown = [[plain(f"{a} and {b}") for a in names] for b in names]
    colours = [[0, "@card"], [0.2, "@wash"], [1, "@accent"]]
    bar = {"thickness": 12, "ticksuffix": unit, "outlinewidth": 0}
    found = {"type": "heatmap", "x": where, "y": where, "z": [short(row) for row in values], "text": shown}
    style = {"zmin": 0, "zmax": top, "colorscale": colours, "colorbar": bar, "xgap": 1, "ygap": 1, "hoverongaps": False}
    return {**found, **style, **_hover(f"%{{text}}: %{{z:.1f}}{unit}")}


def places(names: Sequence[str], **more: Any) -> Figure:
    """An axis that has names at 0, 1, 2, …"""
    where, told = list(range(len(names))), [plain(name) for name in names]
    return axis(showgrid=False, tickvals=where, ticktext=told, **more)


def errors(values: Sequence[float], colour: str = "@ink") -> Figure:
    """Error bars of so many standard errors."""
    return {"type": "data", "array": list(values), "color": colour, "thickness": 1.5, "width": 5}


def rule(*, x: float | None = None, y: float | None = None, dash: str = "dot", width: float = 1.5) -> Figure:
    """A straight line across the whole figure, upright at x or level at y."""
    across, value, paper = ("x", x, "y") if x is not None else ("y", y, "x")
    ends = {f"{across}0": value, f"{across}1": value, f"{paper}0": 0, f"{paper}1": 1, f"{paper}ref": "paper"}
    return {"type": "line", **ends, "line": {"color": "@ink", "width": width, "dash": dash}}


def note(text: str, x: float, colour: str = "@ink", **more: Any) -> Figure:
    """Words at x, at the upper edge of the figure."""
    where = {"x": x, "yref": "paper", "y": 1, "showarrow": False}
    return {"text": text, **where, "font": {"color": colour, "size": 13}, **more}


def class_colour(code: int, count: int) -> str:
    """A colour per class: ten that are easily told apart, hues around the circle where there are more."""
    return PALETTE[code] if count <= len(PALETTE) else f"hsl({360 * code / count:.0f}, 60%, 52%)"


def without_the_first_fall(*curves: Sequence[float]) -> dict[str, list[float]]:
    """A range without the first fall of the curves, where that would flatten all the rest."""
    curves = tuple(curve for curve in curves if len(curve))
    if not curves:
        return {}
    low, high = min(float(np.quantile(c, 0.05)) for c in curves), max(max(c) for c in curves)
    if low - min(min(c) for c in curves) < high - low:
        return {}
    room = 0.06 * (high - low)
    return {"range": [low - room, high + room]}


def span(values: Sequence[float], before: float, after: float) -> list[float]:
    """A range with room at both ends, in shares of its length."""
    length = max(max(values) - min(values), 1e-3)
    return [min(values) - before * length, max(values) + after * length]


def plain(text: str) -> str:
    """Text that Plotly shows as it is written."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(values: Values, digits: int = 4) -> list[float | None]:
    """As many significant digits as a screen shows; a gap where there is no finite number."""
    found = np.asarray(values.cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in found]


def _hover(template: str | None) -> Figure:
    return {"hoverinfo": "skip"} if template is None else {"hovertemplate": f"{template}<extra></extra>"}
