"""Least and most likely: the test examples at both ends of log p(x)."""

import numpy as np
import torch
from markupsafe import Markup

from ...data import Split
from ...data.columns import Table as Columns
from ...estimators.label import label_of
from ...panels import Panel, Strip
from ..exhibits import Group, Table
from ..rounding import fixed, shortened
from ..subject import Subject
from . import section

COUNT = 12
VALUES = 6  # first values of a row that are shown
LONGEST = 14  # characters of a line under an image
Scored = list[tuple[int, float]]  # places in the judged split, with log p(x)


@section("extremes", order=100)
def extremes(subject: Subject) -> Group | None:
    """Both ends as images or as rows of a table."""
    (least, most), result = ends(subject, COUNT), subject.result
    if not least:
        return None
    how = f" ({label_of(result)})" if result["num_samples"] else ""
    words = Markup(
        "These test examples have the lowest and the highest log p(x), in nats, by the estimator of the result{}. Look "
        "at the least likely ones: they may be rare, mislabelled or broken. <strong>A high likelihood does not prove "
        "that x belongs to the data.</strong> A plain image can be more likely than every real example."
    ).format(how)
    shown = _images if subject.domain.picture.is_image else _table
    sides = [shown(subject, "Least likely", least), shown(subject, "Most likely", most)]
    return Group("Least and most likely", words, sides)


def ends(subject: Subject, count: int) -> tuple[Scored, Scored]:
    """The least and the most likely test examples, the most extreme first, by log p(x) as judged for the result."""
    log_px = torch.from_numpy(subject.run.scores("test"))
    order = log_px.argsort(stable=True)
    count = min(count, len(order) // 2)
    least, most = (list(zip(kept.tolist(), log_px[kept].tolist(), strict=True)) for kept in (order, order.flip(0)))
    return least[:count], most[:count]


def _images(subject: Subject, title: str, found: Scored) -> Panel:
    places, test = torch.tensor([place for place, _ in found]), subject.run.judged("test")
    captions = [_caption(subject.label(test, place), _named(subject, test, place), value) for place, value in found]
    return Strip(title, "", [test.batch(places).x], captions=[captions], columns=COUNT)


def _caption(label: str | None, name: str, log_px: float) -> str:
    """A line each: the label where there is one, the file or the row, log p(x)."""
    return "\n".join([*([] if label is None else [shortened(label, LONGEST)]), name, fixed(log_px, 1)])


def _named(subject: Subject, test: Split, place: int) -> str:
    """Which example it is: the name of its file, or its row in the source."""
    row, files = int(test.rows[place]), subject.run.data.files
    return f"row {row:,}" if files is None else shortened(files[row].rsplit("/", 1)[-1], LONGEST)


def _table(subject: Subject, title: str, found: Scored) -> Panel:
    """Row of the source, log p(x), label and the first values."""
    test = subject.run.judged("test")
    labelled = subject.label(test, found[0][0]) is not None
    head = ["label", "row", "log p(x)", *subject.column_names[:VALUES]]
    rows = [
        [subject.label(test, place) or "–", str(int(test.rows[place])), fixed(value), *_values(subject, test, place)]
        for place, value in found
    ]
    first = 0 if labelled else 1  # column that is shown
    return Table(title, "", head[first:], [row[first:] for row in rows], worded=int(labelled))


def _values(subject: Subject, split: Split, place: int) -> list[str]:
    """The first values of one example, of a mixed table as they are written there; a dash where it is not observed."""
    if subject.table is not None:
        return _written(subject.table, split, place)
    values = split.x[place].flatten()[:VALUES].tolist()
    seen = [True] * len(values) if split.observed is None else split.observed[place].flatten()[:VALUES].tolist()
    return [f"{v:.4g}".replace("-", "−") if known else "–" for v, known in zip(values, seen, strict=True)]


def _written(table: Columns, split: Split, place: int) -> list[str]:
    row = split.x[place, :VALUES].cpu().double().numpy()
    seen = np.ones(len(row), bool) if split.observed is None else split.observed[place, :VALUES].cpu().numpy()
    cells = zip(table.columns, row, seen, strict=False)
    return [
        shortened(column.texts(code[None])[0], LONGEST).replace("-", "−") if known else "–"
        for column, code, known in cells
    ]
