"""What only this family of models has to show: bars, curves and rows of examples, drawn without knowing which it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..model.shared.panels import Bars, Lines, Panel, Strip
from . import family_figures as draw
from .columns import column_names
from .figures import Array, Figure
from .gallery import Painter, side_that_fits, uris
from .images import Row
from .subject import Subject
from .views import held_out

BUDGET, SIDES = 500_000, (96, 64, 48, 32, 24)  # characters of the page, for all strips together; sides of an image
MOST = 16  # images beside each other
CLOUDS = 12  # rows of vectors that are drawn


@dataclass(frozen=True)
class Shown:
    """One panel on the page.

    Arguments: title; caption; figures, names of plots with what they show; rows of images, each with its label.
    """

    title: str
    caption: str
    figures: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[tuple[str, Row]] = ()


def family(subject: Subject) -> tuple[list[Shown], dict[str, Figure]]:
    """The panels of a model in the order it gives them, and their figures by name."""
    return drawn(subject.own, subject)


def drawn(panels: Mapping[str, Panel], subject: Subject) -> tuple[list[Shown], dict[str, Figure]]:
    """Any panels of x like the subject's, and their figures by name."""
    paint, found = _painter(panels, subject), dict[str, Figure]()
    shown = []
    for name, panel in panels.items():
        figures = _figures(f"own_{name}", panel, subject)
        rows = paint(panel) if isinstance(panel, Strip) else []
        shown.append(Shown(panel.title, panel.caption, dict.fromkeys(figures, panel.title), rows))
        found |= figures
    return shown, found


def _figures(name: str, panel: Panel, subject: Subject) -> dict[str, Figure]:
    """What is drawn as curves; each row of vectors [N, D] as a cloud of its own."""
    match panel:
        case Bars():
            return {name: draw.bars(panel)}
        case Lines():
            return {name: draw.lines(panel)}
    if subject.domain.is_image:
        return {}
    columns, rows = column_names(subject)[:2], panel.rows.flatten(2).float().cpu().numpy()[:CLOUDS]
    box = rows.reshape(-1, rows.shape[2])[:, :2]
    both = enumerate(zip(rows, panel.row_labels, strict=False))
    return {f"{name}_{i}": draw.cloud(row, label, columns, box) for i, (row, label) in both}


def _painter(panels: Mapping[str, Panel], subject: Subject) -> Callable[[Strip], list[tuple[str, Row]]]:
    """The rows of a strip with their labels, in images of a size at which all strips together fit into the page."""
    strips = [panel for panel in panels.values() if isinstance(panel, Strip)]
    if not strips or not subject.domain.is_image:
        return lambda _: []
    paint = Painter.of(subject.domain, held_out(subject, 2000))
    every = np.concatenate([paint(_few(strip)) for strip in strips])
    side = side_that_fits(every, len(every), BUDGET, SIDES)

    def rows(strip: Strip) -> list[tuple[str, Row]]:
        images = [uris(paint(row), side) for row in _few(strip)]
        return [(label, Row(row, [""] * len(row))) for label, row in zip(strip.row_labels, images, strict=True)]

    return rows


def _few(strip: Strip) -> Array:
    """Of many examples in a row the first, the last and some between them at even steps, [R, n, *shape]."""
    count = strip.rows.shape[1]
    kept = torch.linspace(0, count - 1, min(MOST, count)).round().long()
    return strip.rows[:, kept.to(strip.rows.device)].float().cpu().numpy()
