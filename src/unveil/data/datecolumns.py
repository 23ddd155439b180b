"""Columns of dates: what is found of them, and how a run reads them again."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import RequestError
from .columnkinds import MOST_WORDS, NO_VALUE, WORDS_SHARE, atoms_of, most_atoms
from .columns import Column
from .compactdates import FORMAT, days_of
from .dates import LOOKS, fits, fitting, formats_of, last_year, read_dates, unit_of, written_date, zone_of_texts
from .raw import Array
from .tablecolumns import joined, taking

ASKED = "date:"  # before the formats of data.kinds, which OR separates
OR = "|"
ALSO = ("%j", "%a", "%A", "%%")  # parts of a format beside those that are recognised
PEEK, TRIED = 8, 100  # texts that tell whether a column may be of dates; dates that tell whether a format holds all
MOST_UNLIKE = 500  # different texts that are compared with each other
UNITS = {"D": "day", "h": "hour", "m": "minute", "s": "second", "ms": "millisecond", "us": "microsecond"}


@dataclass(frozen=True)
class Dated:
    """A column as dates.

    Arguments: values [N] datetime64, NaT where there is none; ways, the formats of texts, first the one that new dates
    are written in; zone, whose clocks show the values, "" for none; gaps, texts that stand for none; said, what to say.
    """

    values: Array
    ways: tuple[str, ...] = ()
    zone: str = ""
    gaps: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def dates_column(name: str, found: Dated, dtype: str, asked: str, num_columns: int) -> Column | str:
    """A column of dates; or why it is left out."""
    values = found.values
    seen = values[~np.isnat(values)]
    if not len(seen):
        return NO_VALUE
    unit, written = unit_of(seen), next(iter(found.ways), "")
    ticks = seen.astype(f"datetime64[{unit}]").astype(np.int64)
    distinct, counts = np.unique(ticks, return_counts=True)
    origin = int(distinct[np.searchsorted(counts.cumsum(), counts.sum() / 2)])
    codes = (distinct - origin).astype(np.float32)
    where = f" in {found.zone}" if found.zone else " as YYYYMMDD" if found.ways == (FORMAT,) else ""
    why = "as asked" if asked else f"dates to the {UNITS[unit]}{where}"
    low, high = float(distinct[0] - origin), float(distinct[-1] - origin)
    atoms = atoms_of(codes, counts, most_atoms(num_columns), False)
    return Column(
        name, "date", why, (), 0, origin, atoms, low, high, dtype, unit, written,
        1 - len(seen) / max(1, len(values)), found.gaps, last_year=max(map(last_year, found.ways), default=0),
        zone=found.zone, ways=found.ways[1:],
    )  # fmt: skip


def days_in_numbers(values: Array, known: Array) -> Dated:
    """Whole numbers [N] as the dates that they are, written YYYYMMDD; those that are no date are missing.

    Arguments: known [N] bool, where there is a number.
    """
    days = np.where(known, days_of(np.where(known, values, 0)), np.datetime64("NaT"))
    wrong = tuple(str(int(value)) for value in np.unique(values[known & np.isnat(days)]))
    return Dated(days, (FORMAT,), gaps=wrong)


def may_be_dates(texts: Sequence[str | None]) -> bool:
    """Whether half of some different texts or more are dates in a format that is known."""
    known = sorted({text for text in texts if text is not None})
    some = known[:: max(1, len(known) // PEEK)][:PEEK]
    return 2 * sum(bool(way) for way in map(fitting, some)) >= len(some) > 0


def dates_of_texts(name: str, texts: Sequence[str | None], asked: str) -> Dated | None:
    """A column that is dates as text; None where it is not."""
    known = [text for text in texts if text is not None]
    if asked.startswith(ASKED):
        return _as_asked(name, texts, asked)
    found = formats_of(known)
    if found:
        return _read(texts, (found[0],), said=_said(name, found, (found[0],)))
    mixed = _mixed(name, texts)
    if mixed is None and asked == "date":
        raise RequestError(
            f"data.kinds takes {name} as date, and it holds {known[0] if known else ''!r}.",
            f"Say how it is written, as in data.kinds={name}=date:%d.%m.%Y.",
        )
    return mixed


def _as_asked(name: str, texts: Sequence[str | None], asked: str) -> Dated:
    ways = tuple(asked.removeprefix(ASKED).split(OR))
    for way in ways:
        _require_dates(name, asked, way)
    bad = next((text for text in texts if text is not None and not any(fits(text, way) for way in ways)), None)
    if bad is not None:
        way = f"{shlex.quote(f'data.na_values={joined([bad])}')} takes it as missing."
        raise RequestError(f"data.kinds takes {name} as {asked}, and it holds {bad!r}.", way)
    return _read(texts, ways, said=_said_two_digits(name, ways))


def _require_dates(name: str, asked: str, way: str) -> None:
    """Refuse a format whose parts do not tell a date: weeks alone, or no year."""
    parts = re.findall(r"%:?[a-zA-Z%]", way)
    if strange := [part for part in parts if part not in (*LOOKS, *ALSO)]:
        raise RequestError(
            f"data.kinds takes {name} as {asked}, and {strange[0]} tells no date.",
            f"A format is made of {', '.join((*LOOKS, *ALSO))}.",
        )
    if not {"%Y", "%y"} & set(parts):
        raise RequestError(
            f"data.kinds takes {name} as {asked}, and {way} names no year.",
            f"Give dates with years, or take it as levels: {taking(name, 'category')}",
        )


def _read(
    texts: Sequence[str | None], ways: tuple[str, ...], gaps: tuple[str, ...] = (), said: tuple[str, ...] = ()
) -> Dated:
    last, zone = max(map(last_year, ways)), zone_of_texts(texts, *ways)
    return Dated(read_ways(texts, ways, last, zone), ways, zone, gaps, said)


def read_ways(texts: Sequence[str | None], ways: Sequence[str], last: int = 0, zone: str = "") -> Array:
    """Texts in one of several formats, NaT where there is none or it is in no format; arguments as of `read_dates`."""
    found = np.full(len(texts), "NaT", "datetime64[us]")
    for way in ways:
        found = np.where(np.isnat(found), read_dates(texts, way, last, zone), found)
    return found


def _mixed(name: str, texts: Sequence[str | None]) -> Dated | None:
    """Dates in several formats, some words among them; None where they are no dates."""
    counts = Counter(text for text in texts if text is not None)
    shapes: dict[str, list[str]] = {}
    for text in counts:
        shapes.setdefault(_shape(text), []).append(text)
    found = {shape: formats_of(group) for shape, group in shapes.items()}
    for shape in [shape for shape, ways in found.items() if not ways]:
        if wrong := set(_impossible(shapes[shape])):
            shapes[f"no {shape}"], found[f"no {shape}"] = [text for text in shapes[shape] if text in wrong], []
            shapes[shape] = [text for text in shapes[shape] if text not in wrong]
            found[shape] = formats_of(shapes[shape])
    _refuse_unlike(name, [shapes[shape] for shape, ways in found.items() if not ways])
    words = tuple(text for shape, ways in found.items() if not ways for text in shapes[shape])
    few = max(2, WORDS_SHARE * sum(counts.values()))
    if len(words) > MOST_WORDS or sum(counts[word] for word in words) > few or len(words) == len(counts):
        return None
    rows = Counter({ways[0]: 0 for ways in found.values() if ways})
    for shape, ways in found.items():
        rows.update({ways[0]: sum(counts[text] for text in shapes[shape])} if ways else {})
    kept = [None if text in words else text for text in texts]
    taken = _best_first(kept, [way for way, _ in rows.most_common()])
    doubtful = next((fmts for fmts in found.values() if len(fmts) > 1), list(taken))
    said = (*_said_ways(name, kept, rows, taken), *_said_words(name, words, counts), *_said(name, doubtful, taken))
    return _read(kept, taken, words, said)


def _impossible(group: Sequence[str]) -> list[str]:
    """Texts that are written as dates of a format and are none: 2023-02-30; none where hardly any is a date.

    Arguments: group, texts that no format holds all of.
    """
    ways = {way for text in group[:TRIED] for way in fitting(text)}
    wrong = [text for text in group if not any(fits(text, way) for way in ways)]
    return wrong if 2 * len(wrong) < len(group) else []


def _shape(text: str) -> str:
    """How a text is written: short numbers, long ones and words each being alike."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", lambda found: "0" * (1 if len(found[0]) < 3 else 4), text.strip()))


