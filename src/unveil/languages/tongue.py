"""A language as it is spoken of some data: its sentences, and the names that are never translated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from .catalogue import catalogue

Text = TypeVar("Text", bound=str)
ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[.!?]</strong>)\s+|(?<=[.!?]</small>)\s+|\n")  # where a sentence ends
MOST = 4  # sentences that a template may hold, or that a name with full stops makes of one
CODE = re.compile(r"([a-z]+(?:_[a-z]+)+|[a-z]+): (?=[A-Z“]|z )")  # the code of a finding before its sentence
LISTED = {"; ": "；", ", ": "，"}  # what stands between the parts of a list
LED = re.compile(r"\s+[（，；]")  # a space that is none before such
WIDE = re.compile(r"[　-〿一-鿿＀-￯]$")  # what needs no space behind it


@dataclass(frozen=True)
class Tongue:
    """What says English sentences in a language.

    Arguments: lang, its code; names, words of the data, such as classes and columns, that stay as they are.
    """

    lang: str = "en"
    names: Collection[str] = frozenset()

    def __call__(self, text: Text) -> Text:
        """The project's own words in the language; what no sentence of it matches stays as it is."""
        if self.lang == "en" or not text or text.isspace():
            return text
        body = str(text).strip()
        whole = catalogue(self.lang).whole.get(body)
        said = _said(str(text), self.lang, frozenset(self.names)) if whole is None else str(text).replace(body, whole)
        return type(text)(said)

    def of(self, text: Text) -> Text:
        """The same of what may be a name of the data, which is left alone."""
        return text if text in self.names else self(text)

    def cell(self, text: Text, head: str) -> Text:
        """The same of a cell of a table, whose words may mean another thing under that head: "better | lower"."""
        if text in self.names or self.lang == "en":
            return text
        under, names = f"{head} | ", frozenset(self.names)
        if (whole := catalogue(self.lang).whole.get(under + text)) is not None:
            return type(text)(whole)
        for template in catalogue(self.lang).like(under + text):
            if template.pieces[0].startswith(under) and (holes := template.match(under + text)) is not None:
                return type(text)(template.filled(_all_filled(holes, self.lang, names)))
        return self(text)


ENGLISH = Tongue()


@lru_cache(maxsize=20_000)
def _said(text: str, lang: str, names: frozenset[str]) -> str:
    """A text of any number of sentences."""
    body = text.strip()
    before, after = text[: text.index(body)], text[text.index(body) + len(body) :]
    return before + (catalogue(lang).whole.get(body) or "".join(_sentences(body, lang, names))) + after


def _sentences(text: str, lang: str, names: frozenset[str]) -> Iterator[str]:
    """Sentence by sentence; a template of several is tried where its first alone is none."""
    ends = [0, *(found.end() for found in ENDS.finditer(text)), len(text)]
    start, last = 0, len(ends) - 1
    while start < last:
        tries = range(start + 1, min(start + MOST, last) + 1)
        spans = ((end, _one(text[ends[start] : ends[end]].strip(), lang, names)) for end in tries)
        end, said = next(((end, said) for end, said in spans if said is not None), (start + 1, None))
        piece = text[ends[start] : ends[end]]
        gap = piece[len(piece.rstrip()) :]
        said = piece.rstrip() if said is None else said
        yield said + ("" if gap == " " and WIDE.search(said) else gap)
        start = end


def _one(text: str, lang: str, names: frozenset[str]) -> str | None:
    """One sentence; None where the language has none such."""
    found = catalogue(lang)
    if text in names:
        return text
    if text in found.whole:
        return found.whole[text]
    if (code := CODE.match(text)) and (rest := _one(text[code.end() :], lang, names)) is not None:
        return code[0] + rest
    for template in found.like(text):
        holes = template.match(text)
        if holes is not None and all(value in names for hole, value in holes.items() if hole[0] == "d"):
            return template.filled(_all_filled(holes, lang, names))
    return None


def _all_filled(holes: dict[str, str], lang: str, names: frozenset[str]) -> dict[str, str]:
    return {hole: _filled(hole, value, lang, names) for hole, value in holes.items()}


def _filled(hole: str, value: str, lang: str, names: frozenset[str]) -> str:
    """What stands in a hole: translated where its letter says so."""
    if hole[0] in "dnx" or not value.strip() or value in names:
        return value
    if value in (whole := catalogue(lang).whole):
        return whole[value]
    for comma, wide in LISTED.items():
        parts = value.split(comma)
        listed = [_said(part, lang, names) for part in parts]
        if len(parts) > 1 and all(part != said for part, said in zip(parts, listed, strict=True)):
            return wide.join(listed)
    said = _said(value, lang, names)
    return said.lstrip() if LED.match(said) else said
