"""Columns: held-out vectors beside samples, by column and by pairs of columns."""

from itertools import combinations

import numpy as np
import torch

from ...data.columns import LEVELLED
from ...data.split import spread_rows
from ...diagnostics.drawngaps import with_gaps
from ...use.sample import sample
from ..charts import Array, Figure, axis, bars, figure, line, places, points, short
from ..exhibits import Group, Plot
from ..rounding import shortened
from ..subject import HELD_OUT, Subject
from . import section

PAIRS, CLOUD = 3, 500  # pairs that are shown; points of each kind, at most
FEW = 4  # different numbers in a column, up to which a cloud of points shows little
BINS = 30
LEVELS, LONGEST = 8, 12  # of a category that are shown, and characters of the name of one
OF_PAIRS = (
    "Dark points are test examples, coloured points are samples, at most {:,} of each. Even if every column fits, "
    "pairs of columns may not. These go together most closely, by the correlation of their ranks."
)


@section("columns", order=40)
def columns(subject: Subject) -> Group | None:
    """A histogram for each of the first columns, and scatters of the first pairs, of a model of vectors."""
    if subject.domain.picture.is_image:
        return None
    data, names = subject.held_out(), subject.column_names
    drawn = _observed(subject, sample(subject.run, HELD_OUT))
    axes = [_axis(subject, i) for i in range(len(names))]
    data, drawn = _decoded(subject, data), _decoded(subject, drawn)
    each = [Plot(name, "", f"column_{i}", histogram(data[:, i], drawn[:, i], axes[i])) for i, name in enumerate(names)]
    pairs = [
        Plot("", "", f"pair_{i}_{j}", pair(data[:, [i, j]], drawn[:, [i, j]], named), narrow=True)
        for i, j in _pairs(subject, data)
        for named in [(subject.name_of(i), subject.name_of(j))]
    ]
    total = subject.domain.num_dims
    words = (
        f"Grey bars are {subject.some(HELD_OUT)}. The line is {HELD_OUT:,} x drawn from the model. Both are shares. "
        "Where the line leaves the bars, the model has the wrong distribution of that column."
        + (" Of both it is what is observed; the model draws gaps, too." if subject.domain.models_gaps else "")
        + (f" Of categories points stand for the line; up to {LEVELS} levels are shown." if subject.table else "")
        + (f" The first {len(names)} of {total} columns are shown." if total > len(names) else "")
    )
    parts = [Group("", "", each, across=3)]
    if pairs:
        parts.append(Group("Pairs of columns", OF_PAIRS.format(CLOUD), pairs, across=min(len(pairs), 3)))
    return Group("Columns: data and samples", words, parts)


def _observed(subject: Subject, drawn: Array) -> Array:
    """x that the model drew [N, D], NaN where it would be missing, of a model that says so."""
    return with_gaps(subject.model, torch.from_numpy(drawn), None).numpy()


def _pairs(subject: Subject, x: Array) -> list[tuple[int, int]]:
    """Of the columns of x [N, D] that a scatter can be of, the pairs that go together most closely."""
    table = subject.table
    numbers = [i for i in range(x.shape[1]) if table is None or table.columns[i].kind not in LEVELLED]
    fine = [i for i in numbers if len(np.unique(x[~np.isnan(x[:, i]), i])) > FEW]
    both = list(combinations(fine if len(fine) > 1 else numbers, 2))
    return sorted(both, key=lambda pair: -_closeness(x[:, list(pair)]))[:PAIRS]


def _closeness(both: Array) -> float:
    """|ρ| of the ranks of two columns [N, 2] where both are known; 0 where one of them is constant."""
    from scipy.stats import rankdata

    known = both[~np.isnan(both).any(1)]
    if len(known) < 3 or (known.min(0) == known.max(0)).any():
        return 0.0
    a, b = (rankdata(column) for column in known.T)
    return float(abs(np.corrcoef(a, b)[0, 1]))


def _decoded(subject: Subject, x: Array) -> Array:
    """x [N, D] in the units of its columns: dates of a mixed table as milliseconds, levels as their codes."""
    if subject.table is None:
        return x
    found = x.astype(np.float64)
    for i, column in enumerate(subject.table.columns):
        known = ~np.isnan(found[:, i])
        values = column.values(found[known, i]) if column.kind not in LEVELLED else found[known, i]
        found[known, i] = values.astype("datetime64[ms]").astype(np.int64) if column.kind == "date" else values
    return found


def _axis(subject: Subject, i: int) -> Figure:
    """What the axis below a histogram of a column of a mixed table says; nothing of other x."""
    column = None if subject.table is None else subject.table.columns[i]
    if column is None or column.is_number:
        return {}
    if column.kind == "date":
        return {"type": "date", "nticks": 4}
    return places([shortened(level, LONGEST) for level in column.levels[:LEVELS]])


def histogram(data: Array, samples: Array, below: Figure | None = None) -> Figure:
    """One column of x [N]: held-out data as bars, samples from the model as a line, both as shares.

    Arguments: below, the axis of a column of levels or dates.
    """
    data, samples = data[~np.isnan(data)], samples[~np.isnan(samples)]
    if below and "ticktext" in below:
        return _of_levels(data, samples, below)
    edges = _edges(data, samples)
    observed, drawn = (np.histogram(values, edges)[0] / max(1, len(values)) for values in (data, samples))
    digits = 14 if below else 4  # of milliseconds all count
    middle, hover = short((edges[1:] + edges[:-1]) / 2, digits), "%{y:.1%}"
    steps = line(middle, drawn, name="model", width=2, hover=hover, digits=digits)
    steps["line"]["shape"] = "hvh"
    shares = {"visible": False, "rangemode": "tozero"}
    return figure([bars(middle, observed, "@muted", hover, name="data"), steps], below or {}, shares, 190, bargap=0.04)


def _of_levels(data: Array, samples: Array, below: Figure) -> Figure:
    """The shares of the first levels, the commonest, in data as bars and in samples as points."""
    codes = np.arange(len(below["ticktext"]), dtype=np.float64)
    observed, drawn = (np.array([(values == code).mean() for code in codes]) for values in (data, samples))
    marks = points(codes, drawn, "@accent", "model", size=9, hover="%{y:.1%}")
    shares = {"visible": False, "rangemode": "tozero"}
    both = [bars(codes.tolist(), observed, "@muted", "%{y:.1%}", name="data"), marks]
    return figure(both, below, shares, 190, bargap=0.2)


def _edges(data: Array, samples: Array) -> Array:
    both = np.concatenate([data, samples])
    values = np.unique(both)
    if len(values) <= BINS and (values == np.rint(values)).all():
        return np.arange(values[0] - 0.5, values[-1] + 1)
    low, high = np.quantile(both, [0.002, 0.998])
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def pair(data: Array, samples: Array, titles: tuple[str, str]) -> Figure:
    """Two columns [N, 2] of held-out data and of as many samples."""
    known = data[~np.isnan(data).any(1)]
    known = known[spread_rows(len(known), CLOUD).numpy()]
    drawn = samples[~np.isnan(samples).any(1)][: len(known)]
    clouds = [
        points(drawn[:, 0], drawn[:, 1], "@accent", "model", opacity=0.45),
        points(known[:, 0], known[:, 1], "@ink", "data", opacity=0.6),
    ]
    return figure(clouds, axis(titles[0]), axis(titles[1]))
