"""The map of the latent space: posterior means of held-out examples in two dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data import Split
from ...data.rowblocks import blocks
from ...diagnostics.activity import posterior_moments
from ...estimators.base import rows_of_block
from ...evaluation.findings import quantity
from ...ops import keyed
from ..charts import Figure, axis, class_colour, figure, points
from ..exhibits import Group, Plot
from ..gallery import Sprite, side_that_fits, sprite
from ..planes import principal_components
from ..rounding import some_of
from ..subject import Subject
from . import section

POINTS = 2000
DRAWS = 8  # of z, where its posterior has no mean in closed form
BUDGET, SIDES = 1_100_000, (28, 20, 14, 10)  # characters of the page, for all thumbnails; sides of one in pixels
MOST_CLASSES = 30  # beyond it a legend helps nobody
LONGEST = 40  # characters of a name in a legend


@dataclass(frozen=True)
class Map:
    """Points of held-out examples in two dimensions.

    Arguments: xy [N, 2]; titles of the two axes; codes [N] of the classes, or None; x [N, *shape] to show at each
    point, grey levels instead of draws; how, a sentence.
    """

    xy: Tensor
    titles: tuple[str, str]
    codes: Tensor | None
    x: Tensor
    how: str


@section("map", order=70)
def latent_map(subject: Subject) -> Group | None:
    """A point for each example, coloured by its class, with its picture; where z is real."""
    if not subject.has_real_z:
        return None
    found, groups = placed(subject), subject.model.groups
    drawn = scattered(found, subject.classes)
    plot = Plot("", "", "map", drawn, False, _thumbnails(subject, found), _labels(subject, found))
    words = "Every point is the posterior mean " + (f"of {groups[-1]}, the top group, " if len(groups) > 1 else "")
    total = subject.num_test + int(subject.info["split"]["sizes"]["valid"])
    words += f"of one held-out example. Shown are {some_of(len(found.xy), total, 'test and validation examples')}."
    if found.codes is not None:
        blind = ", which the model has never seen" if quantity(subject.result) in ("log p(x)", "log p(x, mask)") else ""
        words += f" Colours are labels{blind}."
    words += " Point at one to see it." if subject.domain.picture.is_image else ""
    return Group("Map of the latent space", f"{words} {found.how}", [plot])


def placed(subject: Subject) -> Map:
    """Posterior means of test and then validation examples, at most 2000."""
    test = subject.test.spread(POINTS)
    splits = [test, *([subject.valid.spread(POINTS - len(test))] if len(test) < POINTS else [])]
    parts = [_moments(subject, split) for split in splits]
    means, stddevs = torch.cat([mean for mean, _ in parts]), torch.cat([stddev for _, stddev in parts])
    xy, titles, how = _plane(means, stddevs)
    x = torch.cat([s.expected(torch.arange(len(s), device=s.x.device)).x.cpu() for s in splits])
    codes = None if test.y is None else torch.cat([s.y.cpu() for s in splits if s.y is not None])
    return Map(xy, titles, codes, x, how)


@torch.no_grad()
def _moments(subject: Subject, split: Split) -> tuple[Tensor, Tensor]:
    """Means and standard deviations [N, D]; of draws of the top group, where z has no mean in closed form."""
    known = posterior_moments(subject.model, split, expected=True) if subject.moments is not None else None
    if known is not None:
        return known
    means, stddevs = [], []
    for block in blocks(len(split), size=rows_of_block(subject.model)):
        with keyed("report", "map", block.first):
            z, _ = subject.model.posterior(split.expected(block.rows)).draw(DRAWS)
        means.append(z[-1].mean(0).flatten(1)[: block.keep].cpu())
        stddevs.append(z[-1].std(0).flatten(1)[: block.keep].cpu())
    return torch.cat(means), torch.cat(stddevs)


def _plane(means: Tensor, stddevs: Tensor) -> tuple[Tensor, tuple[str, str], str]:
    if means.shape[1] == 1:
        how = "There is one latent: its posterior mean runs to the right, its posterior standard deviation upwards."
        return torch.cat([means, stddevs], 1), ("E[z|x]", "sd(z|x)"), how
    if means.shape[1] == 2:
        return means, ("z₁", "z₂"), "There are two latents, and the axes are their posterior means."
    scores, share = principal_components(means)
    how = (
        f"z has {means.shape[1]} dimensions. The axes are the two directions in which the posterior means vary most; "
        f"they hold {100 * share:.0f} % of the variance. Points that are apart here are apart in z, but points that "
        "are close here may be apart in z."
    )
    return scores, ("first principal component", "second principal component"), how


def _thumbnails(subject: Subject, found: Map) -> Sprite | None:
    if subject.paint is None:
        return None
    small = subject.paint(found.x.numpy())
    return sprite(small, side_that_fits(small, len(small), BUDGET, SIDES))


def _labels(subject: Subject, found: Map) -> list[str] | None:
    """The class of every point, "" where it is not known."""
    if found.codes is None or subject.classes is None:
        return None
    return ["" if code < 0 else subject.classes[code] for code in found.codes.tolist()]


def scattered(found: Map, classes: Sequence[str] | None) -> Figure:
    """A point per example; `customdata` is its place among them. A trace per class, where a legend can hold them."""
    names = classes if classes is not None and found.codes is not None else [""]
    codes = torch.zeros(len(found.xy), dtype=torch.int64) if found.codes is None else found.codes
    colours = [class_colour(code, len(names)) for code in range(len(names))] if len(names) > 1 else ["@accent"]
    everyone = torch.arange(len(codes))
    if len(names) <= MOST_CLASSES:
        groups = [(name, everyone[codes == code], colours[code]) for code, name in enumerate(names)]
        groups.append(("not labelled", everyone[codes < 0], "@muted"))
        traces = [_points(found.xy, rows, name, colour) for name, rows, colour in groups]
    else:
        traces = [_points(found.xy, everyone, "", ["@muted" if code < 0 else colours[code] for code in codes.tolist()])]
    x, y = axis(found.titles[0]), axis(found.titles[1])
    return figure(traces, x, y, 560, showlegend=1 < len(names) <= MOST_CLASSES, hovermode="closest")


def _points(xy: Tensor, rows: Tensor, name: str, colour: str | list[str]) -> Figure:
    name = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    seen = {"customdata": rows.tolist(), "hoverinfo": "none"}  # the page's own card is shown instead
    return points(xy[rows, 0], xy[rows, 1], colour, name, size=6.5, opacity=0.8) | seen
