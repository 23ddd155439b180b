"""Draws of the rows of a table of which some columns are to hold what is asked: `sample` with conditions."""

from __future__ import annotations

import csv
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..batch import Batch
from ..data.columns import LEVELLED, Table
from ..errors import Fact, RequestError, WorkError, nearest
from ..model import device_of, evaluating
from ..ops import keyed
from ..runs.given import fitted_table
from ..runs.store import RunStore
from .wherevalues import code_of

Array = NDArray[np.float32]
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, "=": operator.eq, ">": operator.gt, "<": operator.lt
}  # fmt: skip
MOST_DRAWS, AT_ONCE = 1_000_000, 4096  # rows that are drawn before it is given up, and at a time
HOPELESS = 20_000  # of which not one meets the conditions
COMPARED = r"\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*"
CONDITION = re.compile(rf"\s*(.+?){COMPARED}", re.DOTALL)
EXAMPLE = 'where="sex=female,age>=60"'


@dataclass(frozen=True)
class Condition:
    """What one column is to hold.

    Arguments: column, its number; sign, of COMPARE; code, what it is compared with.
    """

    column: int
    sign: str
    code: float

    def holds(self, x: Array) -> NDArray[np.bool_]:
        """[N] of x [N, D]."""
        found: NDArray[np.bool_] = COMPARE[self.sign](x[:, self.column], np.float32(self.code))
        return found


def conditions(run: RunStore, where: str | Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of "sex=female,age>=60", or of {"sex": "female", "age": ">=60"}; refused if one is wrong.

    Values are written as in the file: "price>=1,234,share<12%". What holds both a comma and a sign stands in quotes.
    """
    table = fitted_table(run)
    if table is None:
        raise RequestError("Conditions on samples are for a run on a table of mixed columns; leave where out.")
    if isinstance(where, str):
        parts = [_split(part, table.names) for part in _parts(where)]
    else:
        parts = [_of_pair(name, value) for name, value in where.items()]
    if not parts:
        raise RequestError(f"where came as {where!r}; it takes conditions on columns.", f"An example: {EXAMPLE}")
    return tuple(_condition(table, *part) for part in parts)


def _parts(where: str) -> list[str]:
    """What commas separate; one without a sign goes on with the value before it, as 234 of "price=1,234" does."""
    found: list[str] = []
    for part in next(csv.reader([where])):
        if found and part.strip() and CONDITION.fullmatch(part) is None:
            found[-1] += f",{part}"
        elif part.strip():
            found.append(part)
    return found


def _split(part: str, names: Sequence[str]) -> tuple[str, str, str]:
    """(column, sign, value); of a column whose name holds a sign, the longest name that the part begins with."""
    for known in sorted(names, key=len, reverse=True):
        rest = part.lstrip().removeprefix(known.strip())
        compared = re.fullmatch(COMPARED, rest, re.DOTALL) if known.strip() and rest != part.lstrip() else None
        if compared is not None:
            return known, compared[1], compared[2]
    found = CONDITION.fullmatch(part)
    if found is None:
        raise RequestError(f"where came with {part.strip()!r}; it takes COLUMN=VALUE, or >, <, >=, <=, !=.", EXAMPLE)
    name, sign, value = found.groups()
    return name, sign, value


def _of_pair(name: str, value: Any) -> tuple[str, str, Any]:
    """A pair of a mapping, whose value may begin with a sign."""
    found = re.fullmatch(r"(>=|<=|!=|>|<)\s*(.*)", value) if isinstance(value, str) else None
    return (name, found[1], found[2]) if found else (name, "=", value)


def _condition(table: Table, name: str, sign: str, value: Any) -> Condition:
    if name not in table.names:
        why = table.left_out.get(name)
        told = f"where names the column {name!r}, which the run left out: {why}." if why else ""
        told = told or f"where names the column {name!r}, and the table of the run has none of that name."
        raise RequestError(told, nearest(name, table.names))
    d = table.names.index(name)
    column = table.columns[d]
    if sign not in ("=", "!=") and column.kind in ("category", "yes/no"):
        raise RequestError(f"where compares {name!r} by {sign}, and its levels are in no order; take = or !=.")
    return Condition(d, sign, code_of(column, value, sign))


@torch.no_grad()
def sample_where(
    run: RunStore, num_samples: int, wanted: Sequence[Condition], seed: int, draw: Callable[[int, int], Array]
) -> tuple[Array, tuple[str, ...]]:
    """x [N, D] for which all conditions hold, and a sentence where rows were thrown away for it.

    A model that knows any column given any others draws the others given those with "=", and its draws then have
    p(x_others|x_given) of the orders that begin with these. What is left of the conditions, and all of them of other
    models, is met by drawing until enough rows meet it, which is exact.

    Arguments: draw(N, seed) gives N rows without any condition.
    """
    can_be_given = "conditionals" in run.model.gives and not run.domain.models_gaps  # else the rest would be missing
    held = [c for c in wanted if c.sign == "="] if can_be_given else []
    _refuse_both(run, held)
    rest = [c for c in wanted if c not in held]
    rows = (lambda count, key: _given(run, held, count, key)) if held else draw
    found: list[Array] = []
    drawn = kept = 0
    while kept < num_samples:
        share = kept / drawn if kept else 1 / 20 if drawn else 1.0
        count = min(AT_ONCE, max(64, int(1.2 * (num_samples - kept) / share)))
        x = rows(count, seed + 1_000_003 * drawn)
        x = x[np.logical_and.reduce([c.holds(x) for c in rest])] if rest else x
        drawn, kept = drawn + count, kept + len(x)
        found.append(x)
        if kept < num_samples and drawn >= (MOST_DRAWS if kept else HOPELESS):
            raise WorkError(
                f"{f'Only {kept:,}' if kept else 'None'} of {drawn:,} drawn rows meet the conditions, and "
                f"{num_samples:,} were asked for.{_ranges(run, rest)}",
                "Ask for fewer, or for less in where.",
            )
    told = f"{100 * kept / drawn:.3g} % of {drawn:,} drawn rows met the conditions; the others were thrown away."
    return np.concatenate(found)[:num_samples], (Fact(told),) if rest else ()


def _ranges(run: RunStore, wanted: Sequence[Condition]) -> str:
    """Where the columns of numbers that are asked for lay in training, in a sentence."""
    table = fitted_table(run)
    columns = [table.columns[d] for d in dict.fromkeys(c.column for c in wanted)] if table else []
    told = [
        f"{column.name!r} from {column.texts(np.array([column.low]))[0]} to {column.texts(np.array([column.high]))[0]}"
        for column in columns
        if column.kind not in LEVELLED
    ]
    return f" Training had {', '.join(told)}." if told else ""


def _refuse_both(run: RunStore, held: Sequence[Condition]) -> None:
    """Refuse two values of one column."""
    for c in held:
        if any(other.column == c.column and other.code != c.code for other in held):
            name = (run.columns or [])[c.column]
            raise RequestError(f"where gives two values of {name!r}, which no row can have; give one.")


def _given(run: RunStore, held: Sequence[Condition], count: int, seed: int) -> Array:
    """Rows of which some columns are given, the others drawn given these."""
    x = torch.zeros(count, run.domain.num_dims)
    seen = torch.zeros_like(x, dtype=torch.bool)
    for c in held:
        x[:, c.column], seen[:, c.column] = c.code, True
    with keyed("where", seed), evaluating(run.model):
        batch = Batch(x, observed=seen).to(device_of(run.model))
        found: Array = run.model.draw_missing(batch, 1)[0].cpu().numpy()
    return found
