"""The page: chapters, put into one HTML file in two languages that opens without a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..errors import WorkError
from ..legible import readable
from ..report.page import content_policy, script
from .figures import Figure
from .formulas import NOTES, Place
from .running import lines_of, printed_by
from .svg import box, drawn, legend, spelled
from .tex import mathml
from .words import LANGS, Block, Chapter, Code, Command, Formula, Lab, Lang, Pictures, Plot, Say, Table, Text, Value

HERE = Path(__file__).parent
MOST_BYTES = 4_000_000
NEGATIVE = re.compile(r"(?<![\w-])-(?=\d)")
MARKED = re.compile(r"\$([^$]+)\$|`([^`]+)`|\*\*(.+?)\*\*|\[\[(\w+)(?::([^\]]+))?\]\]|\[([^\]]+)\]\(#([\w-]+)\)")


def rendered(chapters: Sequence[Chapter], lang: Lang, version: str, started: float) -> str:
    """The HTML of the tour.

    Arguments: chapters; lang, the language that is shown first; version, of the library; started, when the making
    of the page began, by the clock of `perf_counter`.
    """
    scripts = [script((HERE / "behaviour.js").read_text(encoding="utf-8"))]
    shown_chapters = [_chapter(chapter) for chapter in chapters]  # runs the code that they show
    template = environment().get_template("tour.html")
    html = readable(
        template.render(
            chapters=shown_chapters,
            notes=_notes(chapters),
            lang=lang,
            version=version,
            seconds=f"{perf_counter() - started:.0f}",
            style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
            scripts=scripts,
            policy=content_policy(scripts),
        )
    )
    if (size := len(html.encode())) > MOST_BYTES:
        raise WorkError(f"The tour came to {size / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are allowed.")
    return html


def environment() -> Environment:
    """Templates of this folder: everything escaped, nothing undefined."""
    loader = FileSystemLoader(HERE)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def marked_up(text: str, values: Mapping[str, Value]) -> Markup:
    """The HTML of a text: `$…$` as MathML, values in their places, code, strong words and links to chapters."""
    found, end = Markup(""), 0
    for match in MARKED.finditer(text):
        found += _words(text[end : match.start()]) + _piece(match, values)
        end = match.end()
    return found + _words(text[end:])


def _words(text: str) -> Markup:
    """Words, with true minus signs before numbers."""
    return escape(NEGATIVE.sub("−", text))


def _piece(match: re.Match[str], values: Mapping[str, Value]) -> Markup:
    tex, code, strong, name, form, words, anchor = match.groups()
    if tex is not None:
        return Markup('<span class="f" lang="en-x-math">{}</span>').format(mathml(tex))
    if code is not None:
        return Markup("<code>{}</code>").format(code)
    if strong is not None:
        return Markup("<strong>{}</strong>").format(marked_up(strong, values))
    if name is not None:
        return Markup('<span class="v">{}</span>').format(shown(values[name], form or ""))
    return Markup('<a href="#{}">{}</a>').format(anchor, words)


def shown(value: Value, form: str) -> str:
    """A number as a text shows it, with a true minus; a power of ten where the form asks for one."""
    told = f"{value:{form}}"
    if form.endswith("e"):
        return "0" if value == 0 else spelled(float(told))
    return told if isinstance(value, str) else told.replace("-", "−")


def both(text: Text, values: Mapping[str, Value]) -> dict[str, Markup]:
    return {lang: marked_up(getattr(text, lang), values) for lang in LANGS}


def _chapter(chapter: Chapter) -> dict[str, Any]:
    blocks = [_block(block, f"{chapter.anchor}-{i}", chapter.values) for i, block in enumerate(chapter.blocks)]
    return {"anchor": chapter.anchor, "title": both(chapter.title, {}), "blocks": blocks}


def _block(block: Block, name: str, values: Mapping[str, Value]) -> dict[str, Any]:
    """What the template shows of a block; `name` is its own on the page."""
    kind = type(block).__name__.lower()
    match block:
        case Say(text):
            return {"kind": kind, "text": both(text, values)}
        case Formula(lines):
            return {"kind": kind, "lines": [mathml(tex, "block") for tex in lines]}
        case Code(run):
            return {"kind": kind, "name": name, "code": lines_of(run), "out": printed_by(run)}
        case Command(line, text):
            return {"kind": kind, "name": name, "line": line, "text": both(text, values)}
        case Plot():
            return {"kind": kind, "name": name} | _plot(block, name, values)
        case Lab():
            mixture = {"weights": block.weights, "means": block.means, "scales": block.scales}
            frame = _frame(block.figure, name, f"{name}-caption", values)
            caption = both(block.caption, values)
            return {"kind": kind, "name": name, "caption": caption, "frame": frame, "lab": mixture | box(block.figure)}
        case Pictures(caption, rows):
            told = [
                (both(label, values), list(zip(uris, ends or [""] * len(uris), strict=True)))
                for label, uris, ends in rows
            ]
            return {"kind": kind, "caption": both(caption, values), "rows": told}
        case Table(caption, head, rows):
            cells = [(both(first, values), [marked_up(cell, values) for cell in rest]) for first, rest in rows]
            heads = [both(text, values) for text in head]
            return {"kind": kind, "caption": both(caption, values), "head": heads, "rows": cells}


def _plot(plot: Plot, name: str, values: Mapping[str, Value]) -> dict[str, Any]:
    label = f"{name}-caption"
    return {
        "caption": both(plot.caption, values),
        "label": label,
        "frames": [_frame(frame, f"{name}-{i}", label, values) for i, frame in enumerate(plot.frames)],
        "slider": None if plot.slider is None else both(plot.slider, values),
        "told": [both(text, values) for text in plot.told],
        "start": plot.start,
    }


def _frame(
    frame: Figure | tuple[Figure, ...], name: str, label: str, values: Mapping[str, Value]
) -> list[tuple[list[tuple[int, dict[str, Markup], bool]], Markup]]:
    """The legend and the drawing of each figure of a frame."""
    figures = frame if isinstance(frame, tuple) else (frame,)
    keys = [[(colour, both(text, values), dashed) for colour, text, dashed in legend(figure)] for figure in figures]
    return list(zip(keys, [drawn(figure, f"{name}-{i}", label) for i, figure in enumerate(figures)], strict=True))


def _notes(chapters: Sequence[Chapter]) -> list[tuple[str, list[dict[str, Any]]]]:
    """For each note its formulas, with the chapter where each is."""
    titles = {chapter.anchor: both(chapter.title, {}) for chapter in chapters}
    return [(note, [_place(place, titles) for place in places]) for note, places in NOTES.items()]


def _place(place: Place, titles: Mapping[str, dict[str, Markup]]) -> dict[str, Any]:
    found = {"anchor": place.anchor, "title": titles.get(place.anchor), "math": mathml(place.tex), "two": None}
    return found if place.en is None else found | {"two": {"en": mathml(place.en), "zh": mathml(place.tex)}}
