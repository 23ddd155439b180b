"""How numbers stand in the cells of a column of text, and new ones written like them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from .writtennumbers import PLAIN, Style

DIGITS = 400  # of the widest float64 as a decimal


@dataclass(frozen=True)
class Cells:
    """How numbers are written in a column.

    Arguments: style; least and most, digits after the mark; power, its letter where all are written with one, else "";
    after, what follows each number, such as " %"; words, of a column of yes and no its texts for False and True.
    """

    style: Style = PLAIN
    least: int = 0
    most: int | None = None
    power: str = ""
    after: str = ""
    words: tuple[str, str] = ("False", "True")

    @classmethod
    def of(cls, texts: Iterable[str], style: Style = PLAIN) -> Cells:
        """The way in which different texts are written, all of them numbers in a style, or all yes and no."""
        bare = [text.strip() for text in texts if text.strip()]
        if not bare:
            return cls(style)
        if all(text.casefold() in ("true", "false") for text in bare):
            return cls(style, words=_words(bare[0]))
        unsigned = [text.strip("()-") for text in bare]
        numbers = [text.removesuffix("%").rstrip() for text in unsigned]
        after = unsigned[0][len(numbers[0]) :]
        parts = [number.lower().replace("d", "e").partition("e") for number in numbers]
        digits = [len(mantissa.partition(style.decimal)[2]) for mantissa, _, _ in parts]
        if all(e for _, e, _ in parts):
            power = next(mark for mark in numbers[0] if mark in "eEdD")
            return cls(style, min(digits), max(digits), power, after)
        places = [max(0, n - int(exponent or 0)) for n, (_, _, exponent) in zip(digits, parts, strict=True)]
        return cls(style, min(places), max(places), "", after)

    def write(self, value: Any) -> str:
        """A number, or yes and no, as the others of its column are written; a fraction among whole ones in full."""
        if isinstance(value, bool):
            return self.words[value]
        with localcontext(prec=DIGITS):
            number = Decimal(str(value))
            plain = self._with_power(number) if self.power else self._plain(number)
        whole, point, digits = plain.partition(".")
        marked = whole.replace(",", self.style.thousands) + point.replace(".", self.style.decimal) + digits + self.after
        return self.style.negative.replace("5", marked[1:]) if marked.startswith("-") else marked

    def _with_power(self, number: Decimal) -> str:
        most = self.most or 0
        mantissa, _, exponent = f"{float(number):.{most}e}".partition("e")
        return f"{_trimmed(mantissa, self.least)}{self.power}{exponent}"

    def _plain(self, number: Decimal) -> str:
        whole_only = self.most == 0 and number != number.to_integral_value()
        if self.most is not None and not whole_only:
            number = number.quantize(Decimal(1).scaleb(-self.most), ROUND_HALF_EVEN)
        written = f"{abs(number) if number == 0 else number:{',' if self.style.thousands else ''}f}"
        return _trimmed(written, self.least)


def _trimmed(number: str, least: int) -> str:
    """A number without zeros at its end, beyond so many digits after its point."""
    whole, _, digits = number.partition(".")
    kept = digits.rstrip("0").ljust(least, "0")
    return f"{whole}.{kept}" if kept else whole


def _words(text: str) -> tuple[str, str]:
    """False and True as in one of them."""
    change = str.lower if text.islower() else str.upper if text.isupper() else str.title
    return change("false"), change("true")
