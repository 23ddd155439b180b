"""Dates as whole numbers, YYYYMMDD: 20240131 is a day, and no number that one could add to."""

from __future__ import annotations

import numpy as np

from .raw import Array

FORMAT = "%Y%m%d"
FIRST, LAST = 1800, 2200  # years between which numbers are taken for dates
NEARLY, FEWEST = 0.99, 6  # share of the values that are dates, and different ones, from which a column is of dates
MARKS = (0, 99999999, 99991231, 99990101, 99981231)  # for no date, or one without an end: they tell nothing


def days_of(values: Array) -> Array:
    """Numbers [N] written YYYYMMDD as datetime64[D], NaT where one is no day of a calendar."""
    inside = (values >= 10101) & (values <= 99991231)
    whole = np.where(inside, values, 10101).astype(np.int64)
    months = (12 * (whole // 10000 - 1970) + whole // 100 % 100 - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (whole % 100 - 1)
    is_month = (whole // 100 % 100 >= 1) & (whole // 100 % 100 <= 12)
    is_day = inside & (whole == values) & is_month & (whole % 100 >= 1) & (days.astype("datetime64[M]") == months)
    return np.where(is_day, days, np.datetime64("NaT"))


def are_days(values: Array) -> bool:
    """Whether (nearly) all numbers [N] are days written YYYYMMDD, more than a handful of them different."""
    seen = values[~np.isin(values, MARKS)]
    if not len(seen) or not FIRST * 10000 < float(np.median(seen)) < LAST * 10000:
        return False
    are = ~np.isnat(days_of(seen)) & (seen >= FIRST * 10000) & (seen < LAST * 10000)
    return bool(are.mean() >= NEARLY) and len(np.unique(seen[are])) >= FEWEST
