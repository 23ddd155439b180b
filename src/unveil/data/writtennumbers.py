"""Numbers written as text: read where a whole column allows one reading only, with the usual marks for what is missing.

A decimal comma, separated thousands and a percent sign are known. "1,304" alone is 1304 or 1.304, and is not guessed.
"""

from __future__ import annotations

import math
import numbers
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np

from .limits import MAX_DIGITS
from .raw import MISSING, is_missing

FEW = 10  # rows, up to which all may differ by chance
BEHIND = re.compile(r"[\d.,' ]*\d[\d.,' ]*-")  # 12.50- of an accounting system
BOOKED = re.compile(r"\(([\d.,' ]*\d[\d.,' ]*%?)\)")  # (12.50) beside 12.50, as accountants write -12.50
UNIT = re.compile(r"[+-]?[\d.,' ]*\d[\d.,']*\s*([^\d\s.,'+-]\D{0,11})")  # a number and what stands behind it
MOST_UNITS, SHOWN = 5, 3  # different ones of a column; texts that a sentence shows
MOST = 0.5  # share of the cells from which on a column is one of numbers with a few words


@dataclass(frozen=True)
class Style:
    """How numbers are written.

    Arguments: decimal, the mark before the fraction; thousands, what separates groups of three digits, or ""; percent,
    whether a sign % follows; negative, how a number below 0 is written: "-5", "5-" or "(5)".
    """

    decimal: str = "."
    thousands: str = ""
    percent: bool = False
    negative: str = "-5"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        point, group = re.escape(self.decimal), re.escape(self.thousands)
        whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+)" if self.thousands else r"\d+"
        return re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eEdD][+-]?\d+)?", re.ASCII)

    def takes(self, text: str) -> bool:
        return len(text) <= MAX_DIGITS and self.pattern.fullmatch(text) is not None

    def read(self, text: str) -> int | float:
        """The number of a text that is taken, without its percent sign."""
        plain = text.replace(self.thousands, "") if self.thousands else text
        plain = plain.replace(self.decimal, ".").upper().replace("D", "E")
        return int(plain) if len(plain) <= MAX_DIGITS and re.fullmatch(r"[+-]?\d+", plain) else float(plain)

    def __str__(self) -> str:
        told = ["a decimal comma"] if self.decimal == "," else []
        told += [f"{self.thousands!r} between thousands"] if self.thousands else []
        told += [f"{self.negative} for -5"] if self.negative != "-5" else []
        return " and ".join(told + ["a percent sign"] * self.percent)


