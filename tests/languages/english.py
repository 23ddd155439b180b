"""What is left of English in a text that should be in another language: words that are no names, keys or commands."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from typing import Any

WORD = r"[A-Za-z][a-z’']+"
NOT_READ = (  # commands and paths, keys with values, what a figure fills in, formulas
    r"unveil [a-z]+ [^\n。，；）]*", r"(?:^|(?<=[\s（“]))-{1,2}[\w-]+(?: [\w.-]+)?", r"(?:\.{0,2}/|[A-Z]:\\)\S+",
    r"%\{[^}]*\}", r"\b[\w.]*[=(\[_|.][\w.(|)\[\],=]+", r"<[^>]*>",
)  # fmt: skip
NAMES = {  # of estimators, measures, parts, kinds and programs, which no language says otherwise
    "ais", "any", "array", "auc", "autoregressive", "binary", "categorical", "columns", "coverage", "cpu", "density",
    "diagonal", "elbo", "experts", "flow", "fsq", "full", "gaussian", "hvae", "iaf", "image", "iwae", "joint", "latent",
    "learned", "levels", "linear", "log", "mean", "mixed", "mixture", "mlp", "normal", "numpy", "order", "patch",
    "ppca", "precision", "prior", "python", "real", "realnvp", "recall", "sha", "standard", "table", "text", "torch",
    "uniform", "unveil", "vae", "vamp", "var", "vdm", "vqvae",
}  # fmt: skip
IN_FIGURES = ("text", "name", "hovertemplate", "ticktext", "x", "y", "labels")


class Read(HTMLParser):
    """What a person reads of a page outside code: texts, names for screen readers, and the words of its figures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside: list[str] = []
        self._data: dict[str, str] = {}
        self.feed(html)
        self.texts += _of_figures(json.loads(self._data["page-data"]))
        for name in (name for name in self._data if name.endswith("-words")):
            self.texts += [re.sub(r"\{\w+\}", "", told) for told in json.loads(self._data[name]).values()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "style", "code", "pre"):
            self._inside.append(given.get("id") or tag)
        self.texts += [told for name in ("aria-label", "title", "alt") if (told := given.get(name))]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "code", "pre"):
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._data[self._inside[-1]] = self._data.get(self._inside[-1], "") + data
        else:
            self.texts.append(data)


def _of_figures(value: Any, key: str = "") -> Iterator[str]:
    match value:
        case str() if key in IN_FIGURES:
            yield value
        case dict():
            for name, each in value.items():
                yield from _of_figures(each, name)
        case list():
            for each in value:
                yield from _of_figures(each, key)


def english(texts: Collection[str], names: Collection[str]) -> list[str]:
    """Lines that hold two English words in a row, or are one, beside the names of the data."""
    return [line for text in texts for line in text.split("\n") if _is_english(line.strip(), names)]


def _is_english(line: str, names: Collection[str]) -> bool:
    if line in names:
        return False
    rest = line
    for name in sorted(names, key=len, reverse=True):
        rest = rest.replace(name, "")
    for pattern in NOT_READ:
        rest = re.sub(pattern, "", rest)
    found = re.findall(rf"{WORD}(?:[ ,:;-]+{WORD})+|^{WORD}$", rest.strip())
    return any(not {word.lower() for word in re.findall(WORD, each)} <= NAMES for each in found)
