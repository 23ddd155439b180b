"""Least and most likely: the test examples at both ends of log p(x)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from markupsafe import Markup

from ...data import Split
from ...panels import Panel, Strip
from ..exhibits import Group, Table
from ..rounding import fixed
from ..subject import Subject
from . import section

COUNT = 12
VALUES = 6  # first values of a row that are shown
LONGEST = 12  # characters of a label under an image


@dataclass(frozen=True)
class Ends:
    """Test examples by log p(x): their places in the split [n], and log p(x) [n]; the most extreme first."""

    least: list[int]
    least_log_px: list[float]
    most: list[int]
    most_log_px: list[float]


@section("extremes", order=100)
def extremes(subject: Subject) -> Group | None:
    """Both ends as images or as rows of a table."""
    found, result = ends(subject, COUNT), subject.result
    if not found.least:
        return None
    how = f" ({result['estimator'].upper()}-{result['num_samples']})" if result["num_samples"] else ""
    words = Markup(
        "These test examples have the lowest and the highest log p(x), in nats, by the estimator of the result{}. Look "
        "at the least likely: they may be rare, mislabelled or broken. <strong>A high likelihood does not prove that x "
        "belongs to the data</strong>: simple images and values near the middle can be likelier than any real example."
    ).format(how)
    shown = _images if subject.domain.is_image else _table
    sides = [
        shown(subject, "Least likely", found.least, found.least_log_px),
        shown(subject, "Most likely", found.most, found.most_log_px),
    ]
    return Group("Least and most likely", words, sides)


def ends(subject: Subject, count: int) -> Ends:
    """The least and the most likely test examples, by log p(x) as it was judged for the result."""
    log_px = torch.from_numpy(subject.run.scores("test"))
    best = log_px.argsort(stable=True)
    count = min(count, len(best) // 2)
    least, most = best[:count], best.flip(0)[:count]
    return Ends(least.tolist(), log_px[least].tolist(), most.tolist(), log_px[most].tolist())


def _images(subject: Subject, title: str, places: list[int], log_px: list[float]) -> Panel:
    rows = torch.tensor(places, dtype=torch.int64, device=subject.test.x.device)
    captions = [_caption(subject.label(subject.test, p), value) for p, value in zip(places, log_px, strict=True)]
    return Strip(title, "", [subject.test.batch(rows).x], captions=[captions], columns=COUNT)


def _caption(label: str | None, log_px: float) -> str:
    """log p(x), after the label where there is one."""
    value = fixed(log_px, 1)
    return value if label is None else f"{label if len(label) <= LONGEST else label[: LONGEST - 1] + '…'} · {value}"


def _table(subject: Subject, title: str, places: list[int], log_px: list[float]) -> Panel:
    """Row of the source, log p(x), label and the first values."""
    labels = [subject.label(subject.test, place) for place in places]
    labelled = labels[0] is not None
    rows = [
        [*([label or "–"] if labelled else []), str(int(subject.test.rows[p])), fixed(value), *_values(subject.test, p)]
        for p, label, value in zip(places, labels, log_px, strict=True)
    ]
    head = [*(["label"] if labelled else []), "row", "log p(x)", *subject.column_names[:VALUES]]
    return Table(title, "", head, rows, worded=int(labelled))


def _values(split: Split, place: int) -> list[str]:
    """The first values of one example; a dash where it is not observed."""
    values = split.x[place].flatten()[:VALUES].tolist()
    seen = [True] * len(values) if split.observed is None else split.observed[place].flatten()[:VALUES].tolist()
    return [f"{v:.4g}" if known else "–" for v, known in zip(values, seen, strict=True)]
