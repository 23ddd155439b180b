"""Panels and figures in another language: what the project says is translated, what the data calls something is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup, escape

from ..data.pairs import TEXT
from ..domain.text import decode
from ..languages import Tongue
from ..panels import Panel, Strip
from .charts import Figure, plain
from .exhibits import Group, Table
from .rounding import shortened
from .subject import Subject

SHORTENED = (14, 24, 40, 60)  # characters of a name where a page has little room
END = "<extra></extra>"  # of what Plotly shows where one points


def tongue_of(subject: Subject, lang: str) -> Tongue:
    """A language that leaves the names of a run and of its data as they are."""
    return Tongue(lang, names_of(subject))


def names_of(subject: Subject) -> frozenset[str]:
    """Classes, columns, levels, texts and the run itself, in every form in which a page shows them."""
    table = subject.table
    found = [subject.run.data.name, subject.run.path.name, *subject.run.names]
    if table is not None:
        found += [level for column in table.columns for level in column.levels]
    if subject.domain.parts is not None and TEXT in subject.domain.places:
        codes = subject.test.x[:, subject.domain.places[TEXT]].float().cpu().numpy()
        found += decode(codes, subject.domain.part(TEXT).alphabet or "")
    return frozenset(_forms(map(str, found)))


def _forms(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        for form in (name, *(shortened(name, most) for most in SHORTENED)):
            yield from (form, plain(form), str(escape(form)))


def in_language(panel: Panel, tongue: Tongue) -> Any:
    """A panel whose words are in a language; figures follow when they are drawn, and HTML as its template is filled."""
    found = replace(panel, title=tongue.of(panel.title), words=tongue(panel.words))
    match found:
        case Strip():
            captions = [_each(row, tongue) for row in found.captions]
            return replace(found, row_labels=_each(found.row_labels, tongue), captions=captions)
        case Table():
            rows = [_cells(row, found.head, tongue) for row in found.rows]
            return replace(found, head=_each(found.head, tongue), rows=rows)
        case Group():
            return replace(found, parts=[in_language(part, tongue) for part in found.parts])
    return found


def _each(values: Sequence[Any], tongue: Tongue) -> list[Any]:
    """Every text among values."""
    return [tongue.of(value) if isinstance(value, str | Markup) else value for value in values]


def _cells(row: Sequence[str], head: Sequence[str], tongue: Tongue) -> list[str]:
    return [tongue.cell(cell, name) for cell, name in zip(row, head, strict=True)]


def figure_in(figure: Figure, tongue: Tongue) -> Figure:
    """A figure whose axes, legends and hover texts are in a language; numbers and what belongs to points stay."""
    data = [{name: _of_trace(name, value, tongue) for name, value in trace.items()} for trace in figure["data"]]
    layout = {name: _of_layout(name, value, tongue) for name, value in figure["layout"].items()}
    labels = {"labels": _each(figure["labels"], tongue)} if "labels" in figure else {}
    return {**figure, "data": data, "layout": layout, **labels}


def _of_trace(name: str, value: Any, tongue: Tongue) -> Any:
    match name, value:
        case "hovertemplate", str():
            return tongue(value.removesuffix(END)) + END * value.endswith(END)
        case (("name" | "text"), str()):
            return tongue.of(value)
        case (("x" | "y" | "text"), [*_]):
            return [_each(one, tongue) if isinstance(one, list) else tongue.of(one) if isinstance(one, str) else one
                    for one in value]  # fmt: skip
        case "colorbar", Mapping():
            return _of_axis(value, tongue)
    return value


def _of_layout(name: str, value: Any, tongue: Tongue) -> Any:
    if name.startswith(("xaxis", "yaxis")):
        return _of_axis(value, tongue)
    if name == "annotations":
        return [one | {"text": tongue.of(one["text"])} for one in value]
    return value


def _of_axis(axis: Mapping[str, Any], tongue: Tongue) -> Figure:
    found = dict(axis)
    if "title" in found:
        found["title"] = found["title"] | {"text": tongue.of(found["title"].get("text", ""))}
    if "ticktext" in found:
        found["ticktext"] = _each(found["ticktext"], tongue)
    return found
