"""Reconstructions: test examples beside E[x|z], or what share of each column comes back."""

from collections.abc import Sequence

import numpy as np
import torch
from markupsafe import Markup

from ...model import stands_for_x
from ...panels import Strip
from ...use.show import reconstruct
from ..charts import Array, Figure, axis, bars, figure, names_axis, plain
from ..exhibits import Group, Plot
from ..rounding import fixed, shortened
from ..subject import HELD_OUT, Subject
from . import section

PAIRS, ACROSS = 20, 10
LONGEST = 18  # characters of a name below a bar


@section("reconstructions", order=45)
def reconstructions(subject: Subject) -> Group | None:
    """Of images pairs of rows, of vectors a bar for each column; where x can be decoded from z."""
    if not stands_for_x(subject.model):
        return None
    mean = Markup('the posterior mean <span class="f">z = E<sub>q</sub>[z|x]</span>')
    z = "a z drawn from q(z|x)" if subject.dimensions is None else mean
    if subject.domain.picture.is_image:
        return Group("Reconstructions", _words(subject, subject.some(PAIRS), z), [_pairs(subject)])
    if len(subject.test) < 2:
        return None
    names = subject.column_names
    shares = explained(subject.held_out(), reconstruct(subject.run, num_examples=HELD_OUT)[1])[: len(names)]
    words = Markup(
        "Each bar is the share of a column’s variance, over {}, that E[x|z] gives back at {}: "
        '<span class="f">1 − Σ(x − x̂)² / Σ(x − x̄)²</span>. If a column is near 0, z says nothing about it.'
    ).format(subject.some(HELD_OUT), z)
    return Group("Reconstructions", words, [Plot("", "", "explained", share_of_variance(names, shares))])


def _words(subject: Subject, shown: str, z: str) -> str:
    lost = Markup(
        "The upper rows show x of {}, the lower rows E[x|z] at {}. What is missing below is what z does not carry."
    ).format(shown, z)
    if subject.dimensions is None:
        return lost
    return lost + f" z leaves about {fixed(subject.result['distortion'])} nats of x to p(x|z)."


def _pairs(subject: Subject) -> Strip:
    """Rows of ten: x, below it E[x|z], and again."""
    x, means = (torch.from_numpy(found).split(ACROSS) for found in reconstruct(subject.run, num_examples=PAIRS))
    rows = [row for pair in zip(x, means, strict=True) for row in pair]
    return Strip("", "", rows, ["x", "E[x|z]"] * len(x), columns=ACROSS)


def explained(x: Array, means: Array) -> list[float]:
    """1 − Σ(x − x̂)²/Σ(x − x̄)² of each column, over what is observed; 0 for a constant one."""
    x, means = x.astype(np.float64), means.astype(np.float64)  # whose squares may leave float32
    known = ~np.isnan(x)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, x, 0).sum(0) / count
    left, spread = (np.where(known, (x - m) ** 2, 0).sum(0) for m in (means, mean))
    return [float(1 - a / b) if b > 0 else 0.0 for a, b in zip(left, spread, strict=True)]


def share_of_variance(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """The share of each column's variance that reconstructions explain."""
    bar = bars([plain(shortened(name, LONGEST)) for name in names], shares, hover="%{x}: %{y:.1%}")
    y = axis("variance explained", tickformat=".0%", range=[min(0, *shares) - 0.02, 1.02])
    return figure([bar], names_axis(), y, 260, bargap=0.35)
