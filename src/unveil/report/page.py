"""The page: sections of panels, put into one HTML file that opens without a network."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..errors import WorkError
from ..evaluation.findings import SIGNS, quantity
from ..glossary import TERMS
from ..languages import ENGLISH, Tongue
from ..legible import readable, shortened
from ..runs.store import RunStore
from .claims import claims
from .drawing import Drawing
from .exhibits import Group
from .gallery import Painter
from .rounding import error, fixed
from .sections import groups
from .subject import Subject
from .vendor import plotly
from .wording import figure_in, in_language, tongue_of

HERE = Path(__file__).parent
OWN = ("behaviour.js", "reading.js")  # scripts of a page: its figures; its terms, folds and print
MOST_BYTES = 8_000_000
LONGEST = 5000  # characters of a text; what is as long is a name, of which the files of the run hold the whole
LEFT_OUT = "This part was left out: with it the page would have been larger than {:.0f} MB. The run has all numbers."


def page(run: RunStore, lang: str = "en") -> str:
    """The page of a finished run, in one of the languages."""
    subject = Subject.of(run)
    tongue = tongue_of(subject, lang)
    found = {"quantity": quantity(subject.result), "side": SIGNS[subject.result["direction"]]}
    return rendered(
        "run.html", groups(subject), subject.paint, subject.column_names, tongue,
        subject=subject, claims=claims(subject), **found,
    )  # fmt: skip


def rendered(
    template: str,
    sections: Mapping[str, Group],
    paint: Painter | None = None,
    columns: Sequence[str] = (),
    tongue: Tongue = ENGLISH,
    **head: Any,
) -> str:
    """The HTML of a page: a template that says what is above the sections, and the sections.

    Arguments: template; sections by their addresses; paint and columns, for examples that are images or vectors;
    tongue, what says it all in a language; head, the values of the template.
    """
    sections = {name: in_language(group, tongue) for name, group in sections.items()}
    while True:
        html, weights = _written(template, sections, paint, columns, tongue, head)
        if (size := len(html.encode())) <= MOST_BYTES:
            return html
        heaviest = max(sections, key=lambda name: weights[name] if sections[name].parts else 0)
        if not sections[heaviest].parts:
            raise WorkError(f"The report came to {size / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are allowed.")
        sections[heaviest] = Group(sections[heaviest].title, tongue(LEFT_OUT.format(MOST_BYTES / 1e6)), [])


def _written(
    template: str,
    sections: Mapping[str, Group],
    paint: Painter | None,
    columns: Sequence[str],
    tongue: Tongue,
    head: Mapping[str, Any],
) -> tuple[str, dict[str, int]]:
    """The HTML, and how many characters each section takes of it, about."""
    made = environment(tongue)
    drawing = Drawing.of(sections, made, paint, columns)
    shown, weights = {}, {}
    for name, group in sections.items():
        before = set(drawing.figures)
        shown[name] = drawing.shown(group, name)
        weights[name] = len(repr(shown[name])) + sum(
            len(repr(v)) for k, v in drawing.figures.items() if k not in before
        )
    own = "\n".join((HERE / name).read_text(encoding="utf-8") for name in OWN)
    scripts = [script(plotly()), script(own)]
    html = made.get_template(template).render(
        head,
        sections=shown,
        figures=with_short_names({name: figure_in(figure, tongue) for name, figure in drawing.figures.items()}),
        crisp=paint is not None and paint.crisp,
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        scripts=scripts,
        policy=content_policy(scripts),
        terms=TERMS,
    )
    return readable(html), weights


def with_short_names(value: Any) -> Any:
    """What templates print and figures hold, with the ends of a text that is too long; pictures and HTML stay."""
    match value:
        case Markup():
            return value
        case str():
            return value if value.startswith("data:image/") else shortened(value, LONGEST)
        case dict():
            return {with_short_names(name): with_short_names(each) for name, each in value.items()}
        case list() | tuple():
            return [with_short_names(each) for each in value]
    return value


def environment(tongue: Tongue = ENGLISH) -> Environment:
    """Templates of this folder: everything escaped, nothing undefined, one way to round numbers, in one language."""
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=with_short_names,
    )
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}

    def said(text: Markup) -> Markup:
        return tongue(Markup(" ").join(text.split()))

    made.filters |= {"fixed": fixed, "error": error, "said": said}
    made.globals |= {"_": tongue, "lang": tongue.lang}
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
