"""What an explorer knows of a run before anything is moved: places of examples, where p(z) lies, what x looks like."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ...data import Split
from ...data.rowblocks import blocks
from ...estimators.base import rows_of_block
from ...evaluation.findings import SIGNS, quantity
from ...evaluation.judged import GIVEN, SUMMED, of_x_alone
from ...model import num_latents
from ...ops import keyed
from ...use.show import likely_labels
from ..charts import class_colour, short
from ..gallery import side_that_fits, sprite
from ..planes import main_directions
from ..reliance import error_of_one, few_count
from ..subject import Subject
from .cells import odd_cells, row_texts
from .functions import DRAWS, Functions, Programs, programs_of, shown_mean
from .picture import columns_of, picture_of
from .program import halves
from .space import MOST, Space, moments, order_of, pairs, prior_places, space_of

POINTS, NUMBERS = 1000, 200_000  # examples at most, and numbers that their places take
THUMBNAILS, SIDES = 900_000, (28, 20, 14, 10)  # characters of the page, for all of them; sides in pixels
TILES, TILE_SIDES, TILE_BUDGET = 11, (48, 32, 24, 16), 900_000  # decoded places along each axis, where no network fits
SLIDERS = 64  # coordinates that are moved one by one, at most


@dataclass(frozen=True)
class Scene:
    """A run, ready to be explored.

    Arguments: functions of its model; data, what the page's script is given, but for programs and tiles; places [N, k]
    of the examples that are shown; plane, centre [k] and directions [2, k] of the map.
    """

    functions: Functions
    data: dict[str, Any]
    places: Tensor
    plane: tuple[Tensor, Tensor]

    def with_programs(self, subject: Subject) -> tuple[dict[str, Any], Programs]:
        """The data for a page alone: programs where the networks fit into it, else decoded tiles."""
        found = programs_of(self.functions)
        data = dict(self.data)
        if found.each:
            each = {name: program.to_json() for name, program in found.each.items()}
            data["programs"] = {**found.constants.to_json(), "each": each}
        elif subject.paint is not None and not self.functions.takes_label:  # of each label all tiles would differ
            data["tiles"] = tiles(subject, self)
        return data, found


def scene_of(subject: Subject) -> Scene | None:
    """The scene of a finished run; None where x has no latents that are real numbers."""
    if not subject.has_real_z:
        return None
    splits = chosen(subject)
    means, stddevs = (
        torch.cat(each) for each in zip(*(moments(subject.model, split) for split in splits), strict=True)
    )
    space = space_of(subject.model, means)
    places, spread = space.of(means), space.spread(stddevs)
    dimensions = subject.dimensions
    order = order_of(places, None if dimensions is None or not space.is_whole else dimensions.rate)
    frequencies = subject.model.log_label_frequency()
    functions = Functions(subject.model, subject.domain, space, 0 if frequencies is None else len(frequencies))
    plane = _plane(places)
    elbo = bounds(functions, splits) if functions.can_judge else None
    data = {
        "size": space.size,
        "order": order[:SLIDERS],
        "active": _num_active(subject, space, order),
        "axes": _axes(space, places, order, plane),
        "points": _points(subject, splits, places, spread, elbo),
        "binarized": any(split.binarize == "draw" or split.grey is not None for split in splits),
        "prior": halves(prior_places(subject.model, space)),
        "classes": subject.classes,
        "colours": _colours(subject),
        "label": functions.takes_label,
        "shown": _shown(subject),
        "said": {"quantity": said_of(subject.result), "side": SIGNS[subject.result["direction"]]},
    }
    return Scene(functions, data, places, plane[:2])


def chosen(subject: Subject) -> list[Split]:
    """Test and then validation examples, from all over both: as many as a page has room for."""
    count = max(50, min(POINTS, NUMBERS // min(MOST, num_latents(subject.model))))
    test = subject.test.spread(count)
    return [test] if len(test) == count else [test, subject.valid.spread(count - len(test))]


def joined(splits: Sequence[Split], f: Callable[[Split], list[Any] | None]) -> list[Any] | None:
    """What f says of the examples of each split, one after the other; None where it says nothing."""
    found = [f(split) for split in splits]
    return None if any(each is None for each in found) else [one for each in found for one in each or ()]


def _plane(places: Tensor) -> tuple[Tensor, Tensor, float]:
    """Centre, two directions and their share of the variance; of one or two coordinates these themselves."""
    k = places.shape[1]
    if k > 2:
        return main_directions(places)
    return torch.zeros(k), torch.eye(2)[:, :k].contiguous(), 1.0


def _axes(
    space: Space, places: Tensor, order: Sequence[int], plane: tuple[Tensor, Tensor, float]
) -> list[dict[str, Any]]:
    """The maps that one can choose from: centre, directions, axes by coordinate or word, share of the variance."""
    centre, V, share = plane
    k = space.size
    if k <= 2:
        names = [0, "spread" if k == 1 else 1]
        return [{"centre": short(centre), "V": [short(row) for row in V], "names": names, "share": None}]
    names = ["main_1", "main_2"]
    found = [{"centre": short(centre, 6), "V": [short(row, 6) for row in V], "names": names, "share": share}]
    for a, b in pairs(order):
        rows = torch.zeros(2, k)
        rows[0, a] = rows[1, b] = 1.0
        found.append({"centre": [0.0] * k, "V": rows.tolist(), "names": [a, b], "share": None})
    return found


def _num_active(subject: Subject, space: Space, order: Sequence[int]) -> int:
    """How many of the coordinates are active, of z itself."""
    dimensions = subject.dimensions
    if dimensions is None or not space.is_whole:
        return len(order)
    return int(dimensions.active.sum())


def _points(
    subject: Subject, splits: Sequence[Split], places: Tensor, spread: Tensor, elbo: Tensor | None
) -> dict[str, Any]:
    """Places, spreads, classes, log p(x), pictures or rows of the examples."""
    known, alone = scores(subject), of_x_alone(subject.result)
    found: dict[str, Any] = {
        "elbo": None if elbo is None else short(elbo, 6),
        "mean": halves(places),
        "stddev": halves(spread),
        "count": len(places),
        "y": joined(splits, lambda split: None if split.y is None else split.y.tolist()),
        "condition": joined(splits, lambda split: _condition(subject, split)),
        "log_px": joined(splits, lambda split: [known.get(row) for row in split.rows.tolist()]),
        "error": error_of_one(alone),
        "unsure": few_count(alone),
        "files": joined(splits, lambda split: files_of(subject, split)),
        "row": joined(splits, lambda split: split.rows.tolist()),
    }
    if subject.paint is not None:
        x = [split.expected(torch.arange(len(split), device=split.x.device)).x.cpu() for split in splits]
        images = subject.paint(torch.cat(x).numpy())
        made = sprite(images, side_that_fits(images, len(images), THUMBNAILS, SIDES))
        return found | {"sprite": vars(made)}
    rows = joined(splits, lambda split: list(row_texts(subject, split)))
    return found | {"rows": rows, "odd": odd_cells(subject, splits)}


def _condition(subject: Subject, split: Split) -> list[int] | None:
    """The label that a conditioned model is given of each example: the likeliest where it is not known."""
    labels = likely_labels(subject.run, split)
    return None if labels is None else labels.tolist()


def scores(subject: Subject) -> dict[int, float]:
    """log p(x) as judged at the end of the fit, by the row of an example in its source."""
    known: dict[int, float] = {}
    given = quantity(subject.result) == GIVEN  # "test" is then log p(x|label), and "valid" is log p(x)
    judged: tuple[tuple[Literal["valid", "test"], str], ...]
    judged = ("valid", "valid"), ("test", "test_without_labels" if given else "test")
    for split, name in judged:
        rows, found = subject.run.judged(split).rows, subject.run.scores(name)
        pairs = zip(rows.tolist(), found.tolist(), strict=True)
        known |= {row: float(f"{value:.6g}") for row, value in pairs if math.isfinite(value)}
    return known


@torch.no_grad()
def bounds(functions: Functions, splits: Sequence[Split]) -> Tensor:
    """The ELBO [N] of the examples, by as many draws of z as that of a drawing: what a drawing is ranked among."""
    found = []
    for split in splits:
        for block in blocks(len(split), size=rows_of_block(functions.model)):
            with keyed("explorer", "bounds", block.first):
                found.append(functions.model.infer(split.batch(block.rows), DRAWS).elbo[: block.keep].cpu())
    return torch.cat(found)


def said_of(result: dict[str, Any]) -> str:
    """What the scores are of: log p(x), also of a model that was given labels."""
    found = quantity(result)
    return SUMMED if found == GIVEN else found


def files_of(subject: Subject, split: Split) -> list[str] | None:
    """The name of the file of each example, where x is a folder."""
    files = subject.run.data.files
    return None if files is None else [files[row].rsplit("/", 1)[-1] for row in split.rows.tolist()]


def _colours(subject: Subject) -> list[str] | None:
    if subject.classes is None:
        return None
    return [class_colour(code, len(subject.classes)) for code in range(len(subject.classes))]


def _shown(subject: Subject) -> dict[str, Any]:
    """How E[x|z] is shown: as a picture, or column by column."""
    return picture_of(subject.paint) if subject.paint is not None else columns_of(subject)


@torch.no_grad()
def tiles(subject: Subject, scene: Scene) -> dict[str, Any]:
    """E[x|z] at places of a grid over the first map, as one picture; what it does not show is as at its centre."""
    centre, V = scene.plane
    xy = (scene.places - centre) @ V.T
    low, high = xy.quantile(0.01, 0), xy.quantile(0.99, 0)
    steps = [torch.linspace(float(a), float(b), TILES) for a, b in zip(low, high, strict=True)]
    grid = torch.cartesian_prod(steps[1].flip(0), steps[0]).flip(1)  # row by row from the top
    c = centre + grid @ V
    model, device = scene.functions.model, subject.run.device
    found = []
    for i in range(0, len(c), 16):
        p = model.decode(scene.functions.space.groups(c[i : i + 16].to(device)))
        found.append(shown_mean(p, subject.domain).cpu())
    assert subject.paint is not None
    images = subject.paint(torch.cat(found).numpy())
    made = sprite(images, side_that_fits(images, len(images), TILE_BUDGET, TILE_SIDES))
    return {**vars(made), "low": short(low), "high": short(high), "across": TILES}
