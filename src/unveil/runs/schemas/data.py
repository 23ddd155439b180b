"""data.json: what the data of a run is, and how it was split."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...domain.columns import MOST_ATOMS
from ...domain.domain import DomainRecord, Shape
from ...records import Count, Sha256, Text

Digits = Annotated[int, Meta(ge=0, le=400)]


class Sizes(Struct):
    """Examples of each split."""

    train: Count
    valid: Count
    test: Count


class SplitRule(Struct):
    """How examples came into a split."""

    rule: Text
    seed: Annotated[int, Meta(ge=0)]
    sizes: Sizes


class Written(Struct, forbid_unknown_fields=True):
    """The marks of numbers in text."""

    decimal: Literal[".", ","] = "."
    thousands: Annotated[str, Meta(max_length=1)] = ""
    percent: bool = False
    negative: Literal["-5", "5-", "(5)"] = "-5"


class Cells(Struct, forbid_unknown_fields=True):
    """How numbers stand in a column of text, as `data.cells.Cells`."""

    style: Written
    least: Digits = 0
    most: Digits | None = None
    power: Literal["", "e", "E", "d", "D"] = ""
    after: Annotated[str, Meta(max_length=100)] = ""
    words: tuple[Text, Text] = ("False", "True")
    width: Digits = 0


class ColumnForm(Struct):
    """How the numbers of a column are held."""

    decimals: Annotated[int, Meta(ge=0, le=400)] | None = None
    low: int | float | bool | None = None  # of yes and no they are false and true
    high: int | float | bool | None = None
    dtype: Text = "float64"
    count: Count = 0
    is_counted: bool = False
    cells: Cells | None = None
    span: tuple[float, float] | None = None


class TableColumn(Struct, forbid_unknown_fields=True):
    """A column of a mixed table, as `data.columns.Column`."""

    name: Text
    kind: Literal["category", "ordinal", "yes/no", "whole", "count", "decimal", "real", "date"]
    why: Text = ""
    levels: list[Text] = []
    decimals: Annotated[int, Meta(ge=0, le=12)] = 0
    origin: int | float = 0
    atoms: Annotated[list[float], Meta(max_length=MOST_ATOMS)] = []
    low: float = 0.0
    high: float = 0.0
    dtype: Text = "float64"
    unit: Literal["", "D", "h", "m", "s", "ms", "us"] = ""
    written: Text = ""
    missing: Annotated[float, Meta(ge=0, le=1)] = 0.0
    gaps: list[Text] = []
    step: Annotated[float, Meta(ge=0)] = 0.0
    base: float = 0.0
    last_year: Annotated[int, Meta(ge=0, le=9999)] = 0
    is_counted: bool = False
    zone: Text = ""
    ways: list[Text] = []
    native: Text = ""
    declared: list[Text] = []
    objects: list[Text] = []
    cells: Cells | None = None
    shown: list[Text] = []

    def __post_init__(self) -> None:
        if self.shown and len(self.shown) != len(self.levels):
            raise ValueError(f"has {len(self.levels):,} levels, of which {len(self.shown):,} are written")


class TableFile(Struct, forbid_unknown_fields=True):
    """The columns of a mixed table, in the order of x."""

    columns: list[TableColumn]
    left_out: dict[str, Text]
    library: Literal["", "pandas", "polars", "pyarrow", "numpy"] = ""


class DataFile(Struct):
    """data.json."""

    format: str
    source: Text
    sha256: Sha256
    split: SplitRule
    domain: DomainRecord
    shape: Shape
    binarization: Text | None
    levels: Annotated[int, Meta(ge=0, le=65_536)]
    classes: list[Text] | None
    columns: list[Text] | None
    resize: Text | None = None
    white: Annotated[int, Meta(ge=0, le=2**16)] | None = None
    paper: Text | None = None
    forms: list[ColumnForm] | None = None
    table: TableFile | None = None
    separator: Literal[",", ";"] = ","
    known_texts: Sha256 | None = None

    def __post_init__(self) -> None:
        if self.shape != self.domain.shape:
            raise ValueError(f"has the shape {self.shape} and a domain of the shape {self.domain.shape}")
        table = None if self.table is None else self.table.columns
        if [len(column.levels) for column in table or ()] != [own.num_levels for own in self.domain.columns or ()]:
            raise ValueError("has a table whose columns are not those of its domain")
        for name, held in (("columns", self.columns), ("forms", self.forms), ("table's columns", table)):
            if held is not None and len(held) != math.prod(self.shape):
                raise ValueError(f"has {len(held):,} {name} and examples of {math.prod(self.shape):,} values")
