"""Synthetic rows: what `unveil diagnose` measured of the rows of a table that the model draws."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...legible import shortened
from ...panels import Panel
from ..charts import Figure, axis, bars, figure, places, points, tiles
from ..exhibits import Group, Plot, Table, sentences
from ..subject import Subject
from . import section

HEAD = ("", "synthetic rows", "real rows, or by chance", "better")
SHOWN, LONGEST = 40, 24  # columns that are drawn, and characters of a name beside a figure
LEAST = 0.1  # errors that the colours reach up to, at least: smaller ones stay pale
OF_COLUMNS = (
    "Each bar is how far a column of synthetic rows is from the real one. Of numbers it is the largest difference of "
    "the distribution functions, of levels half the sum of all differences in share. The mark is what chance makes of "
    "it."
)
OF_PAIRS = (
    "Each tile is how far a pair of columns is from real rows, beyond what chance makes of it. Of two numbers it is "
    "half the difference of their correlations. Of others it is half the sum of all differences in their table of "
    "shares, for which numbers are put into ten bins."
)


@section("synthetic", order=45)
def synthetic(subject: Subject) -> Group | None:
    """The table of all measures, the columns one by one and the pairs as tiles, where a diagnosis has them."""
    found = subject.run.diagnosis or {}
    part, why = found.get("synthetic"), found.get("why", {}).get("synthetic")
    if not part:
        return Group("Synthetic rows", f"Left out: {why}", []) if why else None
    names = [shortened(name, LONGEST) for name in part["names"]]
    first, *more = part["words"]
    shown: list[Panel] = [Table("", "", HEAD, part["rows"]), *sentences(*more)]
    shown += _columns(part["trends"], names)
    shown += _pairs(part["trends"], names)
    return Group("Synthetic rows", first, shown)


def _columns(trends: Mapping[str, Any], names: Sequence[str]) -> list[Panel]:
    """The columns that are farthest off first, from above."""
    each = zip(names, trends["columns"], trends["columns_chance"], strict=True)
    known = sorted(((e, c or 0.0, name) for name, e, c in each if e is not None), key=lambda found: found[1] - found[0])
    told = f" The {SHOWN} that are farthest off are shown." if len(known) > SHOWN else ""
    if not known:
        return []
    return [Plot("Columns", OF_COLUMNS + told, "synthetic_columns", _bars(known[:SHOWN][::-1]))]


def _bars(known: Sequence[tuple[float, float, str]]) -> Figure:
    """Level bars (error, that by chance, name) from below."""
    where, names = list(range(len(known))), [name for _, _, name in known]
    of_columns = bars(where, [100 * e for e, _, _ in known], hover="%{x:.1f} %", level=True)
    chance = points(
        [100 * c for _, c, _ in known], where, "@ink", hover="by chance %{x:.1f} %", size=11,
        marker={"symbol": "line-ns-open", "line": {"width": 2, "color": "@ink"}},
    )  # fmt: skip
    x = axis("error", ticksuffix=" %", rangemode="tozero")
    return figure([of_columns, chance], x, places(names), 90 + 24 * len(known), bargap=0.3)


def _pairs(trends: Mapping[str, Any], names: Sequence[str]) -> list[Panel]:
    own = [names[d] for d in trends["paired"]]
    if len(own) < 2:
        return []
    both = zip(trends["pairs"], trends["pairs_chance"], strict=True)
    beyond = [[_beyond(e, c) for e, c in zip(*rows, strict=True)] for rows in both]
    top = max([LEAST, *(value for row in beyond for value in row if value is not None)])
    shares = [[None if value is None else 100 * value for value in row] for row in beyond]
    x, y = places(own, tickangle=-45), places(own, autorange="reversed")
    plot = figure([tiles(shares, own, " %", 100 * top)], x, y, 220 + 22 * len(own))
    return [Plot("Pairs of columns", OF_PAIRS, "synthetic_pairs", plot)]


def _beyond(error: float | None, chance: float | None) -> float | None:
    return None if error is None or chance is None else max(error - chance, 0.0)
