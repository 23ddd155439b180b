"""Plotly figures as plain JSON: traces and a layout. Colours with an @ are the page's own, set where it is drawn.

Text goes through `plain`, for plotly reads a little HTML in labels; only SVG traces are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..diagnostics.activity import ACTIVE
from ..evaluation.compare import Comparison
from .latents import Dimensions, Map

Figure = dict[str, Any]
Array = NDArray[np.floating]
PALETTE = (
    "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#d4a72c", "#b07aa1", "#ff9da7", "#9c755f", "#9aa0a6",
)  # fmt: skip
MOST_CLASSES = 30  # beyond it a legend helps nobody
LONGEST = 40  # characters of a name in a legend
POINTS = 500  # of a curve: more than a screen can show
BINS = 30


def plain(text: str) -> str:
    """Text that plotly shows as it is written."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _figure(data: list[Figure], height: int = 300, **layout: Any) -> Figure:
    return {"data": data, "layout": {"height": height, **layout}}


def _axis(title: str, **more: Any) -> Figure:
    return {"title": {"text": title}, **more}


def baselines(found: Sequence[dict[str, Any]]) -> Figure:
    """Nats by which the model is better than each baseline, with the paired standard error."""
    ordered = sorted(found, key=lambda b: b["difference"], reverse=True)
    errors = [b["difference_stderr"] or 0 for b in ordered]
    bar = {
        "type": "bar",
        "orientation": "h",
        "y": [plain(b["description"].split(" (")[0]) for b in ordered],
        "x": [b["difference"] for b in ordered],
        "error_x": {"type": "data", "array": errors, "color": "@ink", "thickness": 1.5, "width": 5},
        "marker": {"color": ["@accent" if b["difference"] > 0 else "@muted" for b in ordered]},
        "hovertemplate": "%{x:.2f} nats<extra></extra>",
    }
    return _figure(
        [bar],
        90 + 48 * len(found),
        xaxis=_axis("nats better", zeroline=True),
        yaxis={"showgrid": False, "ticksuffix": "  "},
        bargap=0.45,
    )


def curve(metrics: Sequence[dict[str, Any]], name: str, starts: Sequence[int], best: int | None) -> Figure:
    """One quantity over training: the training set in grey, the validation set in colour, the kept weights marked.

    Arguments: metrics, rows of metrics.jsonl; starts, the steps made before each phase; best, the step kept, or None.
    """
    train, valid = _series(metrics, name, starts, best), _series(metrics, f"valid_{name}", starts, best)
    traces = [
        _line("training batches", train, "@muted", 1.2),
        _line("validation", valid, "@accent", 2.2, mode="lines+markers", marker={"size": 4, "color": "@accent"}),
    ]
    kept = [y for x, y in zip(*valid, strict=True) if x == best]
    if best is not None and kept:
        mark = {"color": "@paper", "size": 11, "line": {"color": "@accent", "width": 2.5}}
        traces.append(_line("weights kept", ([best], kept), "@accent", 1, mode="markers", marker=mark))
    return _figure(
        [trace for trace in traces if trace["x"]],
        xaxis=_axis("step", zeroline=False),
        yaxis=_axis("nats per example", zeroline=False, **(_visible(train[1], valid[1]) if name == "bound" else {})),
        showlegend=name == "bound",
    )


def overlaid(curves: Mapping[str, tuple[list[int], list[float]]]) -> Figure:
    """The validation bound of several runs, {name: (steps, bounds)}, over each other."""
    traces = [
        _line(plain(name), xy, class_colour(i, len(curves)), 2.2, mode="lines+markers", marker={"size": 4})
        for i, (name, xy) in enumerate(curves.items())
    ]
    visible = _visible(*(bounds for _, bounds in curves.values()))
    return _figure(
        traces,
        420,
        xaxis=_axis("step", zeroline=False),
        yaxis=_axis("nats per example", zeroline=False, **visible),
        showlegend=True,
    )