def _refuse_unlike(name: str, groups: Sequence[Sequence[str]]) -> None:
    """Refuse dates that are written alike and cannot be of one format: 13/01/2024 and 01/13/2024."""
    for group in groups:
        known = {text: set(found) for text in sorted(group)[:MOST_UNLIKE] if (found := fitting(text))}
        first = min(known, key=lambda text: len(known[text]), default="")
        other = next((text for text, found in known.items() if not found & known[first]), "")
        if other:
            raise RequestError(
                f"Column {name!r} holds dates in formats that contradict each other, {first!r} and {other!r}.",
                f"Write all in one, as 2024-01-31; or leave it out: {taking(name, 'drop')}",
            )


def _best_first(texts: Sequence[str | None], ways: list[str]) -> tuple[str, ...]:
    """Formats, that first which comes most often among those in which all of the dates can be written."""
    values = read_ways(texts, ways, max(map(last_year, ways)))
    some = np.unique(values[~np.isnat(values)])
    some = some[:: max(1, len(some) // TRIED)]
    best = next((way for way in ways if _holds(way, some)), ways[0])
    return (best, *(way for way in ways if way != best))


def _holds(way: str, values: Array) -> bool:
    return bool((read_dates([written_date(value, way, "us") for value in values], way, last_year(way)) == values).all())


def _said_ways(name: str, texts: Sequence[str | None], rows: Counter[str], ways: Sequence[str]) -> tuple[str, ...]:
    """How many dates of a column are in each of several formats; nothing of one."""
    if len(ways) < 2:
        return ()
    examples = {way: next(text for text in texts if text is not None and fits(text, way)) for way in ways}
    told = ", ".join(f"{way} in {rows[way]:,} rows ({examples[way]})" for way in ways)
    return (
        f"Column {name!r} holds dates in {len(ways)} formats: {told}. All are read; new ones are written as {ways[0]}.",
    )


def _said_words(name: str, words: Sequence[str], counts: Counter[str]) -> tuple[str, ...]:
    if not words:
        return ()
    rows = sum(counts[word] for word in words)
    return (
        f"Column {name!r} holds dates, and {', '.join(map(repr, words))} in {rows:,} row{'s' * (rows != 1)}: taken as "
        f"missing. {taking(name, 'category')} takes all of it as levels.",
    )


def _said(name: str, found: Sequence[str], ways: Sequence[str]) -> tuple[str, ...]:
    """What to say of the formats that are taken, of which one may be another: the first of those found."""
    said = _said_two_digits(name, ways)
    if len(found) < 2 or found[1] in ways:
        return said
    other = OR.join(found[1] if way == found[0] else way for way in ways)
    first = (
        f"Column {name!r} holds dates that can be read as {found[0]} or {found[1]}; they are taken as {found[0]}. "
        f"{taking(name, f'{ASKED}{other}')} takes the other."
    )
    return (first, *said)


def _said_two_digits(name: str, ways: Sequence[str]) -> tuple[str, ...]:
    """Which years the two digits of a format stand for; nothing of other formats."""
    last = max(map(last_year, ways))
    if not last:
        return ()
    told = f"they are taken as {last - 99} to {last}; write all four where others are meant."
    return (f"Column {name!r} holds years of two digits: {told}",)
