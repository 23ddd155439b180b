"""Figures of what only one family has, as plotly JSON: bars, curves, clouds of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..model.shared.panels import Bars, Lines
from .figures import Array, Figure, class_colour, plain

FEW = 14  # bars, up to which each has its label under it
HEIGHT = 300


def bars(panel: Bars) -> Figure:
    """A bar per label."""
    bar = {
        "type": "bar",
        "x": [plain(label) for label in panel.labels],
        "y": _rounded(panel.values),
        "marker": {"color": "@accent"},
        "hovertemplate": "%{x}: %{y}<extra></extra>",
    }
    xaxis = {"type": "category", "showgrid": False, "showticklabels": len(panel.labels) <= FEW}
    return _figure([bar], xaxis, _axis(panel.unit), bargap=0.35)


def lines(panel: Lines) -> Figure:
    """A curve per name; a legend where there are several."""
    count = len(panel.series)
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(xs) <= FEW else "lines",
            "name": plain(name),
            "x": _rounded(xs),
            "y": _rounded(ys),
            "line": {"color": "@accent" if count == 1 else class_colour(i, count), "width": 2.2},
            "hovertemplate": "%{y} at %{x}<extra></extra>",
        }
        for i, (name, (xs, ys)) in enumerate(panel.series.items())
    ]
    xaxis = _axis(panel.x_label) | ({"type": "log"} if panel.log_x else {})
    places = sorted({x for xs, _ in panel.series.values() for x in _rounded(xs) if x is not None})
    if panel.log_x and len(places) <= FEW:
        xaxis |= {"tickvals": places}
    return _figure(traces, xaxis, _axis(panel.y_label), showlegend=count > 1)


def cloud(rows: Array, title: str, names: Sequence[str], box: Array) -> Figure:
    """Rows [N, D] by their first two columns within a box that all clouds share, or the shares of their only column."""
    low, high = np.nanquantile(box, [0.002, 0.998], axis=0)
    room = 0.08 * (high - low) + 1e-6
    axes = [_axis(n) | {"range": [a, b]} for n, a, b in zip(names, low - room, high + room, strict=False)]
    if rows.shape[1] == 1:
        shares: Figure = {"type": "histogram", "x": _rounded(rows[:, 0]), "histnorm": "probability"}
        return _figure([shares | {"marker": {"color": "@accent"}}], axes[0], {"visible": False}, title=_text(title))
    points: Figure = {"type": "scatter", "mode": "markers", "x": _rounded(rows[:, 0]), "y": _rounded(rows[:, 1])}
    points |= {"marker": {"color": "@accent", "size": 4.5, "opacity": 0.6}, "hoverinfo": "skip"}
    return _figure([points], axes[0], axes[1], title=_text(title))


def _text(text: str) -> Figure:
    return {"text": plain(text)}


def _axis(title: str) -> Figure:
    return {"title": _text(title), "zeroline": False}


def _figure(data: list[Figure], xaxis: Figure, yaxis: Figure, **layout: object) -> Figure:
    return {"data": data, "layout": {"height": HEIGHT, "xaxis": xaxis, "yaxis": yaxis, "showlegend": False, **layout}}


def _rounded(values: Sequence[float] | Array) -> list[float | None]:
    """Four significant digits; a gap where there is no finite number."""
    return [float(f"{float(value):.4g}") if np.isfinite(value) else None for value in values]
