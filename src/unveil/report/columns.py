"""The figures of a model of vectors: columns and pairs of columns, held-out data against samples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..model import stands_for_x
from ..use.sample import sample
from ..use.show import reconstruct
from . import figures
from .subject import Subject
from .views import held_out

COLUMNS, PAIRED, MOST = 12, 3, 2000
CLOUD = 500  # points of each kind in a pair scatter, at most


def column_views(subject: Subject) -> tuple[dict[str, figures.Figure], list[str]]:
    """Histograms, pair scatters and explained variance by name; and the names of the columns shown."""
    data = held_out(subject, MOST)
    samples = sample(subject.run, MOST)
    names = column_names(subject)[:COLUMNS]
    drawn = {f"column_{i}": figures.histogram(_known(data[:, i]), samples[:, i], name) for i, name in enumerate(names)}
    for i, j in combinations(range(min(PAIRED, len(names))), 2):
        as_many, both = min(CLOUD, len(data)), [i, j]
        known = data[~np.isnan(data[:, both]).any(1)]
        drawn[f"pair_{i}_{j}"] = figures.pair(known[:as_many, both], samples[:as_many, both], (names[i], names[j]))
    if len(data) > 1 and stands_for_x(subject.model):
        means = reconstruct(subject.run, num_examples=MOST)[1]
        drawn["explained"] = figures.explained(names, explained(data, means)[: len(names)])
    return drawn, names


def _known(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values[~np.isnan(values)]


def column_names(subject: Subject) -> list[str]:
    """The names of the columns, or their numbers from 0."""
    return subject.info["columns"] or [f"column {i}" for i in range(subject.domain.num_dims)]


def explained(x: NDArray[np.floating], means: NDArray[np.floating]) -> list[float]:
    """1 − Σ(x − x̂)²/Σ(x − x̄)² of each column, over what is observed; 0 for a constant one."""
    known = ~np.isnan(x)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, x, 0).sum(0) / count
    left, spread = (np.where(known, (x - m) ** 2, 0).sum(0) for m in (means, mean))
    return [float(1 - a / b) if b > 0 else 0.0 for a, b in zip(left, spread, strict=True)]
