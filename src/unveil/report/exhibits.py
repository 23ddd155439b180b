"""What a page shows beside the panels of a family: figures, tables, HTML of its own, and groups of all of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..panels import Panel
from .charts import Figure


@dataclass(frozen=True)
class Plot(Panel):
    """One figure.

    Arguments: name, its own on the page; figure; narrow, whether it is as high as wide.
    """

    name: str
    figure: Figure
    narrow: bool = False


@dataclass(frozen=True)
class Table(Panel):
    """Columns by name, and rows.

    Arguments: head; rows; worded, how many columns hold words, the others being numbers; own, the row of the model
    itself, or None.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    worded: int = 1
    own: int | None = None


@dataclass(frozen=True)
class Html(Panel):
    """A template of this folder, filled with values of its own.

    Arguments: scripts of the explorer's folder that it needs, in their order.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    scripts: Sequence[str] = ()


@dataclass(frozen=True)
class Group(Panel):
    """Panels that belong together, so many beside each other; a section of a page is one."""

    parts: Sequence[Panel]
    across: int = 1


def sentences(*said: str) -> list[Panel]:
    """A paragraph for each of them."""
    return [Panel("", one) for one in said if one]
