"""Figures of "How good is it, really": the bracket, the gap, the rate split and densities."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .charts import Array, Figure, axis, bars, errors, figure, line, note, plain, points, rule, short, span
from .densities import AggregateDraws, Beside, DensityGrid
from .rounding import fixed

BINS = 24
EDGE = "\u00a0\u00a0"  # between a label and its axis
LEVELS = (0.99, 0.9, 0.5)  # of the mass, from the outermost contour inwards
SYMBOLS = {"lower": "triangle-right", "upper": "triangle-left", "exact": "diamond"}


def bracket(rows: Sequence[Mapping[str, Any]], what: str) -> Figure:
    """Bounds from below point right, from above left; the true value lies in the shaded part.

    Arguments: rows, with a log_px that is a number, from the loosest bound to the tightest; what they are bounds on.
    """
    left, right = _room(rows)
    low, high = (end if side is None else side for end, side in zip((left, right), enclosed(rows), strict=True))
    shade = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0}}
    exact = [rule(x=row["log_px"], dash="solid") for row in rows if row["direction"] == "exact"]
    return figure(
        [_rung(row, _drawn_at(row, rows)) for row in rows],
        axis(f"{what}, nats per example", range=[left, right]),
        {"autorange": "reversed", "showgrid": False, "ticksuffix": EDGE, "type": "category"},
        88 + 40 * len(rows),
        shapes=[shade | {"fillcolor": "@wash", "x0": low, "x1": high}, *exact],
        annotations=[note("the true value", (low + high) / 2, "@accent", yanchor="bottom")],
        margin={"l": 20, "r": 20, "t": 30, "b": 42},
    )


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


def _room(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """A range with room at both ends, more of it on a side without a bound."""
    before, after = (0.2 if side is None else 0.08 for side in enclosed(rows))
    values = [row["log_px"] for row in rows]
    return span(values if len(set(values)) > 1 else [values[0] - 0.5, values[0] + 0.5], before, after)


def _drawn_at(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> float:
    """Where a mark stands: a bound that is beyond the true value by its own noise alone stands at it, not beyond."""
    value, (below, above) = float(row["log_px"]), enclosed(rows)
    truth = above if row["direction"] == "lower" else below if row["direction"] == "upper" else None
    if truth is None or (value <= truth) == (row["direction"] == "lower"):
        return value
    noise = math.hypot(*(other.get("stderr_mc") or 0 for other in rows if other["log_px"] in (truth, value)))
    return truth if abs(value - truth) <= max(0.005, 3 * noise) else value


def _rung(row: Mapping[str, Any], place: float) -> Figure:
    strict, value, stderr = row.get("strict", True), fixed(row["log_px"]), row.get("stderr_mc") or 0
    colour = "@ink" if row["direction"] == "exact" else "@accent"
    symbol = SYMBOLS[row["direction"]] + ("" if strict else "-open")
    told = [] if strict else ["heuristic"]
    told += [] if place == row["log_px"] else ["equal to the true value within its noise"]
    label = f"{plain(str(row['name']))}  <b>{value}</b>" + "".join(f"{EDGE}<br>{word}" for word in told)
    mark = points(
        [place], [0], colour, size=14, digits=9, hover=f"{value} ± {stderr:.2g} nats",
        marker={"line": {"width": 2, "color": colour}, "symbol": symbol},
    )  # fmt: skip
    return mark | {"y": [label], "cliponaxis": False, "error_x": errors([stderr], colour)}


def gap(amortisation: Sequence[float], approximation: Sequence[float]) -> tuple[Figure, Figure]:
    """Both gaps over the examples as histograms of the same bins, their means marked."""
    parts = [np.array(amortisation), np.array(approximation)]
    low, high = np.quantile(np.concatenate(parts), [0.005, 0.995])
    edges = np.linspace(min(low, 0), high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(part.clip(edges[0], edges[-1]), edges)[0] / len(part) for part in parts]
    top = 1.12 * max(float(share.max()) for share in shares)
    first, second = (
        _gap(edges, share, float(part.mean()), top, colour)
        for share, part, colour in zip(shares, parts, ("@accent", "@muted"), strict=True)
    )
    return first, second


def _gap(edges: Array, shares: Array, mean: float, top: float, colour: str) -> Figure:
    bar = bars(short((edges[1:] + edges[:-1]) / 2), shares, colour, "%{y:.1%} around %{x:.2f} nats")
    return figure(
        [bar],
        axis("nats", range=[float(edges[0]), float(edges[-1])], zeroline=True),
        axis("share of examples", tickformat=".0%", range=[0, top]),
        240,
        bargap=0.06,
        shapes=[rule(x=mean)],
        annotations=[note(f" mean {fixed(mean)}", mean, xanchor="left", yanchor="top")],
    )


def rate_split(mutual_information: float, marginal_kl: float, cap: float | None) -> Figure:
    """rate = I(x; z) + KL(q(z) ‖ p(z)) as one bar, with the most that so many examples can tell of I.

    Arguments: cap, log N, to be shown or None.
    """
    parts = (
        ("mutual information", max(mutual_information, 0), "@accent", "@paper"),
        ("KL(aggregate ‖ prior)", max(marginal_kl, 0), "@muted", "@ink"),
    )
    total = sum(value for _, value, _, _ in parts) or 1.0
    within = {"textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
    traces = [
        bars([""], [value], colour, f"{name}: %{{x:.2f}} nats", level=True, name=name)
        | {"text": [f"{value:.2f}" if value > 0.05 * total else ""], "insidetextfont": {"color": ink}, **within}
        for name, value, colour, ink in parts
    ]
    legend = {"orientation": "h", "x": 0, "y": 1.05, "yanchor": "bottom", "traceorder": "normal"}
    x, more = axis("nats per example"), {}
    if cap is not None:
        x["range"] = [0, 1.08 * max(total, cap)]
        more = {"shapes": [rule(x=cap)], "annotations": [note("log N", cap, yanchor="bottom")]}
    return figure(traces, x, {"visible": False}, 150, barmode="stack", showlegend=True, legend=legend, **more)


def aggregate(found: AggregateDraws) -> Figure:
    """Draws of q(z) over the contours of p(z), or over a cloud of its draws; bars under a line for a single z."""
    if len(found.titles) == 1:
        return _aggregate_line(found)
    q = _cloud("q(z): a draw for each x", found.q, "@accent")
    under = _cloud("p(z): draws", found.p, "@muted")
    if found.density is not None:
        under = _contour(found.density, "p(z): 50, 90 and 99 % of it", {"color": "@soft", "width": 1.3}, False)
    x, y = axis(found.titles[0], constrain="domain"), axis(found.titles[1], scaleanchor="x")
    return figure([under, q], x, y, 480, showlegend=True, hovermode=False)


def _aggregate_line(found: AggregateDraws) -> Figure:
    assert found.density is not None  # one z has no other dimension to depend on
    x = found.density.x.double().numpy()
    edges = np.linspace(x[0], x[-1], 2 * BINS + 1)
    shares = np.histogram(found.q[:, 0].double().cpu().numpy(), edges)[0] / len(found.q)
    density = found.density.log_mass[0].exp().numpy() / (x[1] - x[0]) * (edges[1] - edges[0])
    q = bars(short((edges[1:] + edges[:-1]) / 2), shares, name="q(z): a draw for each x")
    p = line(x, density, "@ink", "p(z)", width=2, hover=None)
    shown = {"visible": False, "rangemode": "tozero"}
    return figure([q, p], axis(found.titles[0]), shown, 300, bargap=0.06, showlegend=True)


def beside(found: Beside, titles: Sequence[str]) -> Figure:
    """p(z|x) filled, q(z|x) as lines over it; both at the same shares of their mass."""
    p = _contour(found.true, "p(z|x)", {"width": 0}, True)
    q = _contour(found.q, "q(z|x)", {"color": "@ink", "width": 1.4, "dash": "3px,2px"}, False)
    x, y = axis(titles[0], nticks=5, constrain="domain"), axis(titles[1], nticks=5, scaleanchor="x")
    return figure([p, q], x, y, 250, hovermode=False, margin={"l": 40, "r": 8, "t": 8, "b": 36})


def _contour(grid: DensityGrid, name: str, style: Figure, filled: bool) -> Figure:
    """Contours that enclose 99, 90 and 50 % of the mass, as the levels 1, 2 and 3 of a height."""
    colouring = {"coloring": "fill", "showlines": False} if filled else {"coloring": "none"}
    trace: Figure = {"type": "contour", "name": name, "x": short(grid.x, 7), "y": short(grid.y, 7)}
    trace["z"] = [short(row) for row in _heights(grid)]
    trace["contours"] = {"start": 1, "end": 3, "size": 1} | colouring
    trace |= {"line": {"smoothing": 1} | style, "hoverinfo": "skip", "showscale": False, "showlegend": not filled}
    if filled:
        trace |= {"zmin": 0, "zmax": 3.5, "zauto": False, "autocontour": False}
        trace["colorscale"] = [[0, "@paper"], [0.25, "@wash"], [1, "@accent"]]
    return trace


def _heights(grid: DensityGrid) -> Tensor:
    """log p, bent so that the contours of LEVELS lie at 1, 2 and 3; nothing far below the outermost."""
    log_mass, inside = grid.log_mass.double(), grid.inside.double()
    ends = [float(log_mass[inside <= level].min()) if bool((inside <= level).any()) else float(log_mass.max())
            for level in LEVELS]  # fmt: skip
    top = float(log_mass.max())
    known = np.array([ends[0] - 3, *ends, top])
    known = np.maximum.accumulate(known + 1e-6 * np.arange(len(known)))
    heights = np.interp(log_mass.numpy(), known, [0, 1, 2, 3, 3.5])
    return torch.from_numpy(heights)


def _cloud(name: str, z: Tensor, colour: str) -> Figure:
    return points(z[:, 0], z[:, 1], colour, name, opacity=0.55)
