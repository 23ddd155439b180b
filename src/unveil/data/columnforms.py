"""How the numbers of a column are held: whole or with so many decimals, between which ends, in which type.

What a model draws is brought to that form: by `impute` in the gaps of a table, by `sample` everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .cells import Cells, cells_of_json, cells_to_json
from .raw import Array

ENOUGH_WHOLE = 10  # values from which a column of floats is one of whole numbers
MOST = 12  # decimals that are looked for
OF_MEANS = 4  # decimals of a mean of whole numbers
FIRST = 100  # values that tell at once of a column with more
TYPES = {"bool": bool, "boolean": bool, "uint64": np.uint64}


@dataclass(frozen=True)
class Form:
    """How the numbers of a column are held.

    Arguments: decimals, the most that a value has, None where there is no end of them; low and high, the smallest and
    the largest value of a column of whole numbers; dtype, its type by name; count, the values that tell of it;
    is_counted, whether the name of the column is a whole number in its frame, and no text; cells, how they stand in a
    file of text, None where that is as Python writes them; span, the least and the greatest that came.
    """

    decimals: int | None = None
    low: int | float | None = None
    high: int | float | None = None
    dtype: str = "float64"
    count: int = 0
    is_counted: bool = False
    cells: Cells | None = None
    span: tuple[float, float] | None = field(default=None, compare=False)

    @property
    def is_bool(self) -> bool:
        return self.dtype.split("[")[0] in ("bool", "boolean")

    @property
    def is_whole(self) -> bool:
        """Whether the type itself is of integers, or of yes and no."""
        return self.is_bool or self.dtype.lower().startswith(("int", "uint"))

    def brought(self, values: Array, drawn: bool) -> Array:
        """Numbers [N] in this form, as float64: rounded, and inside its ends where it is whole.

        Arguments: drawn, they are draws; means of whole numbers have fractions.
        """
        if self.decimals == 0 and drawn:
            ends = (-np.inf if self.low is None else float(self.low), np.inf if self.high is None else float(self.high))
            return np.clip(np.rint(values), *ends)
        short = shortened(values)
        return short if self.decimals is None else np.round(short, self.decimals or OF_MEANS)

    def held(self, values: Array, drawn: bool) -> Array:
        """As `brought`, in a type of NumPy that is this form's or like it."""
        if not (drawn and self.is_whole):
            return self.brought(values, drawn)
        kind = TYPES.get(self.dtype.lower().split("[")[0], np.int64)
        return rounded(values, kind, self.low, self.high)

    def as_text(self, values: Array, drawn: bool) -> list[str] | None:
        """As `brought`, written as in the file; None where that is as Python writes numbers."""
        return None if self.cells is None else list(map(self.cells.write, self.held(values, drawn).tolist()))

    def joined(self, other: Form | None) -> Form:
        """This form of what came, with that of the training examples where it is too little to tell."""
        if other is None or self.count >= ENOUGH_WHOLE:
            return self
        if not self.count:
            return replace(other, dtype=self.dtype) if self.is_whole else other
        ends = [form for form in (self, other) if form.low is not None]
        low = min((form.low for form in ends if form.low is not None), default=None)
        high = max((form.high for form in ends if form.high is not None), default=None)
        few = self.decimals if self.decimals is not None else 0 if self.low is not None else None
        decimals = None if few is None or other.decimals is None else max(few, other.decimals)
        return replace(self, decimals=decimals, low=low, high=high)

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        found = {f.name: getattr(self, f.name) for f in fields(Form) if getattr(self, f.name) != f.default}
        return found | ({"cells": cells_to_json(self.cells)} if self.cells else {})


@runtime_checkable
class Held(Protocol):
    """How the values of a column are held: a `Form`, or a column of a mixed table."""

    def brought(self, values: Array, drawn: bool, /) -> Array: ...

    def held(self, values: Array, drawn: bool) -> Array: ...

    def as_text(self, values: Array, drawn: bool, /) -> list[str] | None: ...


def form_of(values: Array, dtype: str = "") -> Form:
    """The form of the values that are observed in a column, in their own type.

    Of floats, a few that are whole could be so by chance: their decimals are not known.
    """
    found = _form_of(values, dtype or str(values.dtype))
    return replace(found, span=(float(values.min()), float(values.max()))) if len(values) else found


