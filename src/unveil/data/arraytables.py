"""An array as a mixed table: what its columns are taken for, or their codes for a run that knows its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import RequestError
from .coding import Found, said_left_out, said_of_far
from .columnkinds import AS_ASKED, asked_kinds, numbers_column
from .columns import LEVELLED, Column, Table, signed, texts_of
from .identifiers import said_identifier
from .newcodes import Coded
from .raw import Array, Raw
from .textcolumns import Reading


def array_as_table(raw: Raw, known: Table | None, kinds: Sequence[str]) -> Raw:
    """An array [N, D] as a mixed table, whose columns are called 0, 1, … where they have no names.

    Arguments: known, the columns of the run that it is for; None to recognise them.
    """
    names = raw.columns or tuple(map(str, range(raw.x.shape[1])))
    seen = np.ones(raw.x.shape, bool) if raw.observed is None else raw.observed.copy()
    if raw.x.dtype.kind == "f":
        seen &= ~np.isnan(raw.x)
    if known is None:
        table, notes, far = _table_of_array(raw, names, seen, kinds)
    elif len(names) - len(known.columns) in (0, sum(str(i) in known.left_out for i in range(len(names)))):
        table, notes, far = known, (), {}
    else:
        return raw  # whose shape is refused
    found = Coded(table, len(raw.x))
    for d, column in enumerate(table.columns):
        i = names.index(column.name) if column.name in names else d
        own = signed(raw.x[:, i])
        values = texts_of(own.tolist(), frozenset()) if column.kind in LEVELLED else own
        found.put(d, values, seen[:, i] & ~far[column.name] if column.name in far else seen[:, i])
    remarks = () if known is None else found.said
    return replace(
        raw,
        x=found.x,
        came=raw.x,
        observed=found.observed,
        strange=found.strange,
        columns=table.names,
        notes=(*raw.notes, *notes),
        remarks=(*raw.remarks, *remarks),
        domain="mixed",
        table=table,
    )


def _table_of_array(
    raw: Raw, names: Sequence[str], seen: Array, kinds: Sequence[str]
) -> tuple[Table, tuple[str, ...], Mapping[str, Array]]:
    """(what the columns of an array are taken for, sentences, rows whose number lies far from all others by column)."""
    asked, state = asked_kinds(kinds, names), Found(Reading(True), len(names))
    found = {
        name: _of_values(name, signed(raw.x[:, i]), seen[:, i], asked.get(name, ""), state)
        for i, name in enumerate(names)
    }
    columns = tuple(column for column in found.values() if isinstance(column, Column))
    if not columns:
        raise RequestError("No column of x is left to learn from: each holds no value, or counts the rows.")
    table = Table(columns, {name: why for name, why in found.items() if isinstance(why, str)}, "numpy")
    return table, (*state.notes, *said_of_far(state, None), *said_left_out(table.left_out)), state.far


def _of_values(name: str, values: Array, known: Array, asked: str, state: Found) -> Column | str:
    """A column of an array, or why it is left out."""
    if asked == "drop":
        return AS_ASKED
    known = state.without_far(name, values, known)
    found = numbers_column(name, values, known, str(values.dtype), asked, state.num_columns)
    state.notes += said_identifier(name, values[known]) if not asked and isinstance(found, Column) else ()
    return found
