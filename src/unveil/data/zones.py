"""Time zones: the times on the clocks of one, and moments in UTC, as arrays of NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from .raw import Array

OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)")
QUARTER = 15 * 60 * 1_000_000  # microseconds: no zone changes its offset within a quarter of an hour
FIRST, LAST = -62_135_510_400_000_000, 253_402_214_400_000_000  # of years 1 to 9999, a day from the ends
USUAL = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Sao_Paulo", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip


@cache
def zone_of(name: str) -> tzinfo | None:
    """A zone by its name or its offset ("+05:30"); None where it is not known here."""
    if found := OFFSET.fullmatch(name):
        size = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-size if found[1] == "-" else size) if size < timedelta(days=1) else None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def local(moments: Array, zone: str) -> Array:
    """What the clocks of a zone show at moments [N] in UTC, datetime64[us]."""
    return moments + _offsets(moments, zone, lambda moment, own: moment.replace(tzinfo=UTC).astimezone(own))


def in_utc(walls: Array, zone: str) -> Array:
    """The moments [N] in UTC at which the clocks of a zone show some times: the first, where they do so twice.

    A midnight that a zone leaves out is the moment in which its day begins.
    """
    return walls - _offsets(walls, zone, lambda wall, own: wall.replace(tzinfo=own))


def are_days(moments: Array, zone: str) -> bool:
    """Whether moments [N] in UTC, NaT where there is none, all are beginnings of days in a zone."""
    if zone_of(zone) is None:
        return False
    seen = moments[~np.isnat(moments)].astype("datetime64[us]")
    days = local(seen, zone).astype("datetime64[D]").astype("datetime64[us]")
    return bool((in_utc(days, zone) == seen).all())


def zone_like(moments: Sequence[datetime]) -> str:
    """A zone in which moments that come with offsets have these offsets: one offset where it is the only one."""
    offsets = {moment.utcoffset() for moment in moments}
    if len(offsets) == 1:
        return _as_offset(next(iter(offsets)) or timedelta())
    others = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return next((name for name in (*USUAL, *others) if _fits(moments, name)), "UTC")


def _fits(moments: Sequence[datetime], name: str) -> bool:
    zone = zone_of(name)
    return zone is not None and all(moment.astimezone(zone).utcoffset() == moment.utcoffset() for moment in moments)


def _as_offset(size: timedelta) -> str:
    minutes = int(abs(size).total_seconds()) // 60
    return f"{'-' if size < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _offsets(moments: Array, zone: str, place: Callable[[datetime, tzinfo], datetime]) -> Array:
    """By how much clocks are ahead of UTC [N], once for each quarter of an hour."""
    own, ticks = zone_of(zone), moments.astype("datetime64[us]").astype(np.int64)
    quarters, which = np.unique(np.clip(ticks, FIRST, LAST) // QUARTER, return_inverse=True)
    begin = datetime(1970, 1, 1)
    found = [
        (place(begin + timedelta(microseconds=int(quarter) * QUARTER), own).utcoffset() or timedelta()) if own else 0
        for quarter in quarters
    ]
    return np.array(found, "timedelta64[us]")[which]
