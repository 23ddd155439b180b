"""The page of a comparison: one table, the validation curves over each other, and draws beside each other."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from ..estimators.label import label_of
from ..evaluation.compare import Comparison, Row
from ..evaluation.findings import SIGNS
from ..plainfiles import write_output
from ..runs.curves import Curve
from .beside import beside
from .charts import Figure, axis, class_colour, figure, line, plain, points, without_the_first_fall
from .exhibits import Group, Plot, Table
from .page import rendered
from .rounding import error, fixed
from .subject import Subject

HEAD = ("run", "model", "objective", "judged by", "log p(x)", "below the best", "ELBO", "rate", "distortion", "active")


def write_comparison(found: Comparison, path: Path) -> Path:
    """Write the page of a comparison and return its path; one file, which opens without a network."""
    write_output(path, comparison_page(found, path.parent).encode())
    return path


def comparison_page(found: Comparison, folder: Path = Path()) -> str:
    """The HTML of the page, whose links to the reports of the runs start from the folder that it is to lie in."""
    subject = Subject.of(found.rows[0].run)
    head: dict[str, Any] = {"comparison": found, "side": SIGNS[subject.result["direction"]]}
    return rendered("comparison.html", _sections(found, folder), subject.paint, subject.column_names, **head)


def _linked(row: Row, folder: Path) -> str:
    """The name of a run, with a link to its report where it has one."""
    report = row.run.report_path
    if not report.is_file():
        return row.name
    try:
        where = Path(os.path.relpath(report.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive, on Windows
        where = report.resolve().as_uri()
    return Markup('<a href="{}">{}</a>').format(where if ":" in where else quote(where), row.name)


def _sections(found: Comparison, folder: Path) -> dict[str, Group]:
    curves = {row.name: row.curve for row in found.rows if row.curve[0]}
    return {
        "table": Group(
            "Side by side",
            f"All runs are judged on the same {found.rows[0].result['num_examples']:,} test examples. The column "
            "“below the best” shows how many nats per example a run loses to the best one. After ± stands the standard "
            "error of this difference, paired over the examples. A click on a name opens the report of that run.",
            [Table("", "", HEAD, [_row(row, folder) for row in found.rows], worded=4)],
        ),
        "training": Group(
            "Training",
            "Each curve is the bound on log p(x) that the objective of a run gives on validation examples. Some "
            "objectives have tighter bounds than others.",
            [Plot("", "", "curves", overlaid(curves))],
        ),
        "costs": Group(
            "Rate and distortion",
            "−ELBO = distortion + rate. The rate is the most that z can carry about x, in nats. The distortion is what "
            "z does not say about x. Two runs on one falling diagonal have the same ELBO.",
            [Plot("", "", "rates", rate_distortion(found))],
        ),
        "beside": Group("What they draw", "", beside([row.run for row in found.rows])),
    }


def _row(row: Row, folder: Path) -> list[str]:
    result, columns = row.result, row.columns()
    return [
        _linked(row, folder),
        *(columns[name] for name in ("model", "objective")),
        label_of(result),
        f"{SIGNS[result['direction']]} {fixed(result['log_px'])}",
        "–" if row.difference == 0 and row.stderr is None else f"{fixed(-row.difference)} ± {error(row.stderr)}",
        *(fixed(result[name]) for name in ("elbo", "rate", "distortion")),
        "–" if result["active_units"] is None else str(result["active_units"]),
    ]


def overlaid(curves: Mapping[str, Curve]) -> Figure:
    """The validation bound of several runs, {name: (steps, bounds)}, over each other."""
    hover = "%{y:.2f} at step %{x}"
    traces = [
        line(*xy, class_colour(i, len(curves)), name, marks=True, hover=hover, digits=7)
        for i, (name, xy) in enumerate(curves.items())
    ]
    visible = without_the_first_fall(*(bounds for _, bounds in curves.values()))
    return figure(traces, axis("step"), axis("nats per example", **visible), 420, showlegend=True)


def rate_distortion(found: Comparison) -> Figure:
    """A point per run: what z carries against what it does not say."""
    names, rates = [row.name for row in found.rows], [row.result["rate"] for row in found.rows]
    middle = (min(rates) + max(rates)) / 2
    colours = [class_colour(i, len(names)) for i in range(len(names))]
    hover = "%{text}: rate %{x:.2f}, distortion %{y:.2f}"
    named = {
        "mode": "markers+text",
        "text": [plain(name) for name in names],
        "textposition": [
            f"{('top', 'bottom')[i % 2]} {'right' if rate <= middle else 'left'}"  # names stay on the page
            for i, rate in enumerate(rates)
        ],
        "cliponaxis": False,
    }
    each = points(rates, [row.result["distortion"] for row in found.rows], colours, size=11, hover=hover, digits=7)
    return figure([each | named], axis("rate, nats"), axis("distortion, nats"), 360)
