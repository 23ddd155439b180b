"""Dates and times as text: the format of a whole column, and the coarsest unit that holds all of its values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from .raw import Array

UNITS = ("D", "h", "m", "s", "ms", "us")
DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
    "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%Y-%m", "%b %Y",
)  # fmt: skip
TIMES = ("", " %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f", "T%H:%M:%SZ", " %I:%M %p")
FORMATS = tuple(day + time for day in DAYS for time in TIMES)
PEEK = 200  # texts that tell which formats are left


def formats_of(texts: Sequence[str]) -> list[str]:
    """The formats that every text is a date in: none for other text, two where day and month could change places."""
    distinct = sorted(set(texts))
    few = [fmt for fmt in FORMATS if all(_fits(text, fmt) for text in distinct[:PEEK])]
    return [fmt for fmt in few if all(_fits(text, fmt) for text in distinct[PEEK:])] if distinct else []


def read_dates(texts: Sequence[str | None], fmt: str, last: int = 0) -> Array:
    """Texts in a format, NaT where there is none or it is another.

    Arguments: last, the year that ends the hundred years that two digits stand for; 0 for Python's own, to 2068.
    """
    known: dict[str | None, Any] = {None: np.datetime64("NaT")}
    for text in set(texts) - {None}:
        assert text is not None
        known[text] = np.datetime64(_read(text, fmt, last), "us") if _fits(text, fmt) else np.datetime64("NaT")
    return np.array([known[text] for text in texts], "datetime64[us]")


def last_year(fmt: str) -> int:
    """The year that ends the hundred years of a format whose years have two digits: the present; 0 of another."""
    return datetime.now().year if "%y" in fmt else 0


def unit_of(values: Array) -> str:
    """The coarsest unit in which all of the values [N], at least one, are whole."""
    ticks = values.astype("datetime64[us]")
    return next(unit for unit in UNITS if bool((ticks.astype(f"datetime64[{unit}]") == ticks).all()))


def written_date(value: np.datetime64, fmt: str, unit: str) -> str:
    """A date in a format; without one as in ISO 8601."""
    if fmt:
        return str(value.astype("datetime64[us]").item().strftime(fmt))
    return str(value).replace("T", " ") if unit != "D" else str(value)


def _read(text: str, fmt: str, last: int) -> datetime:
    found = datetime.strptime(text, fmt)
    return found.replace(year=last - (last - found.year) % 100) if last else found


def _fits(text: str, fmt: str) -> bool:
    try:
        datetime.strptime(text, fmt)
    except ValueError:
        return False
    return True
