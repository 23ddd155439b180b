"""Panels: what a page shows, as plain data. A family gives those that only it has; a report draws any of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Panel:
    """A heading with a paragraph; the other kinds add data.

    Arguments: title, "" for none; words, a sentence or two on how to read it, "" for none.
    """

    title: str
    words: str


@dataclass(frozen=True)
class Bars(Panel):
    """One bar for each label.

    Arguments: labels and values of equal number; unit of the values, such as "nats".
    """

    labels: Sequence[str]
    values: Sequence[float]
    unit: str = ""


@dataclass(frozen=True)
class Lines(Panel):
    """Curves over one axis.

    Arguments: series, by name the places and the values, in order; x_label; y_label; log_x, log_y, whether an axis is
    logarithmic.
    """

    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Strip(Panel):
    """Examples in rows: images, or vectors that are drawn as points.

    Arguments: rows, R of [N, *shape] in the units of x; row_labels, R of them, or none; captions, one for each example
    of each row, or none; columns, after which a row goes on below, 0 for as many as come; led, whether the first
    example of a row is what the others belong to.
    """

    rows: Tensor | Sequence[Tensor]
    row_labels: Sequence[str] = ()
    captions: Sequence[Sequence[str]] = ()
    columns: int = 0
    led: bool = False