def _form_of(values: Array, name: str) -> Form:
    count = len(values)
    if values.dtype.kind in "biu":
        low, high = (values.min().item(), values.max().item()) if count else (None, None)
        return Form(0, low, high, name, count)
    found = decimals_of(values) if count else None
    if found != 0:
        return Form(found, dtype=name, count=count)
    return Form(0 if count >= ENOUGH_WHOLE else None, float(values.min()), float(values.max()), name, count)


def decimals_of(values: Array) -> int | None:
    """The fewest decimals that write each of the values, in their own type; None where that takes more than twelve."""
    wide, found = values.astype(np.float64), 0
    for some in (slice(FIRST), slice(None)):
        part, own = wide[some], values[some]
        while found <= MOST and not _are_written(part, own, found):
            found += 1
    return found if found <= MOST else None


def _are_written(wide: Array, values: Array, decimals: int) -> bool:
    if not (np.abs(wide) < 2.0**53 / 10**decimals).all():
        return False
    return bool((np.round(wide, decimals).astype(values.dtype) == values).all())


def shortened(values: Array) -> Array:
    """float64 numbers that came from float32, as the shortest number that is read as the same there: 0.3."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    short = narrow.astype(str).astype(np.float64)
    return np.where(narrow == values, short, values.astype(np.float64))


def rounded(values: Array, kind: Any, low: Any, high: Any) -> Array:
    """Real values as whole numbers of a type, from the smallest to the largest that may come, each None for no end."""
    if kind is bool:
        return (values > 0.5) if low is None else np.clip(values > 0.5, bool(low), bool(high))
    low, high = (np.iinfo(kind).min if low is None else low), (np.iinfo(kind).max if high is None else high)
    whole = np.rint(values)
    low, high = np.asarray(low, kind), np.asarray(high, kind)
    inside = np.clip(whole, float(low), float(high))  # float(high) may be above high
    inside = np.where(whole >= float(high), float(low), inside).astype(kind)
    return np.where(whole <= float(low), low, np.where(whole >= float(high), high, inside))


def brought(x: Array, forms: Sequence[Held] | None, drawn: bool) -> Array:
    """x [N, D] with each column in its form."""
    if forms is None:
        return x
    columns = [form.brought(column, drawn) for form, column in zip(forms, x.T, strict=True)]
    return np.stack(columns, axis=1).astype(x.dtype)


def held(x: Array, forms: Sequence[Held] | None, drawn: bool) -> list[Array]:
    """The columns of x [N, D], each in its form and its type."""
    if forms is None:
        return list(x.T)
    return [beside_gaps(column, partial(form.held, drawn=drawn)) for form, column in zip(forms, x.T, strict=True)]


def beside_gaps(column: Array, made: Callable[[Array], Any]) -> Array:
    """What is made of the numbers of a column [N]; in its gaps, which are NaN, NaN stays, or None among others."""
    known = ~np.isnan(column)
    values = made(column if known.all() else column[known])
    found = np.asarray(values) if isinstance(values, np.ndarray) else as_objects(values)
    if known.all():
        return found
    kind = found.dtype if found.dtype.kind == "f" else np.dtype(object)
    whole = np.full(len(column), np.nan if kind.kind == "f" else None, kind)
    whole[known] = found.tolist() if kind.kind == "O" else found
    return whole


def as_objects(values: Sequence[Any]) -> Array:
    """Values as an array [N] of objects, whatever they are."""
    found = np.empty(len(values), object)
    found[:] = values
    return found


def forms_to_json(forms: Sequence[Form] | None) -> list[dict[str, Any]] | None:
    return None if forms is None else [form.to_json() for form in forms]


def forms_of_json(found: Sequence[Mapping[str, Any]] | None) -> tuple[Form, ...] | None:
    if found is None:
        return None
    return tuple(_of_json(form) for form in found)


def _of_json(stored: Mapping[str, Any]) -> Form:
    low, high = stored.get("span") or (None, None)
    span = None if low is None or high is None else (float(low), float(high))
    return Form(**{**stored, "span": span, "cells": cells_of_json(stored.get("cells"))})