def rate_distortion(found: Comparison) -> Figure:
    """A point per run: what z carries against what it leaves to be told."""
    names, rates = [row.name for row in found.rows], [row.result["rate"] for row in found.rows]
    middle = (min(rates) + max(rates)) / 2
    points = {
        "type": "scatter",
        "mode": "markers+text",
        "x": rates,
        "y": [row.result["distortion"] for row in found.rows],
        "text": [plain(name) for name in names],
        "textposition": ["top right" if rate <= middle else "top left" for rate in rates],  # names stay on the page
        "cliponaxis": False,
        "marker": {"size": 11, "color": [class_colour(i, len(names)) for i in range(len(names))]},
        "hovertemplate": "%{text}: rate %{x:.2f}, distortion %{y:.2f}<extra></extra>",
    }
    return _figure(
        [points], 360, xaxis=_axis("rate, nats", zeroline=False), yaxis=_axis("distortion, nats", zeroline=False)
    )


def _series(
    metrics: Sequence[dict[str, Any]], name: str, starts: Sequence[int], best: int | None
) -> tuple[list[int], list[float]]:
    """Steps and values of a quantity, thinned where there are very many."""
    rows = [(starts[row["phase"]] + row["step"], row[name]) for row in metrics if name in row]
    rows = [row for i, row in enumerate(rows) if i % (len(rows) // POINTS + 1) == 0 or row[0] == best]
    return [step for step, _ in rows], [value for _, value in rows]


def _line(name: str, xy: tuple[list[int], list[float]], colour: str, width: float, **more: Any) -> Figure:
    mode = {"mode": "lines"} | more
    line = {"color": colour, "width": width}
    where = {"x": xy[0], "y": xy[1], "hovertemplate": "%{y:.2f} at step %{x}<extra></extra>"}
    return {"type": "scatter", "name": name, "line": line, **where, **mode}


def _visible(*curves: Sequence[float]) -> dict[str, list[float]]:
    """A range without the first fall of the curves, where that would flatten all the rest."""
    tops, lows = [max(c) for c in curves if c], [float(np.quantile(c, 0.05)) for c in curves if c]
    if not tops:
        return {}
    low, high = min(lows), max(tops)
    if low - min(min(c) for c in curves if c) < high - low:
        return {}
    room = 0.06 * (high - low)
    return {"range": [low - room, high + room]}


def latent_map(found: Map, classes: Sequence[str] | None) -> Figure:
    """A point per example; `customdata` is its place among them. A trace per class, where a legend can hold them."""
    names = classes if classes is not None and found.codes is not None else [""]
    codes = torch.zeros(len(found.xy), dtype=torch.int64) if found.codes is None else found.codes
    colours = [class_colour(code, len(names)) for code in range(len(names))] if len(names) > 1 else ["@accent"]
    everyone = torch.arange(len(codes))
    if len(names) <= MOST_CLASSES:
        groups = [(name, everyone[codes == code], colours[code]) for code, name in enumerate(names)]
        groups.append(("not labelled", everyone[codes < 0], "@muted"))
        traces = [_points(found.xy, rows, name, colour) for name, rows, colour in groups if len(rows)]
    else:
        traces = [_points(found.xy, everyone, "", ["@muted" if code < 0 else colours[code] for code in codes.tolist()])]
    return _figure(
        traces,
        560,
        xaxis=_axis(found.titles[0], zeroline=False),
        yaxis=_axis(found.titles[1], zeroline=False),
        showlegend=1 < len(names) <= MOST_CLASSES,
        hovermode="closest",
    )


def _points(xy: torch.Tensor, rows: torch.Tensor, name: str, colour: str | list[str]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"),
        "x": _rounded(xy[rows, 0]),
        "y": _rounded(xy[rows, 1]),
        "customdata": rows.tolist(),
        "marker": {"color": colour, "size": 6.5, "opacity": 0.8, "line": {"width": 0}},
        "hoverinfo": "none",
    }


def class_colour(code: int, count: int) -> str:
    """A colour per class: ten that are easily told apart, hues around the circle where there are more."""
    return PALETTE[code] if count <= len(PALETTE) else f"hsl({360 * code / count:.0f}, 60%, 52%)"


def rate_per_dimension(found: Dimensions) -> Figure:
    """KL of each dimension, the one that says most first; inactive ones in grey."""
    assert found.kl is not None
    return _bars(found, found.kl[found.order], "nats per example", {})


def variance_per_dimension(found: Dimensions) -> Figure:
    """Var_x(E_q[z_d|x]) of each dimension, with the line above which it counts as active."""
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": ACTIVE, "y1": ACTIVE}
    shapes = [line | {"line": {"color": "@ink", "width": 1, "dash": "dot"}}]
    values = found.variance[found.order].clamp(min=1e-8)
    return _bars(found, values, "variance", {"type": "log", "dtick": 1}, shapes)


def _bars(found: Dimensions, values: torch.Tensor, title: str, axis: Figure, shapes: Sequence[Figure] = ()) -> Figure:
    active = found.active[found.order].tolist()
    bar = {
        "type": "bar",
        "x": list(range(1, len(values) + 1)),
        "y": _rounded(values),
        "text": [f"z<sub>{d + 1}</sub>" for d in found.order.tolist()],
        "textposition": "none",
        "marker": {"color": ["@accent" if a else "@muted" for a in active]},
        "hovertemplate": "%{text}: %{y}<extra></extra>",
    }
    xaxis = _axis("dimension of z, the one that says most first", showgrid=False)
    return _figure([bar], 260, xaxis=xaxis, yaxis=_axis(title, **axis), shapes=list(shapes), bargap=0.25)


def histogram(data: Array, samples: Array, title: str) -> Figure:
    """One column of x [N]: held-out data as bars, samples from the model as a line, both as shares."""
    edges = _edges(data, samples)
    shares = [np.histogram(values, edges)[0] / max(1, len(values)) for values in (data, samples)]
    middle = _rounded((edges[1:] + edges[:-1]) / 2)
    of = {"x": middle, "hovertemplate": "%{y:.1%}<extra></extra>"}
    return _figure(
        [
            {"type": "bar", "name": "data", "y": _rounded(shares[0]), "marker": {"color": "@muted"}} | of,
            {"type": "scatter", "name": "model", "y": _rounded(shares[1]), "mode": "lines"}
            | {"line": {"color": "@accent", "width": 2, "shape": "hvh"}}
            | of,
        ],
        190,
        title={"text": plain(title)},
        bargap=0.04,
        showlegend=False,
        yaxis={"visible": False, "rangemode": "tozero"},
    )


def _edges(data: Array, samples: Array) -> Array:
    both = np.concatenate([data, samples])
    values = np.unique(both)
    if len(values) <= BINS and (values == np.rint(values)).all():
        return np.arange(values[0] - 0.5, values[-1] + 1)
    low, high = np.quantile(both, [0.002, 0.998])
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def pair(data: Array, samples: Array, titles: tuple[str, str]) -> Figure:
    """Two columns [N, 2] of held-out data and of samples."""
    return _figure(
        [_cloud("model", samples, "@accent", 0.45), _cloud("data", data, "@ink", 0.6)],
        300,
        xaxis=_axis(plain(titles[0]), zeroline=False),
        yaxis=_axis(plain(titles[1]), zeroline=False),
    )


def _cloud(name: str, xy: Array, colour: str, opacity: float) -> Figure:
    marker = {"color": colour, "size": 4.5, "opacity": opacity}
    where = {"x": _rounded(xy[:, 0]), "y": _rounded(xy[:, 1]), "hoverinfo": "skip"}
    return {"type": "scatter", "mode": "markers", "name": name, "marker": marker, **where}


def explained(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """The share of each column's variance that reconstructions explain."""
    bar = {
        "type": "bar",
        "x": [plain(name) for name in names],
        "y": [round(share, 4) for share in shares],
        "marker": {"color": "@accent"},
        "hovertemplate": "%{x}: %{y:.1%}<extra></extra>",
    }
    yaxis = _axis("variance explained", tickformat=".0%", range=[min(0, *shares), 1.02])
    return _figure([bar], 260, xaxis={"type": "category", "showgrid": False}, yaxis=yaxis, bargap=0.35)


def component_shares(shares: torch.Tensor) -> Figure:
    """π of each component, the largest first."""
    order = shares.argsort(descending=True, stable=True)
    bar = {
        "type": "bar",
        "x": list(range(1, len(shares) + 1)),
        "y": _rounded(shares[order]),
        "marker": {"color": "@accent"},
        "hovertemplate": "%{y:.1%}<extra></extra>",
    }
    yaxis = _axis("share of examples", tickformat=".0%")
    return _figure([bar], 240, xaxis=_axis("component", showgrid=False), yaxis=yaxis, bargap=0.25)


def _rounded(values: torch.Tensor | Array) -> list[float]:
    """Four significant digits: a screen shows no more, and the file stays small."""
    return [float(f"{float(v):.4g}") for v in values]
