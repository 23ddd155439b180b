"""The sentences of a language: English templates with holes, and what is said in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HOLE = re.compile(r"\{([dnotx]\d?)\}")
WITHIN = r"(?:(?![.!?]\s).)"  # a letter of one sentence
FILLED = {
    "n": r"[\d.,:;%e+\-−–±<>≥≤=≈∞× ]+?", "x": r".+?", "d": r".+?", "t": f"{WITHIN}+?", "o": f"{WITHIN}*?",
}  # fmt: skip
FIRST = 3  # letters by which templates are found
HAN, LATIN = r"[\u4e00-\u9fff]", r"[A-Za-z0-9]"  # a space stands between these
BESIDE = re.compile(rf"(?<={HAN})(?={LATIN})|(?<={LATIN})(?={HAN})")


@dataclass(frozen=True)
class Template:
    """An English sentence with holes and its translation.

    Arguments: pattern, what finished sentences look like; pieces between the holes, of which every one must be in such
    a sentence; said, the translation.
    """

    pattern: re.Pattern[str]
    pieces: tuple[str, ...]
    said: str

    @staticmethod
    def of(english: str, said: str) -> Template:
        literals, holes = HOLE.split(english)[::2], HOLE.split(english)[1::2]
        groups = [f"(?P<{hole}>{FILLED[hole[0]]})" for hole in holes]
        ends = (*groups, "")
        pattern = "".join(re.escape(literal) + end for literal, end in zip(literals, ends, strict=True))
        return Template(re.compile(pattern, re.DOTALL), tuple(filter(None, literals)), said)

    def match(self, text: str) -> dict[str, str] | None:
        """What fills the holes, where a text is a sentence of this kind."""
        if not all(piece in text for piece in self.pieces):
            return None
        found = self.pattern.fullmatch(text)
        return None if found is None else found.groupdict()

    def filled(self, holes: dict[str, str]) -> str:
        """The translation with what stands in its holes; words in them are set apart as those around them are."""
        return HOLE.sub(lambda hole: _spaced(hole, holes[hole[1]]) if hole[1][0] in "to" else holes[hole[1]], self.said)


def _spaced(hole: re.Match[str], value: str) -> str:
    """What stands in a hole, with a space where Chinese meets a number or a Latin word at one of its ends."""
    before, after = hole.string[: hole.start()][-1:], hole.string[hole.end() :][:1]
    first = " " if BESIDE.search(before + value[:1]) else ""
    return f"{first}{value}{' ' if BESIDE.search(value[-1:] + after) else ''}"


@dataclass(frozen=True)
class Catalogue:
    """All sentences of a language.

    Arguments: whole, those without holes; begun, those with holes by their first letters, "" for those that begin with
    a hole or with fewer; the most particular come first.
    """

    whole: dict[str, str]
    begun: dict[str, list[tuple[int, Template]]]

    def like(self, text: str) -> Iterator[Template]:
        """The templates that a text may be made from, the most particular first."""
        found = [*self.begun.get(text[:FIRST], ()), *self.begun.get("", ())]
        yield from (template for _, template in sorted(found, key=lambda ranked: ranked[0]))


@cache
def catalogue(lang: str) -> Catalogue:
    """The sentences of a language, read once."""
    whole, holed = {}, []
    for english, said in entries(lang):
        if HOLE.search(english):
            holed.append((english, said))
        else:
            whole[english] = said
    holed.sort(key=lambda pair: len(HOLE.sub("", pair[0])), reverse=True)
    begun: dict[str, list[tuple[int, Template]]] = {}
    for rank, (english, said) in enumerate(holed):
        start = HOLE.split(english)[0][:FIRST]
        begun.setdefault(start if len(start) == FIRST else "", []).append((rank, Template.of(english, said)))
    return Catalogue(whole, begun)


def entries(lang: str) -> Iterator[tuple[str, str]]:
    """Each English sentence with its translation, file by file; lines that start with # are remarks."""
    for path in sorted((Path(__file__).parent / lang).glob("*.txt")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        for block in "\n".join(lines).strip().split("\n\n"):
            english, said = block.strip("\n").split("\n")
            yield english, said
