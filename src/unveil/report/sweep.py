"""The page of a sweep: the rate–distortion curve with its two ends marked, and what marks them."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from ..diagnostics.aggregate import AUC
from ..diagnostics.collapse import DROP
from ..plainfiles import write_output
from ..trials.sweep import HEADS, Point, Sweep
from .charts import Figure, axis, bars, figure, line, names_axis, points, rule, span
from .exhibits import Group, Plot, Table
from .page import rendered

NEAR = 0.04  # of the picture: points closer than that share a label
LOOKS = {  # of a point, by its mark: name in the legend, colour, symbol; what is drawn later lies on top
    "": ("neither", "@accent", "circle"),
    "collapse": ("collapse: the decoder does as well with the z of another example", "@muted", "x"),
    "islands": ("islands: codes lie apart from draws of the prior", "#e15759", "diamond"),
}


def write_sweep(found: Sweep, path: Path) -> Path:
    """Write the page of a sweep and return its path; one file, which opens without a network."""
    write_output(path, sweep_page(found).encode())
    return path


def sweep_page(found: Sweep) -> str:
    return rendered("sweep.html", _sections(found), run=found.run, lines=found.lines())


def _sections(found: Sweep) -> dict[str, Group]:
    ends = [
        Plot(
            "What the z of another example costs",
            "Each bar is how much log p(x|z) falls when the z of the examples are shuffled. A bar below the dotted "
            "line means collapse.",
            "drops",
            drops(found.points),
        ),
        Plot(
            "Codes told from draws of the prior",
            "Each bar is the AUC of a classifier on examples that it did not see; 0.5 means that codes and draws "
            "match. A bar clearly above the dotted line, and one dimension that differs by itself, mean islands.",
            "apart",
            apart(found.points),
        ),
    ]
    return {
        "curve": Group(
            "The curve",
            f"Each point is the same model, fitted to {found.source} by distortion + β · rate. −ELBO = rate + "
            "distortion, so points on one falling diagonal have the same ELBO. No refit lies below the dotted "
            "diagonal. A small β makes the rate cheap, and the codes move to places that the prior "
            "never draws. A large β makes the model give up z.",
            [Plot("", "", "curve", curve(found))],
        ),
        "ends": Group("What marks the ends", "", ends, across=2),
        "numbers": Group("In numbers", "", [_table(found)]),
    }


def _table(found: Sweep) -> Table:
    return Table(
        "",
        "The numbers are nats per validation example. The first row is the run itself, with its own objective and "
        "budget. The shaded row is the refit with the highest ELBO.",
        HEADS,
        [[value.replace("-", "−") for value in row] for row in found.rows()],
        own=1 + found.points.index(found.best),
    )


def curve(found: Sweep) -> Figure:
    """Rate against distortion: a point per β, the run itself as a ring, the line of the best ELBO."""
    judged = [point.judged for point in (*found.points, found.before)]
    x, y = span([one.rate for one in judged], 0.05, 0.05), span([one.distortion for one in judged], 0.14, 0.14)
    best = -found.best.judged.elbo
    equal = f"rate + distortion = {best:.2f}, the best ELBO, of β = {found.best.name}"
    own = f"the run itself, {found.own_steps:,} steps"
    traces = [
        line(*_xy(found.points), "@muted", width=1.5, hover=None, digits=6) | {"showlegend": False},
        line(x, [best - v for v in x], "@ink", equal, width=1.5, hover=None, dash="dot", digits=9),
        *(_dots(LOOKS[mark][0], [p for p in found.points if _mark(p) == mark], *LOOKS[mark][1:]) for mark in LOOKS),
        _dots(own, [found.before], "@ink", "circle-open", 19, line={"width": 1.5}),
    ]
    return figure(
        traces,
        axis("rate: the most nats that z can carry about x", range=x),
        axis("distortion: nats of x that z does not say", range=y),
        520,
        annotations=[_label(group, x, y) for group in _neighbours(found.points, x, y)],
        showlegend=True,
        hovermode="closest",
    )


def drops(points: Sequence[Point]) -> Figure:
    """What a foreign z costs, per β, and the line below which that is next to nothing."""
    values = [max(point.judged.drop, 1e-3) for point in points]
    return _bars(points, values, DROP, axis("nats per example", type="log", dtick=1))


def apart(points: Sequence[Point]) -> Figure:
    """How well codes are told from draws of the prior, per β."""
    return _bars(points, [p.aggregate.auc for p in points], AUC, axis("AUC", range=[0.4, 1.02]))


def _bars(points: Sequence[Point], values: Sequence[float], threshold: float, y: Figure) -> Figure:
    names, colours = [f"β = {point.name}" for point in points], [LOOKS[_mark(point)][1] for point in points]
    bar = bars(names, values, colours, "%{x}: %{y}")
    return figure([bar], names_axis(), y, 260, shapes=[rule(y=threshold, width=1)], bargap=0.35)


def _mark(point: Point) -> str:
    return next(iter(point.marks), "")


def _dots(name: str, of: Sequence[Point], colour: str, symbol: str, size: float = 11, **marker: object) -> Figure:
    text = [point.name if point.beta is None else f"β = {point.name}" for point in of]
    hover = "%{text}: rate %{x:.2f}, distortion %{y:.2f}"
    marks = points(*_xy(of), colour, name, size=size, hover=hover, digits=6, marker={"symbol": symbol, **marker})
    return marks | {"text": text, "cliponaxis": False}


def _xy(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [p.judged.rate for p in points], [p.judged.distortion for p in points]


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
    side, xshift, yshift = ("right", 0, 10) if right else ("left", 12, 2)
    where = {"xanchor": side, "yanchor": "bottom", "xshift": xshift, "yshift": yshift, "align": "left"}
    return {"x": rate, "y": distortion, "text": text, "showarrow": False, **where}
