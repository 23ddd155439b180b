"""Figures of "How good is it, really": the bracket, the gap, the rate split and densities, as plotly JSON.

Text goes through `plain`, colours with an @ are the page's own, and only SVG traces are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .densities import Aggregate, Beside, Grid
from .figures import Array, Figure, plain
from .rounding import fixed

BINS = 24
EDGE = "\u00a0\u00a0"  # between a label and its axis
LEVELS = (0.99, 0.9, 0.5)  # of the mass, from the outermost contour inwards


def bracket(rows: Sequence[Mapping[str, Any]], what: str) -> Figure:
    """Bounds from below point right, from above left; the truth lies in the shaded part.

    Arguments: rows, with a log_px that is a number, from the loosest bound to the tightest; what they are bounds on.
    """
    left, right = _room(rows)
    low, high = (end if side is None else side for end, side in zip((left, right), enclosed(rows), strict=True))
    shade = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0}}
    shapes = [shade | {"fillcolor": "@wash", "x0": low, "x1": high}]
    shapes += [_line(row["log_px"], "@ink", dash="solid") for row in rows if row["direction"] == "exact"]
    said = {"text": "the truth", "x": (low + high) / 2, "yref": "paper", "y": 1, "yanchor": "bottom"}
    return {
        "data": [_rung(row) for row in rows],
        "layout": {
            "height": 88 + 40 * len(rows),
            "shapes": shapes,
            "annotations": [said | {"showarrow": False, "font": {"color": "@accent", "size": 13}}],
            "margin": {"l": 20, "r": 20, "t": 30, "b": 42},
            "xaxis": {"title": {"text": f"{plain(what)}, nats per example"}, "range": [left, right], "zeroline": False},
            "yaxis": {"autorange": "reversed", "showgrid": False, "ticksuffix": EDGE, "type": "category"},
            "showlegend": False,
        },
    }


def enclosed(rows: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """From the highest bound from below to the lowest from above, None without one; an exact value is both.

    Sides that cross by their noise are put in order.
    """
    exact, below, above = (
        [row["log_px"] for row in rows if row["direction"] == side] for side in ("exact", "lower", "upper")
    )
    if exact:
        return exact[0], exact[0]
    if not below or not above:
        return max(below, default=None), min(above, default=None)
    low, high = sorted((max(below), min(above)))
    return low, high


def _room(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """A range with room at both ends, more of it on a side without a bound."""
    values, (low, high) = [row["log_px"] for row in rows], enclosed(rows)
    span = max(values) - min(values) or 1.0
    before, after = (0.2 if side is None else 0.08 for side in (low, high))
    return min(values) - before * span, max(values) + after * span


def _rung(row: Mapping[str, Any]) -> Figure:
    direction, strict = row["direction"], row.get("strict", True)
    symbol = {"lower": "triangle-right", "upper": "triangle-left", "exact": "diamond"}[direction]
    colour = "@ink" if direction == "exact" else "@accent"
    value, stderr = fixed(row["log_px"]), row.get("stderr_mc") or 0
    spread = {"type": "data", "array": [stderr], "color": colour, "thickness": 1.5, "width": 5}
    mark = {"size": 14, "color": colour, "line": {"width": 2, "color": colour}}
    label = f"{plain(str(row['name']))}  <b>{value}</b>" + ("" if strict else f"{EDGE}<br>heuristic")
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row["log_px"]],
        "y": [label],
        "cliponaxis": False,
        "error_x": spread,
        "marker": mark | {"symbol": symbol + ("" if strict else "-open")},
        "hovertemplate": f"{value} ± {stderr:.2g} nats<extra></extra>",
    }


def _line(x: float, colour: str, dash: str = "dot") -> Figure:
    where = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x}
    return where | {"line": {"color": colour, "width": 1.5, "dash": dash}}


def gap(amortisation: Sequence[float], approximation: Sequence[float]) -> tuple[Figure, Figure]:
    """Both gaps over the examples as histograms of the same bins, their means marked."""
    both = np.array([*amortisation, *approximation])
    low, high = np.quantile(both, [0.005, 0.995])
    edges = np.linspace(min(low, 0), high if high > low else low + 1, BINS + 1)
    parts = [np.array(amortisation), np.array(approximation)]
    shares = [np.histogram(part.clip(edges[0], edges[-1]), edges)[0] / len(part) for part in parts]
    top = 1.12 * max(float(share.max()) for share in shares)
    first, second = (
        _gap(title, edges, share, float(part.mean()), top, colour)
        for title, share, part, colour in zip(
            ("Amortisation gap", "Approximation gap"), shares, parts, ("@accent", "@muted"), strict=True
        )
    )
    return first, second


def _gap(title: str, edges: Array, shares: Array, mean: float, top: float, colour: str) -> Figure:
    bar = {
        "type": "bar",
        "x": _short((edges[1:] + edges[:-1]) / 2),
        "y": _short(shares),
        "marker": {"color": colour},
        "hovertemplate": "%{y:.1%} around %{x:.2f} nats<extra></extra>",
    }
    said = {"text": f" mean {fixed(mean)}", "x": mean, "yref": "paper", "y": 1, "showarrow": False}
    layout = {
        "height": 240,
        "title": {"text": title},
        "bargap": 0.06,
        "shapes": [_line(mean, "@ink")],
        "annotations": [said | {"xanchor": "left", "yanchor": "top", "font": {"color": "@ink", "size": 13}}],
        "xaxis": {"title": {"text": "nats"}, "range": [float(edges[0]), float(edges[-1])], "zeroline": True},
        "yaxis": {"tickformat": ".0%", "range": [0, top], "title": {"text": "share of examples"}},
    }
    return {"data": [bar], "layout": layout}


def rate_split(mutual_information: float, marginal_kl: float, cap: float | None) -> Figure:
    """rate = I(x; z) + KL(q(z) ‖ p(z)) as one bar, with the most that so many examples can tell of I.

    Arguments: cap, log N, to be shown or None.
    """
    parts = (
        ("mutual information", max(mutual_information, 0), "@accent", "@paper"),
        ("KL(aggregate ‖ prior)", max(marginal_kl, 0), "@muted", "@ink"),
    )
    total = sum(value for _, value, _, _ in parts) or 1.0
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": [""],
            "x": [value],
            "text": [f"{value:.2f}" if value > 0.05 * total else ""],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "insidetextfont": {"color": ink},
            "textangle": 0,
            "marker": {"color": colour},
            "hovertemplate": f"{name}: %{{x:.2f}} nats<extra></extra>",
        }
        for name, value, colour, ink in parts
    ]
    layout: Figure = {
        "height": 150,
        "barmode": "stack",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.05, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": {"title": {"text": "nats per example"}, "zeroline": False},
        "yaxis": {"visible": False},
    }
    if cap is not None:
        said = {"text": "log N", "x": cap, "yref": "paper", "y": 1, "showarrow": False}
        layout["shapes"] = [_line(cap, "@ink")]
        layout["annotations"] = [said | {"yanchor": "bottom", "font": {"color": "@ink", "size": 13}}]
        layout["xaxis"]["range"] = [0, 1.08 * max(total, cap)]
    return {"data": traces, "layout": layout}


def aggregate(found: Aggregate) -> Figure:
    """Draws of q(z) over the contours of p(z), or over a cloud of its draws; bars under a line for a single z."""
    if len(found.titles) == 1:
        return _aggregate_line(found)
    q = _cloud("q(z): a draw for each x", found.q, "@accent", 0.55)
    under = (
        _cloud("p(z): draws", found.p, "@muted", 0.55)
        if found.density is None
        else _contour(found.density, "p(z): 50, 90 and 99 % of it", {"color": "@soft", "width": 1.3}, False)
    )
    return {
        "data": [under, q],
        "layout": {
            "height": 480,
            "showlegend": True,
            "hovermode": False,
            "xaxis": {"title": {"text": found.titles[0]}, "zeroline": False, "constrain": "domain"},
            "yaxis": {"title": {"text": found.titles[1]}, "zeroline": False, "scaleanchor": "x"},
        },
    }


def _aggregate_line(found: Aggregate) -> Figure:
    assert found.density is not None  # one z has no other dimension to depend on
    x = found.density.x.double().numpy()
    edges = np.linspace(x[0], x[-1], 2 * BINS + 1)
    shares = np.histogram(found.q[:, 0].double().cpu().numpy(), edges)[0] / len(found.q)
    density = found.density.log_mass[0].exp().numpy() / (x[1] - x[0]) * (edges[1] - edges[0])
    bar = {"type": "bar", "name": "q(z): a draw for each x", "x": _short((edges[1:] + edges[:-1]) / 2)}
    line = {"type": "scatter", "mode": "lines", "name": "p(z)", "x": _short(x), "y": _short(density)}
    return {
        "data": [
            bar | {"y": _short(shares), "marker": {"color": "@accent"}, "hoverinfo": "skip"},
            line | {"line": {"color": "@ink", "width": 2}, "hoverinfo": "skip"},
        ],
        "layout": {
            "height": 300,
            "bargap": 0.06,
            "showlegend": True,
            "xaxis": {"title": {"text": found.titles[0]}, "zeroline": False},
            "yaxis": {"visible": False, "rangemode": "tozero"},
        },
    }


def beside(found: Beside, titles: Sequence[str]) -> Figure:
    """p(z|x) filled, q(z|x) as lines over it; both at the same shares of their mass."""
    return {
        "data": [
            _contour(found.true, "p(z|x)", {"width": 0}, True),
            _contour(found.q, "q(z|x)", {"color": "@ink", "width": 1.4, "dash": "3px,2px"}, False),
        ],
        "layout": {
            "height": 250,
            "showlegend": False,
            "hovermode": False,
            "margin": {"l": 40, "r": 8, "t": 8, "b": 36},
            "xaxis": {"title": {"text": titles[0]}, "zeroline": False, "nticks": 5, "constrain": "domain"},
            "yaxis": {"title": {"text": titles[1]}, "zeroline": False, "nticks": 5, "scaleanchor": "x"},
        },
    }


def _contour(grid: Grid, name: str, line: Figure, filled: bool) -> Figure:
    """Contours that enclose 99, 90 and 50 % of the mass, as the levels 1, 2 and 3 of a height."""
    colouring = {"coloring": "fill", "showlines": False} if filled else {"coloring": "none"}
    trace: Figure = {
        "type": "contour",
        "name": name,
        "x": _short(grid.x, 7),
        "y": _short(grid.y, 7),
        "z": [_short(row) for row in _heights(grid)],
        "contours": {"start": 1, "end": 3, "size": 1} | colouring,
        "line": {"smoothing": 1} | line,
        "hoverinfo": "skip",
        "showscale": False,
        "showlegend": not filled,
    }
    if filled:
        trace |= {"zmin": 0, "zmax": 3.5, "zauto": False, "autocontour": False}
        trace["colorscale"] = [[0, "@paper"], [0.25, "@wash"], [1, "@accent"]]
    return trace


def _heights(grid: Grid) -> Tensor:
    """log p, bent so that the contours of LEVELS lie at 1, 2 and 3; nothing far below the outermost."""
    log_mass, inside = grid.log_mass.double(), grid.inside.double()
    ends = [float(log_mass[inside <= level].min()) if bool((inside <= level).any()) else float(log_mass.max())
            for level in LEVELS]  # fmt: skip
    top = float(log_mass.max())
    known = np.array([ends[0] - 3, *ends, top])
    known = np.maximum.accumulate(known + 1e-6 * np.arange(len(known)))
    heights = np.interp(log_mass.numpy(), known, [0, 1, 2, 3, 3.5])
    return torch.from_numpy(heights)


def _cloud(name: str, z: Tensor, colour: str, opacity: float) -> Figure:
    marker = {"color": colour, "size": 4.5, "opacity": opacity}
    where = {"x": _short(z[:, 0]), "y": _short(z[:, 1]), "hoverinfo": "skip"}
    return {"type": "scatter", "mode": "markers", "name": name, "marker": marker, **where}


def _short(values: Any, digits: int = 4) -> list[float]:
    """Significant digits as many as a screen shows."""
    return [float(f"{float(v):.{digits}g}") for v in values]
