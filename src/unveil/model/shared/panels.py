"""Figures that one family alone has, as plain data: the report draws any of them without knowing the family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Bars:
    """One bar each.

    Arguments: title; caption, a sentence or two on how to read it; labels and values of equal number; unit of the
    values, such as "nats".
    """

    title: str
    caption: str
    labels: Sequence[str]
    values: Sequence[float]
    unit: str = ""


@dataclass(frozen=True)
class Lines:
    """Curves over one axis.

    Arguments: title; caption; series, by name the places and the values, in order; x_label; y_label; log_x, whether the
    places are shown on a logarithmic axis.
    """

    title: str
    caption: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False


@dataclass(frozen=True)
class Strip:
    """Examples in rows, each with a label.

    Arguments: title; caption; rows [R, N, *shape], in the units of x; row_labels, R of them.
    """

    title: str
    caption: str
    rows: Tensor
    row_labels: Sequence[str]


Panel = Bars | Lines | Strip
