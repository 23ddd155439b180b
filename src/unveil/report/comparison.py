"""The page of a comparison: one table, the validation curves over each other, and draws beside each other."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ..evaluation.compare import Comparison
from ..evaluation.findings import SIGNS
from ..files import write_atomic
from . import figures
from .beside import beside
from .family import drawn
from .gallery import CRISP
from .page import HERE, content_policy, environment, script
from .subject import Subject


def write_comparison(found: Comparison, path: Path) -> Path:
    """Write the page of a comparison and return its path; one file, which opens without a network."""
    write_atomic(path, comparison_page(found).encode())
    return path


def comparison_page(found: Comparison) -> str:
    """The HTML of a comparison."""
    scripts = [script(get_plotlyjs()), script((HERE / "behaviour.js").read_text(encoding="utf-8"))]
    curves = {row.name: row.curve for row in found.rows if row.curve[0]}
    runs = [row.run for row in found.rows]
    own, of_panels = drawn(beside(runs), Subject.of(runs[0]))
    return (
        environment()
        .get_template("comparison.html")
        .render(
            comparison=found,
            sides=SIGNS,
            figures=of_panels | {"curves": figures.overlaid(curves), "rates": figures.rate_distortion(found)},
            own=own,
            crisp=max(runs[0].model.domain.shape) <= CRISP,
            style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
            sprite=None,
            labels=None,
            scripts=scripts,
            policy=content_policy(scripts),
        )
    )
