"""The page of a sweep: the rate–distortion curve with its two ends marked, and what marks them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ..diagnostics.aggregate import AUC
from ..diagnostics.collapse import DROP
from ..files import write_atomic
from ..trials.sweep import Point, Sweep
from .figures import Figure
from .page import HERE, content_policy, environment, script

NEAR = 0.04  # of the picture: points closer than that share a label
LOOKS = {  # of a point, by its mark: name in the legend, colour, symbol; what is drawn later lies on top
    "": ("neither", "@accent", "circle"),
    "collapse": ("collapse: the decoder does as well with another example's z", "@muted", "x"),
    "islands": ("islands: codes lie apart from what the prior draws", "#e15759", "diamond"),
}


def write_sweep(found: Sweep, path: Path) -> Path:
    """Write the page of a sweep and return its path; one file, which opens without a network."""
    write_atomic(path, sweep_page(found).encode())
    return path


def sweep_page(found: Sweep) -> str:
    """The HTML of a sweep."""
    scripts = [script(get_plotlyjs()), script((HERE / "behaviour.js").read_text(encoding="utf-8"))]
    return (
        environment()
        .get_template("sweep.html")
        .render(
            sweep=found,
            best=found.best,
            figures={"curve": curve(found), "drops": drops(found.points), "apart": apart(found.points)},
            style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
            sprite=None,
            labels=None,
            scripts=scripts,
            policy=content_policy(scripts),
        )
    )


def curve(found: Sweep) -> Figure:
    """Rate against distortion: a point per β, the run itself as a ring, the line of the best ELBO."""
    points = [*found.points, found.before]
    x, y = _range([p.judged.rate for p in points], 0.05), _range([p.judged.distortion for p in points], 0.14)
    best = -found.best.judged.elbo
    ring = {"size": 19, "color": "@ink", "symbol": "circle-open", "line": {"width": 1.5}}
    traces = [
        _line("", _xy(found.points), "@muted", "solid"),
        _line(
            f"rate + distortion = {best:.2f}, the best ELBO of β = {found.best.name}",
            (x, [best - v for v in x]),
            "@ink",
            "dot",
        ),
        *(_marked(found.points, mark) for mark in LOOKS),
        _dots(f"the run itself, {found.own_steps:,} steps", [found.before], ring),
    ]
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": {
            "height": 520,
            "xaxis": {"title": {"text": "rate: nats that z carries about x"}, "range": x, "zeroline": False},
            "yaxis": {"title": {"text": "distortion: nats that z leaves to be told"}, "range": y, "zeroline": False},
            "annotations": [_label(group, x, y) for group in _neighbours(found.points, x, y)],
            "showlegend": True,
            "hovermode": "closest",
        },
    }


def drops(points: Sequence[Point]) -> Figure:
    """What a foreign z costs, per β, and the line below which that is next to nothing."""
    values = [max(point.judged.drop, 1e-3) for point in points]
    return _bars(points, values, DROP, {"title": {"text": "nats per example"}, "type": "log", "dtick": 1})


def apart(points: Sequence[Point]) -> Figure:
    """How well codes are told from draws of the prior, per β."""
    return _bars(points, [p.aggregate.auc for p in points], AUC, {"title": {"text": "AUC"}, "range": [0.4, 1.02]})


def _bars(points: Sequence[Point], values: Sequence[float], threshold: float, axis: Figure) -> Figure:
    bar = {
        "type": "bar",
        "x": [f"β = {point.name}" for point in points],
        "y": [float(f"{value:.4g}") for value in values],
        "marker": {"color": [LOOKS[_mark(point)][1] for point in points]},
        "hovertemplate": "%{x}: %{y}<extra></extra>",
    }
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": threshold, "y1": threshold}
    shapes = [line | {"line": {"color": "@ink", "width": 1, "dash": "dot"}}]
    xaxis = {"type": "category", "showgrid": False}
    return {"data": [bar], "layout": {"height": 260, "xaxis": xaxis, "yaxis": axis, "shapes": shapes, "bargap": 0.35}}


def _mark(point: Point) -> str:
    return next(iter(point.marks), "")


def _marked(points: Sequence[Point], mark: str) -> Figure:
    name, colour, symbol = LOOKS[mark]
    return _dots(name, [p for p in points if _mark(p) == mark], {"size": 11, "color": colour, "symbol": symbol})


def _dots(name: str, points: Sequence[Point], marker: Figure) -> Figure:
    x, y = _xy(points)
    hover = "%{text}: rate %{x:.2f}, distortion %{y:.2f}<extra></extra>"
    text = [point.name if point.beta is None else f"β = {point.name}" for point in points]
    where = {"x": x, "y": y, "text": text, "hovertemplate": hover, "cliponaxis": False}
    return {"type": "scatter", "mode": "markers", "name": name, "marker": marker, **where}


def _line(name: str, xy: tuple[list[float], list[float]], colour: str, dash: str) -> Figure:
    line = {"color": colour, "width": 1.5, "dash": dash, "shape": "linear"}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": xy[0],
        "y": xy[1],
        "line": line,
        "hoverinfo": "skip",
        "showlegend": bool(name),
    }


def _xy(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [float(f"{p.judged.rate:.5g}") for p in points], [float(f"{p.judged.distortion:.6g}") for p in points]


def _range(values: Sequence[float], room: float) -> list[float]:
    span = max(max(values) - min(values), 1e-3)
    return [min(values) - room * span, max(values) + room * span]


def _neighbours(points: Sequence[Point], x: Sequence[float], y: Sequence[float]) -> list[list[Point]]:
    """Points in order, those too close for labels of their own together."""
    groups: list[list[Point]] = []
    for point in points:
        if groups and _distance(groups[-1][-1], point, x, y) < NEAR:
            groups[-1].append(point)
        else:
            groups.append([point])
    return groups


def _distance(one: Point, other: Point, x: Sequence[float], y: Sequence[float]) -> float:
    across = (one.judged.rate - other.judged.rate) / (x[1] - x[0])
    down = (one.judged.distortion - other.judged.distortion) / (y[1] - y[0])
    return (across**2 + down**2) ** 0.5


def _label(group: Sequence[Point], x: Sequence[float], y: Sequence[float]) -> Figure:
    """β and mark in words, a line for each mark; to the side where there is room."""
    rows = [(mark, [point.name for point in of]) for mark, of in groupby(group, _mark)]
    text = "<br>".join(f"β = {', '.join(names)}" + (f" · {mark}" if mark else "") for mark, names in rows)
    rate, distortion = group[0].judged.rate, group[0].judged.distortion
    right = rate > x[0] + 0.75 * (x[1] - x[0])
    return {
        "x": rate,
        "y": distortion,
        "text": text,
        "showarrow": False,
        "xanchor": "right" if right else "left",
        "yanchor": "bottom",
        "xshift": 0 if right else 12,
        "yshift": 10 if right else 2,
        "align": "left",
    }
