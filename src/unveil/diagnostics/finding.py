"""A finding of a diagnosis: a code, a sentence with its number, and what to do about it."""

from dataclasses import dataclass

from ..files import Plain


@dataclass(frozen=True)
class Finding(Plain):
    """One thing that looks wrong.

    Arguments: code, in snake_case; sentence, what was measured, with its number; number, that number; remedy, what to
    do about it.
    """

    code: str
    sentence: str
    number: float
    remedy: str
