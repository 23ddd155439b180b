"""The page: sections of panels, put into one HTML file that opens without a network."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ..errors import WorkError
from ..evaluation.findings import SIGNS, quantity
from ..legible import readable
from ..runs.store import RunStore
from .drawing import Drawing
from .exhibits import Group
from .gallery import Painter
from .rounding import error, fixed
from .sections import groups
from .subject import Subject

HERE = Path(__file__).parent
MOST_BYTES = 8_000_000


def page(run: RunStore) -> str:
    subject = Subject.of(run)
    found = {"quantity": quantity(subject.result), "side": SIGNS[subject.result["direction"]]}
    return rendered("run.html", groups(subject), subject.paint, subject.column_names, subject=subject, **found)


def rendered(
    template: str, sections: Mapping[str, Group], paint: Painter | None = None, columns: Sequence[str] = (), **head: Any
) -> str:
    """The HTML of a page: a template that says what is above the sections, and the sections.

    Arguments: template; sections by their addresses; paint and columns, for examples that are images or vectors; head,
    the values of the template.
    """
    made = environment()
    drawing = Drawing.of(sections, made, paint, columns)
    shown = {name: drawing.shown(group, name) for name, group in sections.items()}
    scripts = [script(get_plotlyjs()), script((HERE / "behaviour.js").read_text(encoding="utf-8"))]
    html = readable(
        made.get_template(template).render(
            head,
            sections=shown,
            figures=drawing.figures,
            crisp=paint is not None and paint.crisp,
            style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
            scripts=scripts,
            policy=content_policy(scripts),
        )
    )
    size = len(html.encode())
    if size > MOST_BYTES:
        raise WorkError(f"The report came to {size / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are allowed.")
    return html


def environment() -> Environment:
    """Templates of this folder: everything escaped, nothing undefined, one way to round numbers."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    made.filters |= {"fixed": fixed, "error": error}
    return made


def content_policy(scripts: list[Markup]) -> str:
    """Nothing from anywhere: inline style, data: images, and of scripts only these, each by its SHA-256."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def script(source: str) -> Markup:
    """JavaScript of a package, safe between <script> tags, with the line ends that a browser hashes."""
    if "</script" in source.lower() or "<!--" in source:
        raise WorkError("A script of the report would end its own element.")
    return Markup(source.replace("\r\n", "\n").replace("\r", "\n"))
