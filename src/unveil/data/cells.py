"""How numbers stand in the cells of a column of text, and new ones written like them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from .writtennumbers import BOOKED, PLAIN, NotNumbers, Style, read_numbers

DIGITS = 400  # of the widest float64 as a decimal


@dataclass(frozen=True)
class Cells:
    """How numbers are written in a column.

    Arguments: style; least and most, digits after the mark; power, its letter where all are written with one, else "";
    after, what follows each number, such as " %"; words, of a column of yes and no its texts for False and True;
    width, digits before the mark where zeros in front make them as many, else 0.
    """

    style: Style = PLAIN
    least: int = 0
    most: int | None = None
    power: str = ""
    after: str = ""
    words: tuple[str, str] = ("False", "True")
    width: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as Python does, but for how many digits there are."""
        return self == Cells(most=self.most)

    @classmethod
    def of(cls, texts: Iterable[str], style: Style = PLAIN) -> Cells:
        """The way in which different texts are written, all of them numbers in a style, or all yes and no."""
        bare = [text.strip() for text in texts if text.strip()]
        if not bare:
            return cls(style)
        if all(text.casefold() in ("true", "false") for text in bare):
            return cls(style, words=_words(bare[0]))
        unsigned = list(map(_unsigned, bare))
        numbers = [text.removesuffix("%").rstrip() for text in unsigned]
        after = unsigned[0][len(numbers[0]) :]
        parts = [number.lower().replace("d", "e").partition("e") for number in numbers]
        digits = [len(mantissa.partition(style.decimal)[2]) for mantissa, _, _ in parts]
        if all(e for _, e, _ in parts):
            power = next(mark for mark in numbers[0] if mark in "eEdD")
            return cls(style, min(digits), max(digits), power, after)
        places = [max(0, n - int(exponent or 0)) for n, (_, _, exponent) in zip(digits, parts, strict=True)]
        width = _width([mantissa.partition(style.decimal)[0] for mantissa, _, _ in parts])
        return cls(style, min(places), max(places), "", after, width=width)

    @classmethod
    def among(cls, cells: Iterable[str], style: Style = PLAIN) -> Cells:
        """As `of`, of those cells that are numbers in a style, or where there are such of those that are yes or no."""
        texts = {cell.strip() for cell in cells}
        words = [text for text in texts if text.casefold() in ("true", "false")]
        return cls.of(
            words or [text for text in texts if style.takes(_unsigned(text).removesuffix("%").rstrip())], style
        )

    def of_column(self, decimals: int | None) -> Cells | None:
        """The same for all of a column of which a part was seen; None where that is as Python writes them.

        Arguments: decimals, the most that a number of the column has, None where there is no end of them.
        """
        if not self.power and decimals is not None:
            found = replace(self, most=max(decimals, self.least))
        else:
            found = self if self.power or self.least == self.most else replace(self, least=0, most=None)
        return None if found.is_plain else found

    def of_means(self, more: int) -> Cells:
        """The same with so many more digits after the mark, for means."""
        return self if self.most is None else replace(self, most=self.most + more)

    def read(self, text: str) -> int | float | None:
        """The number that a text is, with the marks of the others; None where it is none."""
        booked = BOOKED.fullmatch(text.strip()) if self.style.negative == "(5)" else None
        try:
            return read_numbers([f"-{booked[1]}" if booked else text], self.style.decimal).values[0]
        except NotNumbers:
            return None

    def write(self, value: Any) -> str:
        """A number, or yes and no, as the others of its column are written; a fraction among whole ones in full."""
        if isinstance(value, bool):
            return self.words[value]
        with localcontext(prec=DIGITS):
            number = Decimal(str(value))
            plain = self._with_power(number) if self.power else self._plain(number)
        whole, point, digits = plain.partition(".")
        whole = whole.zfill(self.width + whole.startswith("-"))
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


def cells_to_json(cells: Cells | None) -> dict[str, Any] | None:
    """What differs from the defaults."""
    if cells is None:
        return None
    known = {field.name: field.default for field in fields(Cells)}
    own = {name: value for name, value in asdict(cells).items() if name != "style" and value != known[name]}
    return {"style": asdict(cells.style)} | own


def cells_of_json(stored: Mapping[str, Any] | None) -> Cells | None:
    if stored is None:
        return None
    words = {"words": tuple(stored["words"])} if "words" in stored else {}
    return Cells(**{**stored, **words, "style": Style(**stored["style"])})


def _unsigned(text: str) -> str:
    return text.strip("()-\N{MINUS SIGN}")


def _width(whole: list[str]) -> int:
    """The digits of whole parts that all have as many, some with a zero in front; else 0."""
    lengths = set(map(len, whole))
    are_digits = all(part.isdigit() for part in whole)
    is_filled = are_digits and any(len(part) > 1 and part[0] == "0" for part in whole)
    return lengths.pop() if is_filled and len(lengths) == 1 else 0


def _trimmed(number: str, least: int) -> str:
    """A number without zeros at its end, beyond so many digits after its point."""
    whole, _, digits = number.partition(".")
    kept = digits.rstrip("0").ljust(least, "0")
    return f"{whole}.{kept}" if kept else whole


def _words(text: str) -> tuple[str, str]:
    """False and True as in one of them."""
    change = str.lower if text.islower() else str.upper if text.isupper() else str.title
    return change("false"), change("true")
