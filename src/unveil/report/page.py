"""The page: everything a report shows, put into one HTML file that opens without a network."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ..data import Split
from ..errors import WorkError
from ..estimators.label import label
from ..evaluation.findings import SIGNS, quantity
from ..runs.store import RunStore
from . import figures
from .anatomy import anatomy
from .columns import column_views
from .evidence import evidence
from .family import family
from .images import image_views
from .latents import Map, dimensions, latent_map
from .repeat import judgement, repetition
from .rounding import error, fixed
from .subject import Subject
from .views import Extremes, extremes

HERE = Path(__file__).parent
MOST_BYTES = 8_000_000
EXTREMES = 12


def page(run: RunStore) -> str:
    """The HTML of a finished run's report."""
    subject = Subject.of(run)
    found = _found(subject)
    scripts = [script(get_plotlyjs()), script((HERE / "behaviour.js").read_text(encoding="utf-8"))]
    html = (
        environment()
        .get_template("template.html")
        .render(
            found,
            result=subject.result,
            info=subject.info,
            config=run.config.to_json(),
            name=run.data.name,
            path=run.path,
            quantity=quantity(subject.result),
            side=SIGNS[subject.result["direction"]],
            domain=subject.domain,
            closed_form=subject.model.solves == "all",
            groups=subject.model.groups,
            real_z=subject.has_real_z,
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
    made.globals["label"] = label
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


def _found(subject: Subject) -> dict[str, Any]:
    """What the template shows, by name; what does not apply to this run is None."""
    likely = extremes(subject, EXTREMES)
    drawn = _training(subject) | _latents(subject)
    shown: dict[str, Any] = {"rows": {}, "sprite": None, "crisp": True, "columns": None}
    points = latent_map(subject)
    if subject.domain.is_image:
        shown |= image_views(subject, likely, points)
    else:
        more, shown["columns"] = column_views(subject)
        drawn |= more
    if points is not None:
        drawn["map"] = figures.latent_map(points, subject.classes)
    own, figures_of_it = family(subject)
    drawn |= figures_of_it
    known = evidence(subject)
    drawn |= known.figures
    if subject.result["baselines"]:
        drawn["baselines"] = figures.baselines(subject.result["baselines"])
    return {
        **shown,
        "map": points,
        "labels": _labels(subject, points),
        "figures": drawn,
        "dimensions": dimensions(subject),
        "own": own,
        "extremes": _table(subject, likely),
        "evidence": known,
        "anatomy": anatomy(subject),
        "commands": repetition(subject.run),
        "judgement": judgement(subject.run),
        "starts": starts(subject.run),
    }


def _labels(subject: Subject, points: Map | None) -> list[str] | None:
    """The class of every point of the map, "" where it is not known."""
    if points is None or points.codes is None or subject.classes is None:
        return None
    return ["" if code < 0 else subject.classes[code] for code in points.codes.tolist()]


def starts(run: RunStore) -> list[int]:
    """The steps made before each phase began."""
    made = [0]
    for phase in range(len(run.config.phases) - 1):
        made.append(made[-1] + max((row["step"] for row in run.metrics if row["phase"] == phase), default=0))
    return made


def best_step(run: RunStore) -> int | None:
    """The step whose weights were kept: the best validation bound of the last phase's last stage."""
    last = len(run.config.phases) - 1
    rows = [row for row in run.metrics if "valid_bound" in row and row["phase"] == last]
    rows = [row for row in rows if row.get("stage") == rows[-1].get("stage")]
    return starts(run)[-1] + max(rows, key=lambda row: row["valid_bound"])["step"] if rows else None


def _training(subject: Subject) -> dict[str, figures.Figure]:
    run = subject.run
    metrics, best = run.metrics, best_step(run)
    names = ("bound", "rate", "distortion") if subject.model.groups else ("bound",)
    drawn = {name: figures.curve(metrics, name, starts(run), best) for name in names}
    return {name: figure for name, figure in drawn.items() if figure["data"]}


def _latents(subject: Subject) -> dict[str, figures.Figure]:
    drawn, each = {}, dimensions(subject)
    if each is not None:
        drawn["variances"] = figures.variance_per_dimension(each)
        if each.kl is not None:
            drawn["rates"] = figures.rate_per_dimension(each)
    if "shares" in subject.panels:
        drawn["shares"] = figures.component_shares(subject.panels["shares"])
    return drawn


def _table(subject: Subject, found: Extremes) -> list[dict[str, Any]]:
    """The least and the most likely test examples: row of the source, label, log p(x), first values."""
    sides = (
        ("Least likely", found.least, found.least_log_px),
        ("Most likely", found.most, found.most_log_px),
    )
    return [
        {
            "title": title,
            "rows": [
                {
                    "row": int(subject.test.rows[place]),
                    "label": subject.label(subject.test, place),
                    "log_px": log_px,
                    "values": _first_values(subject.test, place),
                }
                for place, log_px in zip(places, values, strict=True)
            ],
        }
        for title, places, values in sides
    ]


def _first_values(split: Split, place: int) -> list[str]:
    """The first values of one example; a dash where it is not observed."""
    values = split.x[place].flatten()[:6].tolist()
    seen = [True] * len(values) if split.observed is None else split.observed[place].flatten()[:6].tolist()
    return [f"{v:.4g}" if known else "–" for v, known in zip(values, seen, strict=True)]