PLAIN = Style()
SPACES = (" ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "'", "\N{RIGHT SINGLE QUOTATION MARK}")
STYLES = (
    PLAIN, Style(".", ","), Style(","), Style(",", "."),
    *(Style(decimal, space) for space in SPACES for decimal in ".,"),
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """The numbers of a column.

    Arguments: values [N], None where one is missing; style, of those that came as text; marks, how often each text
    stood for a missing one.
    """

    values: list[int | float | None]
    style: Style
    marks: Counter[str]


class NotNumbers(ValueError):
    """What keeps a column from being numbers.

    Arguments: what, for a sentence; ways, decimal marks and what a number is with each, where they disagree; words,
    texts among many numbers; unit, what stands beside every number; units, what stands behind them where it differs;
    unlike, whether numbers are written in unlike ways; is_name, whether each row has a text of its own.
    """

    def __init__(
        self,
        what: str,
        *,
        ways: tuple[tuple[str, float], ...] = (),
        words: tuple[str, ...] = (),
        unit: str = "",
        units: tuple[str, ...] = (),
        unlike: bool = False,
        is_name: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.ways, self.words, self.unit, self.unlike = what, ways, words, unit, unlike
        self.is_name, self.units = is_name, units


def decimals(texts: Iterable[Any], missing: Collection[str] = ()) -> frozenset[str]:
    """The marks that may stand before fractions in texts: one where they prove it, two where their numbers hang on it.

    None where texts are no numbers, or the same numbers with either mark.
    """
    given = (_bare(text) for text in texts if isinstance(text, str) and text.strip() not in missing)
    bare = [text.removesuffix("%").rstrip() for text in given if text.casefold() not in MISSING]
    found = _styles(bare) if bare else []
    marks = frozenset(style.decimal for style in found)
    return marks if len(marks) == 1 or len({tuple(map(style.read, bare)) for style in found}) > 1 else frozenset()


def read_numbers(
    cells: Sequence[Any], decimal: str = "auto", missing: Collection[str] = (), guesses: bool = True
) -> Written:
    """The numbers of cells that are numbers of any kind, texts and missing values, or NotNumbers.

    Arguments: decimal, the mark before fractions where a column can be read with it, "." or ",", or "auto"; missing,
    more texts for a missing value; guesses, whether "1.006" alone is 1.006, and not refused since it may be 1006.
    """
    found = [_plain(cell) for cell in cells]
    texts = Counter(value for value in found if isinstance(value, str))
    marks = Counter(
        {text: n for text, n in texts.items() if _bare(text).casefold() in MISSING or text.strip() in missing}
    )
    written = _signed({text: _bare(text) for text in texts if text not in marks})
    if len(marks) == len(texts) and not any(isinstance(value, int | float) for value in found):
        raise NotNumbers(_such(next(iter(texts), None)))
    bare, asked = list(written.values()), [style for style in STYLES if style.decimal == decimal]
    style = (_style(bare, asked, guesses) or _style(bare, STYLES, guesses)) if written else PLAIN
    if style is None:
        raise _reason(texts, written, sum(isinstance(value, int | float) for value in found))
    ways = {"(5)" if text.strip().startswith("(") else "5-" for text in written if text.strip()[-1:] in ("-", ")")}
    style = replace(style, negative=min(ways)) if ways else style
    known: dict[Any, Any] = {text: style.read(bare.removesuffix("%").rstrip()) for text, bare in written.items()}
    known |= dict.fromkeys(marks)
    return Written([known[value] if isinstance(value, str) else value for value in found], style, marks)


def _signed(written: dict[str, str]) -> dict[str, str]:
    """Numbers in brackets beside numbers without as negative ones."""
    short = ((text, bare) for text, bare in written.items() if len(bare) <= MAX_DIGITS)
    booked = {text: found[1] for text, bare in short if (found := BOOKED.fullmatch(bare))}
    return written if len(booked) == len(written) else written | {text: f"-{bare}" for text, bare in booked.items()}


def _plain(cell: Any) -> int | float | str | None:
    """A cell as a number or a text of Python, None where it is missing."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, numbers.Integral | np.bool_):
        return int(cell)
    if isinstance(cell, Decimal | numbers.Real):
        return None if math.isnan(cell) else float(cell)
    if is_missing(cell):
        return None
    raise NotNumbers(_such(cell))


def _bare(text: str) -> str:
    """The text without spaces around it and with an ordinary minus sign, in front also where it stood behind."""
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    if len(plain) > MAX_DIGITS or not plain.endswith("-") or not BEHIND.fullmatch(plain):
        return plain  # also what is too long to be a number, at which the pattern would take its time
    return f"-{plain[:-1].rstrip()}"


def _style(texts: list[str], styles: Sequence[Style], guesses: bool) -> Style | None:
    """The one style that all texts are written in; None where there is none, or several that disagree."""
    percent = [text.endswith("%") for text in texts]
    if any(percent) and not all(percent):
        return None
    bare = [text.removesuffix("%").rstrip() for text in texts]
    found = _styles(bare, styles)
    if (
        len(found) > 1
        and not (guesses and found[0] == PLAIN)
        and len({tuple(map(style.read, bare)) for style in found}) > 1
    ):
        return None
    return replace(found[0], percent=all(percent)) if found else None


def _styles(texts: list[str], among: Sequence[Style] = STYLES) -> list[Style]:
    return [style for style in among if all(map(style.takes, texts))]


def _reason(texts: Counter[str], written: dict[str, str], given: int) -> NotNumbers:
    """Why texts are not numbers."""
    bare = [text.removesuffix("%").rstrip() for text in written.values()]
    if len({text.endswith("%") for text in written.values()}) == 2:
        words = tuple(text for text, value in written.items() if not value.endswith("%"))
        if _styles(bare):
            return NotNumbers(
                f"numbers with a percent sign and numbers without, such as {_short(words[0])}", unlike=True
            )
    elif len(styles := _styles(bare)) > 1:
        shown = next(text for text in bare if len({style.read(text) for style in styles}) > 1)
        ways = tuple({style.decimal: style.read(shown) for style in styles}.items())
        told = " or ".join(str(value) for _, value in ways)
        return NotNumbers(f"numbers as text that can be read in two ways: {shown!r} is {told}", ways=ways)
    if len(texts) > FEW and len(texts) == sum(texts.values()) and all(map(str.isalpha, (t[:1] for t in written))):
        first = next(iter(written))
        return NotNumbers(f"a text of its own in each row, such as {_short(first)}", is_name=True)
    if unit := _unit(list(written.values())):
        return NotNumbers(f"numbers as text, each with {unit!r} beside it", unit=unit)
    if units := _units(texts, written):
        told = ", ".join(f"{unit!r} in {count:,} row{'s' * (count > 1)}" for unit, count in units.most_common())
        return NotNumbers(f"numbers in several units, {told}", units=tuple(units))
    wrong = tuple(text.strip() for text, value in written.items() if not any(style.takes(value) for style in STYLES))
    numbers_there = given + sum(texts[text] for text in written if text.strip() not in wrong)
    words_there = sum(texts[text] for text in written if text.strip() in wrong)
    if wrong and numbers_there > MOST * (numbers_there + words_there):
        rows = "1 row" if words_there == 1 else f"{words_there:,} rows"
        return NotNumbers(f"numbers, and text in {rows}, such as {', '.join(map(_short, wrong[:SHOWN]))}", words=wrong)
    if not wrong:
        two = " and ".join(_short(text) for text in _unlike(list(written)))
        return NotNumbers(f"numbers written in several ways, such as {two}", unlike=True)
    return NotNumbers(_such(wrong[0]))


def _unlike(texts: list[str]) -> tuple[str, str]:
    """Two texts that no style takes both of, where there are such."""
    bare = [_bare(text) for text in texts]
    return next(
        ((texts[0], texts[i]) for i in range(1, len(bare)) if not _styles([bare[0], bare[i]])), (texts[0], texts[-1])
    )


def _unit(texts: list[str]) -> str:
    """What stands before or after the number in every text, such as "$" or "kg"."""
    if max(map(len, texts), default=0) > MAX_DIGITS:
        return ""
    parts = [re.fullmatch(r"([^\d+.,'-]{0,4}?)\s*([+-]?[\d.,' ]*\d[\d.,']*)\s*([^\d]{0,12})", text) for text in texts]
    if not all(parts):
        return ""
    before, after = {part[1].strip() for part in parts if part}, {part[3].strip() for part in parts if part}
    return "".join(before | after) if len(before) == len(after) == 1 and (before | after) != {""} else ""


def _units(texts: Counter[str], written: Mapping[str, str]) -> Counter[str]:
    """How many rows there are of each unit behind numbers, where all have one of a few; none else."""
    if max(map(len, written.values()), default=0) > MAX_DIGITS:
        return Counter()
    found = {text: UNIT.fullmatch(bare) for text, bare in written.items()}
    counts: Counter[str] = Counter()
    for text, unit in found.items():
        counts[unit[1].strip() if unit else ""] += texts[text]
    return counts if "" not in counts and 1 < len(counts) <= MOST_UNITS else Counter()


def _such(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__}, such as {_short(value)}"


def _short(value: Any) -> str:
    return repr(str(value)[:20])
