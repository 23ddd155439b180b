"""The terms of the field in English and Chinese: one plain sentence each, for the report, the site and the tour.

They are written in `glossary.txt`, six lines a term: its address; how English texts spell it, the name first; how
Chinese texts do; a formula, or "-"; what it is, in English; what it is, in Chinese.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

WRITTEN = Path(__file__).with_suffix(".txt")


class Words(NamedTuple):
    """A term in one language: its name, and one sentence that says what it is."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Arguments: key, its address; en and zh, its name and meaning in each language; formula in Unicode, or ""; also, how
    else an English text spells it; also_zh, how else a Chinese one does.
    """

    key: str
    en: Words
    zh: Words
    formula: str = ""
    also: tuple[str, ...] = ()
    also_zh: tuple[str, ...] = ()

    def words(self, lang: str) -> Words:
        """The name and the sentence in a language, "en" or "zh"."""
        return {"en": self.en, "zh": self.zh}[lang]

    def spellings(self, lang: str) -> tuple[str, ...]:
        """How a text of that language may spell the term, the name first."""
        return (self.words(lang).name, *{"en": self.also, "zh": self.also_zh}[lang])


def _read(block: str) -> Term:
    key, en, zh, formula, meaning, meaning_zh = block.splitlines()
    name, *also = en.split(" | ")
    name_zh, *also_zh = zh.split(" | ")
    formula = "" if formula == "-" else formula
    return Term(key, Words(name, meaning), Words(name_zh, meaning_zh), formula, tuple(also), tuple(also_zh))


TERMS: tuple[Term, ...] = tuple(map(_read, WRITTEN.read_text(encoding="utf-8").strip().split("\n\n")))
BY_KEY = {term.key: term for term in TERMS}


def term(key: str) -> Term:
    """The term at an address: `term("elbo")`."""
    return BY_KEY[key]
