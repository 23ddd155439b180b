"""Dates and times as text: the format of a whole column, and the coarsest unit that holds all of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from .raw import Array
from .zones import in_utc, local, zone_like, zone_of

UNITS = ("D", "h", "m", "s", "ms", "us")
DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
    "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%Y-%m", "%b %Y",
)  # fmt: skip
TIMES = ("", " %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f", "T%H:%M:%SZ", " %I:%M %p")
ZONED = (
    "T%H:%M:%S%:z", " %H:%M:%S%:z", "T%H:%M:%S%z", " %H:%M:%S%z", " %H:%M:%S %z", "T%H:%M%:z", " %H:%M%:z",
    "T%H:%M:%S.%f%:z", " %H:%M:%S.%f%:z",
)  # fmt: skip
FORMATS = tuple(day + time for day in DAYS for time in (*TIMES, *ZONED))
WORD, SHORT = r"[^\W\d_]+\.?", r" ?\d{1,2}"
LOOKS = {
    "%Y": r"\d{4}", "%y": r"\d\d", "%m": SHORT, "%d": SHORT, "%H": SHORT, "%I": SHORT, "%M": SHORT, "%S": SHORT,
    "%b": WORD, "%B": WORD, "%f": r"\d{1,6}", "%p": r"[ap]\.?m\.?", "%z": r"[+-]\d{4}", "%:z": r"[+-]\d\d:\d\d",
}  # fmt: skip
IN_UTC = "+00:00"  # behind a moment
PEEK = 200  # texts that tell which formats are left


def formats_of(texts: Sequence[str]) -> list[str]:
    """The formats that every text is a date in: none for other text, two where day and month could change places."""
    distinct = sorted(set(texts))
    few = [fmt for fmt in FORMATS if all(fits(text, fmt) for text in distinct[:PEEK])]
    return [fmt for fmt in few if all(fits(text, fmt) for text in distinct[PEEK:])] if distinct else []


def read_dates(texts: Sequence[str | None], fmt: str, last: int = 0, zone: str = "") -> Array:
    """Texts in a format, NaT where there is none or it is another.

    Arguments: last, the year that ends the hundred years that two digits stand for; 0 for Python's own, to 2068; zone,
    whose clocks show the times of a format with offsets, as they are read.
    """
    known: dict[str | None, Any] = {None: np.datetime64("NaT")}
    for text in set(texts) - {None}:
        assert text is not None
        known[text] = np.datetime64(_read(text, fmt, last), "us") if fits(text, fmt) else np.datetime64("NaT")
    found = np.array([known[text] for text in texts], "datetime64[us]")
    return local(found, zone) if zone and (has_offset(fmt) or in_utc_by(fmt)) else found


def all_fit(texts: Sequence[str], fmt: str) -> bool:
    """Whether all texts are dates in a format; "" is none."""
    return bool(fmt) and all(fits(text, fmt) for text in set(texts))


def has_offset(fmt: str) -> bool:
    """Whether texts of a format say by how much their clocks are ahead of UTC."""
    return fmt.endswith("z")


def in_utc_by(fmt: str) -> bool:
    """Whether texts of a format say by a Z that they are in UTC."""
    return fmt.endswith("Z")


def zone_of_texts(texts: Sequence[str | None], *ways: str) -> str:
    """A zone whose clocks show the times of those texts that are in formats with offsets; "" where there are none."""
    known = sorted(set(texts) - {None}) if any(map(has_offset, ways)) else []  # type: ignore[type-var]
    pairs = [(text, way) for text in known for way in ways if text and has_offset(way) and fits(text, way)]
    return zone_like([datetime.strptime(text, _plain(way)) for text, way in pairs]) if pairs else ""


def last_year(fmt: str) -> int:
    """The year that ends the hundred years of a format whose years have two digits: the present; 0 of another."""
    return datetime.now().year if "%y" in fmt else 0


def unit_of(values: Array) -> str:
    """The coarsest unit in which all of the values [N], at least one, are whole."""
    ticks = values.astype("datetime64[us]")
    return next(unit for unit in UNITS if bool((ticks.astype(f"datetime64[{unit}]") == ticks).all()))


def written_date(value: np.datetime64, fmt: str, unit: str, zone: str = "", is_utc: bool = False) -> str:
    """A date in a format; without one as in ISO 8601, with +00:00 where it is a moment in UTC.

    Arguments: zone, of a format with offsets.
    """
    if zone and in_utc_by(fmt):
        value = in_utc(np.array([value], "datetime64[us]"), zone)[0]
    if has_offset(fmt):
        wall = value.astype("datetime64[us]").item().replace(tzinfo=zone_of(zone) or UTC)
        text = str(wall.strftime(_plain(fmt).replace("%Y", f"{wall.year:04}")))
        return f"{text[:-2]}:{text[-2:]}" if fmt.endswith("%:z") else text
    if fmt:
        found = value.astype("datetime64[us]").item()
        return str(found.strftime(fmt.replace("%Y", f"{found.year:04}")))  # strftime of glibc pads no year
    text = str(value).replace("T", " ") if unit != "D" else str(value)
    return f"{value.astype('datetime64[us]').item().isoformat(sep=' ')}{IN_UTC}" if is_utc else text


def _read(text: str, fmt: str, last: int) -> datetime:
    found = datetime.strptime(text, _plain(fmt))
    if has_offset(fmt):
        return found.astimezone(UTC).replace(tzinfo=None)
    return found.replace(year=last - (last - found.year) % 100) if last else found


def fitting(text: str) -> list[str]:
    """The formats that a text is a date in."""
    return [fmt for fmt in FORMATS if fits(text, fmt)]


def fits(text: str, fmt: str) -> bool:
    """Whether a text is a date in a format."""
    shape = _shape(fmt)
    if shape is not None and not shape.fullmatch(text):
        return False
    try:
        datetime.strptime(text, _plain(fmt))
    except ValueError:
        return False
    return True


@cache
def _shape(fmt: str) -> re.Pattern[str] | None:
    """What texts in a format look like, which is sooner asked than whether they are dates; None of one not known."""
    parts = re.split(r"(%:?[a-zA-Z])", fmt)
    if not all(part in LOOKS for part in parts[1::2]):
        return None
    return re.compile("".join(LOOKS.get(p) or re.escape(p).replace("\\ ", "\\s+") for p in parts), re.IGNORECASE)


def _plain(fmt: str) -> str:
    """A format as Python reads it, which tells no offset with a colon from one without."""
    return fmt.replace("%:z", "%z")
