"""x of characters: a text of at most so many of them, each a number in an alphabet."""

import unicodedata

import numpy as np

from ..errors import RequestError
from .kind import Kind, kind
from .values import Array, Values, refuse_where

LONGEST = 1_000  # characters of a text
END = 0  # the number of the end, and of everything after it


@kind("text")
class Text(Kind):
    """Texts [T] of at most T characters: the numbers 1 … A of an alphabet, and 0 from the end on.

    A text of T characters needs no end. So the texts are the words over the alphabet of length 0 … T, and each is one
    row: there is no padding that could be told from the end.
    """

    order, is_discrete, has_alphabet, likelihood = 70, True, True, "characters"

    def recognises(self, x: Values) -> bool:
        return False

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        raise RequestError(
            "data.domain=text came for x of numbers; it is for texts.",
            "Leave data.domain out; texts come as a table of pictures and texts: --text captions.csv.",
        )

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        late = (x[..., 1:] != END) & (x[..., :-1] == END)
        refuse_where(late, x[..., 1:], "that stand after the end of a text", "")
        refuse_where((x < 0) | (x != np.rint(x)), x, "that are no numbers of characters", "")


def encode(texts: list[str], alphabet: str, length: int) -> Array:
    """The numbers [N, T] float32 of texts, every character of which is in the alphabet."""
    number = {character: i + 1 for i, character in enumerate(alphabet)}
    found = np.zeros((len(texts), length), np.float32)
    for row, text in zip(found, texts, strict=True):
        row[: len(text)] = [number[c] for c in text]
    return found


def decode(x: Array, alphabet: str) -> list[str]:
    """The texts of rows of numbers [N, T]."""
    ends = (x != END).sum(-1)
    return ["".join(alphabet[int(i) - 1] for i in row[:end]) for row, end in zip(x, ends, strict=True)]


def normalised(text: str) -> str:
    """The text in NFC, spaces of any kind and number being one, none at its ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def wrong_characters(text: str) -> str:
    """What of a text is no character to learn from: a half of a pair, NUL, a control of direction; or ""."""
    for character in text:
        if unicodedata.category(character) in ("Cs", "Cc") or character in BIDI:
            return f"U+{ord(character):04X}"
    return ""


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
