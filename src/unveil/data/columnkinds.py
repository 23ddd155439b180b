"""What the columns of a table are taken for: categories, yes/no, whole numbers, decimals, dates, or nothing of use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..domain.columns import OWN
from ..errors import RequestError, nearest
from .columnforms import decimals_of
from .columns import KINDS, LEVELLED, Column, Kind, texts_of
from .raw import MISSING, Array
from .tablecolumns import taking

if TYPE_CHECKING:
    import narwhals as nw

    AnySeries = nw.Series[Any]

LEVEL_WORDS = frozenset(
    {"none", "nil", "unknown", "undefined", "*", "."}
)  # marks of a gap in a number, levels of a category
GONE = MISSING - LEVEL_WORDS
EMPTY = frozenset({"", "nan"})  # what is missing in categories that were asked for: "NA" may be Namibia
YES_NO = (
    {"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"0", "1"}, {"on", "off"}, {"ja", "nein"}, {"oui", "non"},
    {"sí", "no"}, {"si", "no"}, {"是", "否"},
)  # fmt: skip
OWN_TEXT = 0.5  # different texts to a value, from which on a column is text and no category
AS_ASKED, NO_VALUE = "as asked", "it holds no value"  # why a column is left out
WORDS_SHARE, MOST_WORDS = 0.05, 5  # of the values of a column of numbers or dates, and different ones, that are gaps
FEW_ROWS = 20  # texts that may differ from each other by chance
MOST_CELLS = 2**31  # between the least and the greatest: more say that no resolution is visible
MOST_DECIMALS = 9
MOST_FLOAT32 = float(np.finfo(np.float32).max)
MOST_STEPS, UNEVEN = 1e6, 1e-3  # even steps between the least and the greatest; how far off one may be, in steps
COUNTED = 1000  # whole numbers from 0 to below this count something
FEW_NUMBERS = 20  # different numbers up to which each that comes twice is an atom
OFTEN, AT_LEAST, ABOVE = 0.01, 10, 3.0  # share and number of rows with an atom, and times what is usual of a number
ALL_ATOMS = 2000  # atoms of all columns together, about
MOST_ATOMS, FEWEST_ATOMS = 32, 4
ENOUGH_IDS = 20  # rows from which numbers that count on are taken for names of the rows


def asked_kinds(text: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """{column: kind} of data.kinds, a kind being one of KINDS, "drop", "text", or "date:FORMAT"."""
    found: dict[str, str] = {}
    for part in text:
        name, sep, kind = part.rpartition("=")
        if not sep or name.strip() not in names:
            told = nearest(name.strip(), names) if sep else ""
            raise RequestError(
                f"data.kinds came with {part!r}; it takes COLUMN=KIND of columns of the table, with commas between.",
                told,
            )
        if kind.strip() not in (*KINDS, "drop") and not kind.strip().startswith("date:"):
            raise RequestError(
                f"data.kinds takes {name.strip()} as {kind.strip()!r}.", nearest(kind.strip(), [*KINDS, "drop"])
            )
        if found.get(name.strip(), kind.strip()) != kind.strip():
            raise RequestError(
                f"data.kinds takes {name.strip()} as {found[name.strip()]!r} and as {kind.strip()!r}.",
                "Give one of them.",
            )
        found[name.strip()] = kind.strip()
    return found


def most_atoms(num_columns: int) -> int:
    """Atoms of one column of so many."""
    return max(FEWEST_ATOMS, min(MOST_ATOMS, ALL_ATOMS // max(1, num_columns)))


def levels_column(name: str, cells: Sequence[Any], dtype: str, asked: str, order: Sequence[str] = ()) -> Column | str:
    """A column of texts, yes and no or given categories; or why it is left out.

    Arguments: cells, as they came; asked, its kind in data.kinds or ""; order, levels of an ordered type.
    """
    texts = texts_of(cells, EMPTY if asked else GONE)
    counts = Counter(text for text in texts if text is not None)
    known, gaps = sum(counts.values()), 1 - sum(counts.values()) / max(1, len(texts))
    if not known:
        return NO_VALUE
    if not asked and not order and _is_text(counts, known):
        return "each row has a text of its own" if len(counts) == known else f"{len(counts):,} texts in {known:,} rows"
    levels = tuple(order) or tuple(sorted(counts, key=lambda text: (-counts[text], text)))
    if asked == "ordinal" and not order:
        levels = tuple(sorted(counts, key=_in_order))
    kind = cast(Kind, asked or ("ordinal" if order else "yes/no" if _is_yes_no(counts) else "category"))
    many = f"{len(levels):,} level" + "s" * (len(levels) != 1)
    shared = _shared([counts[level] for level in levels]) if len(levels) > OWN else ""
    why = {"category": f"{many} of text{shared}", "ordinal": f"{many} in an order", "yes/no": " and ".join(levels)}.get(
        kind, many
    )
    return Column(name, kind, f"as asked{shared}" if asked else why, levels, dtype=dtype, missing=gaps)


def _shared(counts: Sequence[int]) -> str:
    """What it costs that the rarest levels, from the commonest down, share one number: at most their own entropy."""
    rare = np.array(counts[OWN - 1 :], np.float64)
    share = rare[rare > 0] / rare.sum() if rare.sum() else np.ones(1)
    rows = float(rare.sum() / sum(counts))
    lost = rows * float(-(share * np.log(share)).sum())
    return (
        f"; the {len(rare):,} rarest ({rows:.1%} of rows) share one number, at a cost of at most {lost:.2g} nats a row"
    )


def numbers_column(name: str, values: Array, known: Array, dtype: str, asked: str, num_columns: int) -> Column | str:
    """A column of numbers [N]; or why it is left out.

    Arguments: values, float64 or integers; known [N] bool, where there is one; num_columns, of the table.
    """
    seen = values[known]
    gaps = 1 - len(seen) / max(1, len(values))
    if not len(seen):
        return NO_VALUE
    if not asked and _counts_on(seen, gaps):
        return "its numbers count the rows"
    distinct, counts = np.unique(seen, return_counts=True)
    if asked in LEVELLED or (not asked and len(distinct) <= 2 and set(distinct) <= {0, 1} and len(distinct) == 2):
        return _numbers_as_levels(name, distinct, counts, dtype, asked, gaps)
    _require_float32(name, seen)
    decimals = _resolution(seen) if asked != "real" else None
    if asked in ("whole", "count") and decimals != 0:
        raise RequestError(f"data.kinds takes {name} as {asked}, and it holds {seen[seen != np.rint(seen)][0]:g}.")
    if asked == "count" and seen.min() < 0:
        raise RequestError(f"data.kinds takes {name} as count, and it holds {seen.min():g}.")
    if decimals is None and asked == "decimal" and not even_steps(distinct)[1]:
        raise RequestError(
            f"data.kinds takes {name} as decimal, and its numbers have no last digit in common; take real."
        )
    base, step = even_steps(distinct) if decimals is None and asked in ("", "decimal") else (0.0, 0.0)
    if step:
        decimals, cells = 0, np.rint((distinct - base) / step)
    else:
        is_exact = decimals is None or distinct.dtype.kind == "i"
        cells = distinct if is_exact else np.rint(distinct * 10.0 ** (decimals or 0))
    middle = cells[np.searchsorted(counts.cumsum(), counts.sum() / 2)]
    origin = float(middle) if decimals is None else int(middle)
    is_wide = decimals is None or float(np.abs(cells).max()) >= 2**24
    origin = (origin if _is_far(cells, float(origin)) else 0.0) if decimals is None else (origin if is_wide else 0)
    codes = (cells - origin).astype(np.float32)
    ends = codes[[0, -1]] if decimals is None else (cells[[0, -1]] - origin).astype(np.float64)  # float32 is too short
    atoms = atoms_of(codes, counts, most_atoms(num_columns), decimals is None)
    kind: Kind = "real" if decimals is None else "decimal" if decimals or step else "whole"
    if kind == "whole" and seen.min() == 0 and seen.max() < COUNTED:
        kind = "count"
    kind = cast(Kind, asked) if asked in ("count", "whole", "decimal") else kind
    if kind == "count":  # its ends are at 0
        ends, atoms, origin = ends + origin, tuple(atom + origin for atom in atoms), 0
    why = {
        "real": "no last digit is to be seen",
        "decimal": f"steps of {step:.4g}" if step else f"{decimals} decimal" + "s" * (decimals != 1),
        "whole": "whole numbers",
        "count": "whole numbers from 0 up",
    }.get(kind, kind)
    return Column(
        name, kind, "as asked" if asked else why, (), decimals or 0, origin, atoms, float(ends[0]),
        float(ends[1]), dtype, missing=gaps, step=step, base=base,
    )  # fmt: skip


def _require_float32(name: str, seen: Array) -> None:
    """Refuse numbers that float32, in which a model computes, does not have."""
    far = seen[int(np.abs(seen.astype(np.float64)).argmax())]
    if abs(float(far)) > MOST_FLOAT32:
        raise RequestError(
            f"Column {name!r} of the table holds {far:g}, and a model takes numbers up to {MOST_FLOAT32:.3g}.",
            f"Give its logarithms, or leave it out: {taking(name, 'drop')}",
        )


def even_steps(distinct: Array) -> tuple[float, float]:
    """(the least, the distance) of rising numbers that all lie at even distances; (0, 0) of others.

    So are recorded numbers that were scaled afterwards: ages as shares of the oldest, or in standard deviations.
    """
    values = distinct.astype(np.float64)
    if len(values) < 2 or values.dtype.kind != "f":
        return 0.0, 0.0
    gaps = np.diff(values)
    spread = values[-1] - values[0]
    count = spread / gaps.min()
    if not np.isfinite(count) or count > MOST_STEPS:
        return 0.0, 0.0
    step = spread / np.rint(count)
    places = (values - values[0]) / step
    is_even = bool((np.abs(places - np.rint(places)) < UNEVEN).all())
    return (float(values[0]), float(step)) if is_even else (0.0, 0.0)


def _numbers_as_levels(name: str, distinct: Array, counts: Array, dtype: str, asked: str, gaps: float) -> Column:
    """Numbers whose values are levels: as they are written, in their order for an ordinal, the frequent first else."""
    order = (
        range(len(distinct))
        if asked == "ordinal"
        else sorted(range(len(distinct)), key=lambda i: (-counts[i], distinct[i]))
    )
    levels = tuple(str(texts_of([distinct[i].item()], frozenset())[0]) for i in order)
    kind = cast(Kind, asked or "yes/no")
    return Column(name, kind, "as asked" if asked else "0 and 1", levels, dtype=dtype, missing=gaps)


def _resolution(seen: Array) -> int | None:
    """Decimals of numbers that have a last digit in common; None where there is none to be seen."""
    if seen.dtype.kind in "iu":
        return 0
    found = decimals_of(seen)
    if found is None or found > MOST_DECIMALS:
        return None
    spread = float(seen.max()) - float(seen.min())
    return found if spread * 10.0**found < MOST_CELLS else None


def _is_far(values: Array, origin: float) -> bool:
    """Whether values are closer to each other than float32 can tell so far from 0."""
    spread = float(values.max() - values.min())
    return abs(origin) > 1e3 * spread > 0


def atoms_of(codes: Array, counts: Array, most: int, is_real: bool) -> tuple[float, ...]:
    """The codes [n] that come often, by their counts [n]; the most frequent where there are more than `most`."""
    total = counts.sum()
    if len(codes) == 1:
        return (float(codes[0]),)
    if len(codes) <= FEW_NUMBERS:
        often = counts >= 2
    else:
        usual = 1 if is_real else float(np.median(counts))
        often = (counts >= max(AT_LEAST, OFTEN * total)) & (counts > ABOVE * usual)
    order = sorted(np.flatnonzero(often), key=lambda i: (-counts[i], codes[i]))[:most]
    return tuple(float(codes[i]) for i in sorted(order, key=lambda i: codes[i]))


def _counts_on(seen: Array, gaps: float) -> bool:
    """Whether numbers count the rows, one after the other."""
    if gaps or len(seen) < ENOUGH_IDS or seen[1] - seen[0] not in (1, -1):
        return False
    return bool((np.diff(seen) == seen[1] - seen[0]).all())


def _is_text(counts: Counter[str], known: int) -> bool:
    """Whether texts are no levels: nearly every row has its own."""
    if len(counts) == known and known > FEW_ROWS // 2:
        return True
    return known > FEW_ROWS and len(counts) > OWN_TEXT * known


def _is_yes_no(counts: Mapping[str, int]) -> bool:
    return {text.casefold() for text in counts} in YES_NO


def _in_order(text: str) -> tuple[int, float, str]:
    """Levels that are numbers in their order, before texts."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)
