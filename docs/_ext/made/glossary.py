"""The terms of the field, in the order of their names, each with the name that the other language has."""

from __future__ import annotations

from unveil.glossary import TERMS, Term

from .writing import prose

ALSO = {"en": "also", "zh": "又作"}
OTHER = {"en": "zh", "zh": "en"}
BETWEEN = {"en": "; ", "zh": "；"}


def glossary(language: str) -> str:
    """A paragraph for each term; its address is that of a heading."""
    terms = sorted(TERMS, key=lambda term: term.words("en").name.lower())
    return "\n".join(_told(term, language) for term in terms)


def _told(term: Term, language: str) -> str:
    name, *also = term.spellings(language)
    beside = [term.words(OTHER[language]).name, *([f"{ALSO[language]} {', '.join(also)}"] if also else [])]
    formula = f"  `{term.formula}`" if term.formula else ""
    return (
        f"(term-{term.key})=\n## {prose(name)}\n\n*{prose(BETWEEN[language].join(beside))}*{formula}\n\n"
        f"{prose(term.words(language).meaning)}\n"
    )
