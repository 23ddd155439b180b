"""From panels to what a page's templates show: every figure by its name, images of a size at which all of them fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jinja2 import Environment
from markupsafe import Markup

from ..panels import Bars, Lines, Panel, Strip
from . import charts
from .charts import FEW, Array, Figure, axis, figure, log_axis, short
from .exhibits import Group, Html, Plot, Table
from .gallery import Painter, side_that_fits, uris

BUDGET, SIDES = 1_800_000, (96, 64, 48, 32, 24)  # characters of the page, for all images together; sides of an image
MOST = 16  # images beside each other
CLOUDS = 12  # rows of vectors that are drawn


@dataclass(frozen=True)
class Row:
    """Images beside each other, with a label before them and a caption under each, "" for none."""

    label: str
    images: Sequence[str]
    captions: Sequence[str]
    columns: int


@dataclass(frozen=True)
class Shown:
    """A panel as the templates show it.

    Arguments: panel, with its title and words; figure, its name and height, or None; rows of images; table; html;
    parts.
    """

    panel: Panel
    figure: tuple[str, int] | None = None
    rows: Sequence[Row] = ()
    table: Table | None = None
    html: Markup | None = None
    parts: Sequence[Shown] = ()


@dataclass(frozen=True)
class Drawing:
    """Draws panels one after another.

    Arguments: templates; paint, of images, or None where x is none; columns, the names of the first columns of vectors;
    side of the images in pixels; figures, what has been drawn so far, by name.
    """

    templates: Environment
    paint: Painter | None
    columns: Sequence[str]
    side: int
    figures: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        panels: Mapping[str, Panel], templates: Environment, paint: Painter | None, columns: Sequence[str]
    ) -> Drawing:
        """The side of images is the largest at which those of all panels fit into the page."""
        strips = [panel for panel in every(*panels.values()) if isinstance(panel, Strip)]
        if paint is None or not strips:
            return Drawing(templates, None, columns, SIDES[0])
        images = np.concatenate([paint(row) for strip in strips for row in few(strip)])
        return Drawing(templates, paint, columns, side_that_fits(images, len(images), BUDGET, SIDES))

    def shown(self, panel: Panel, name: str) -> Shown:
        """A panel, whose figure is called so unless it has a name of its own."""
        match panel:
            case Plot():
                return self._plot(panel, panel.name, panel.figure)
            case Bars():
                return self._plot(panel, name, of_bars(panel))
            case Lines():
                return self._plot(panel, name, of_lines(panel))
            case Strip() if self.paint is not None:
                return Shown(panel, rows=list(self._rows(panel, self.paint)))
            case Strip():
                return self.shown(_clouds(panel, self.columns, name), name)
            case Table():
                return Shown(panel, table=panel)
            case Html():
                return Shown(panel, html=Markup(self.templates.get_template(panel.template).render(panel.values)))
            case Group():
                return Shown(panel, parts=[self.shown(part, f"{name}_{i}") for i, part in enumerate(panel.parts)])
        return Shown(panel)

    def _plot(self, panel: Panel, name: str, data: dict[str, Any]) -> Shown:
        self.figures[name] = data
        return Shown(panel, figure=(name, data["layout"]["height"]))

    def _rows(self, strip: Strip, paint: Painter) -> Iterator[Row]:
        for i, row in enumerate(few(strip)):
            label = strip.row_labels[i] if strip.row_labels else ""
            captions = strip.captions[i] if strip.captions else [""] * len(row)
            yield Row(label, uris(paint(row), self.side), captions, strip.columns or len(row))


def every(*panels: Panel) -> Iterator[Panel]:
    """The panels, and those within them."""
    for panel in panels:
        yield panel
        if isinstance(panel, Group):
            yield from every(*panel.parts)


def few(strip: Strip) -> list[Array]:
    """Rows [n, *shape]; of many examples beside each other the first, the last and some between them at even steps."""
    rows = [row.detach().float().cpu().numpy() for row in strip.rows]
    if strip.columns or len(rows[0]) <= MOST:
        return rows
    kept = torch.linspace(0, len(rows[0]) - 1, MOST).round().long().numpy()
    return [row[kept] for row in rows]


def of_bars(panel: Bars) -> Figure:
    bar = charts.bars([charts.plain(label) for label in panel.labels], panel.values, hover="%{x}: %{y}")
    return figure([bar], charts.names_axis(showticklabels=len(panel.labels) <= FEW), axis(panel.unit), bargap=0.35)


def of_lines(panel: Lines) -> Figure:
    """A curve per name; a legend where there are several."""
    count = len(panel.series)
    curves = [
        charts.line(xs, ys, charts.class_colour(i, count) if count > 1 else "@accent", name, marks=len(xs) <= FEW)
        for i, (name, (xs, ys)) in enumerate(panel.series.items())
    ]
    places = [x for xs, _ in panel.series.values() for x in short(xs)]
    x = log_axis(panel.x_label, places) if panel.log_x else axis(panel.x_label)
    y = log_axis(panel.y_label) if panel.log_y else axis(panel.y_label)
    return figure(curves, x, y, showlegend=count > 1)


def _clouds(strip: Strip, columns: Sequence[str], name: str) -> Group:
    """Each row of vectors as a cloud of its own; all share one box."""
    rows = [row.detach().flatten(1).float().cpu().numpy() for row in strip.rows][:CLOUDS]
    low, high = np.nanquantile(np.concatenate(rows)[:, :2], [0.002, 0.998], axis=0)
    room = 0.08 * (high - low) + 1e-6
    axes = [axis(n, range=[a, b]) for n, a, b in zip(columns, low - room, high + room, strict=False)]
    labels = [*strip.row_labels, *[""] * len(rows)]
    plots = [Plot(labels[i], "", f"{name}_{i}", _cloud(row, axes)) for i, row in enumerate(rows)]
    return Group(strip.title, strip.words, plots, across=3 if len(plots) > 1 else 1)


def _cloud(rows: Array, axes: list[Figure]) -> Figure:
    """Rows [N, D] by their first two columns, or the shares of their only column."""
    if rows.shape[1] > 1:
        return figure([charts.points(rows[:, 0], rows[:, 1], "@accent", opacity=0.6)], axes[0], axes[1])
    shares = {"type": "histogram", "x": short(rows[:, 0]), "histnorm": "probability", "marker": {"color": "@accent"}}
    return figure([shares], axes[0], {"visible": False})
