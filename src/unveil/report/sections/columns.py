"""Columns: held-out vectors beside samples, by column and by pairs of columns."""

from itertools import combinations

import numpy as np

from ...data.split import spread_rows
from ...use.sample import sample
from ..charts import Array, Figure, axis, bars, figure, line, points, short
from ..exhibits import Group, Plot
from ..subject import HELD_OUT, Subject
from . import section

PAIRED, CLOUD = 3, 500  # columns that are paired; points of each kind, at most
BINS = 30
OF_PAIRS = (
    "Dark points are test examples, coloured points are samples, at most {:,} of each. Even if every column fits, "
    "pairs of columns may not."
)


@section("columns", order=40)
def columns(subject: Subject) -> Group | None:
    """A histogram for each of the first columns, and scatters of the first pairs, of a model of vectors."""
    if subject.domain.is_image:
        return None
    data, drawn, names = subject.held_out(), sample(subject.run, HELD_OUT), subject.column_names
    each = [Plot(name, "", f"column_{i}", histogram(data[:, i], drawn[:, i])) for i, name in enumerate(names)]
    pairs = [
        Plot("", "", f"pair_{i}_{j}", pair(data[:, [i, j]], drawn[:, [i, j]], (names[i], names[j])), narrow=True)
        for i, j in combinations(range(min(PAIRED, len(names))), 2)
    ]
    total = subject.domain.num_dims
    words = (
        f"Grey bars are {subject.some(HELD_OUT)}. The line is {HELD_OUT:,} x drawn from the model. Both are shares. "
        "Where the line leaves the bars, the model has the wrong distribution of that column."
        + (f" The first {len(names)} of {total} columns are shown." if total > len(names) else "")
    )
    parts = [Group("", "", each, across=3)]
    if pairs:
        parts.append(Group("Pairs of columns", OF_PAIRS.format(CLOUD), pairs, across=min(len(pairs), 3)))
    return Group("Columns: data and samples", words, parts)


def histogram(data: Array, samples: Array) -> Figure:
    """One column of x [N]: held-out data as bars, samples from the model as a line, both as shares."""
    data = data[~np.isnan(data)]
    edges = _edges(data, samples)
    observed, drawn = (np.histogram(values, edges)[0] / max(1, len(values)) for values in (data, samples))
    middle, hover = short((edges[1:] + edges[:-1]) / 2), "%{y:.1%}"
    steps = line(middle, drawn, name="model", width=2, hover=hover)
    steps["line"]["shape"] = "hvh"
    shares = {"visible": False, "rangemode": "tozero"}
    return figure([bars(middle, observed, "@muted", hover, name="data"), steps], {}, shares, 190, bargap=0.04)


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
    drawn = samples[: len(known)]
    clouds = [
        points(drawn[:, 0], drawn[:, 1], "@accent", "model", opacity=0.45),
        points(known[:, 0], known[:, 1], "@ink", "data", opacity=0.6),
    ]
    return figure(clouds, axis(titles[0]), axis(titles[1]))
