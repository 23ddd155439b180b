"""Dates and times as text: the format of a whole column, and the coarsest unit that holds all of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from .raw import Array

UNITS = ("D", "h", "m", "s", "ms", "us")
DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
    "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%Y-%m", "%b %Y",
)  # fmt: skip
TIMES = ("", " %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f", " %I:%M %p")
FORMATS = tuple(day + time for day in DAYS for time in TIMES)
OFFSET = re.compile(  # what stands behind a time, in a text or a format: Z, +02:00
    r"(.*(?:\d:\d\d(?::\d\d(?:\.\d+)?)?|[AP]M|%[MSfp]))( ?(?:Z|%z|[+-]\d\d(?::?\d\d)?))", re.ASCII | re.IGNORECASE
)
ANY, IN_UTC = "%z", "+00:00"  # the first in the format of a column whose offsets differ, the second where it is written
PEEK = 200  # texts that tell which formats are left


def formats_of(texts: Sequence[str]) -> list[str]:
    """The formats that every text is a date in: none for other text, two where day and month could change places.

    One of times with an offset from UTC ends in that, or in %z where they have several.
    """
    parts = [zoned(text) for text in set(texts)]
    offsets, distinct = {offset for _, offset in parts}, sorted({text for text, _ in parts})
    if "" in offsets and len(offsets) > 1:
        return []
    few = [fmt for fmt in FORMATS if all(_fits(text, fmt) for text in distinct[:PEEK])]
    found = [fmt for fmt in few if all(_fits(text, fmt) for text in distinct[PEEK:])] if distinct else []
    end = ANY if len(offsets) > 1 else "".join(offsets)
    return [fmt + end for fmt in found]


def zoned(text: str) -> tuple[str, str]:
    """A text, or a format, without the offset from UTC at its end, and that; "" where it has none."""
    found = OFFSET.fullmatch(text)
    return (found[1], found[2]) if found else (text, "")


def read_dates(texts: Sequence[str | None], fmt: str, last: int = 0) -> Array:
    """Texts in a format, NaT where there is none or it is another; those with an offset, whatever it is, in UTC.

    Arguments: last, the year that ends the hundred years that two digits stand for; 0 for Python's own, to 2068.
    """
    known: dict[str | None, Any] = {None: np.datetime64("NaT")}
    for text in set(texts) - {None}:
        assert text is not None
        known[text] = np.datetime64(_read(text, fmt, last), "us") if _fits(text, fmt) else np.datetime64("NaT")
    return np.array([known[text] for text in texts], "datetime64[us]")


def read_date(text: str, fmt: str, last: int = 0, is_utc: bool = False) -> np.datetime64:
    """A date for a column whose format is known, written in that or as in ISO 8601; NaT where it is neither.

    One without an offset has that of the format; one with an offset is of no column without.

    Arguments: fmt, "" where there is none: then any format is taken that no other contradicts; last, as of
    `read_dates`; is_utc, whether the column holds moments.
    """
    (bare, offset), (form, own) = zoned(text.strip()), zoned(fmt)
    if offset and not (own or is_utc):
        return np.datetime64("NaT")
    fits = formats_of([bare])
    others = [other for other in fits if other.startswith("%Y")] if form else fits if len(fits) == 1 else []
    found = [read_dates([bare], known, last)[0] for known in [form, *others] if known]
    moment: np.datetime64 = next((moment for moment in found if not np.isnat(moment)), np.datetime64("NaT"))
    return moment - np.timedelta64(_ahead(offset or own))


def last_year(fmt: str) -> int:
    """The year that ends the hundred years of a format whose years have two digits: the present; 0 of another."""
    return datetime.now().year if "%y" in fmt else 0


def unit_of(values: Array) -> str:
    """The coarsest unit in which all of the values [N], at least one, are whole."""
    ticks = values.astype("datetime64[us]")
    return next(unit for unit in UNITS if bool((ticks.astype(f"datetime64[{unit}]") == ticks).all()))


def written_date(value: np.datetime64, fmt: str, unit: str, is_utc: bool = False) -> str:
    """A date in a format; without one as in ISO 8601, and with +00:00 where it is of a column in UTC."""
    moment = value.astype("datetime64[us]").item()
    if fmt:
        form, offset = zoned(fmt)
        return str((moment + _ahead(offset)).strftime(form + offset.replace(ANY, IN_UTC)))
    if is_utc:
        return f"{moment.isoformat(sep=' ')}{IN_UTC}"
    return str(value).replace("T", " ") if unit != "D" else str(value)


def _ahead(offset: str) -> timedelta:
    """How far clocks with an offset are ahead of UTC."""
    digits = "".join(filter(str.isdigit, offset)).ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -ahead if "-" in offset else ahead


def _read(text: str, fmt: str, last: int) -> datetime:
    bare, offset = zoned(text)
    found = datetime.strptime(bare, zoned(fmt)[0])
    found = found.replace(year=last - (last - found.year) % 100) if last else found
    return found - _ahead(offset)


def _fits(text: str, fmt: str) -> bool:
    (bare, offset), (form, expected) = zoned(text), zoned(fmt)
    try:
        _ = datetime.strptime(bare, form) - _ahead(offset)
    except (ValueError, OverflowError):
        return False
    return bool(offset) == bool(expected)
