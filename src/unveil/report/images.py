"""The galleries of a model of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..model import stands_for_x
from ..use.sample import sample
from ..use.show import interpolate, reconstruct
from .gallery import CRISP, Bytes, Painter, side_that_fits, sprite, uris
from .latents import Map
from .subject import Subject
from .views import Extremes, held_out, one_x_many_z, one_z_many_x

GRID, PAIRS, DRAWS, PATHS, STEPS = 36, 20, 9, 5, 10
COMPONENTS = 40  # at most, the most frequent first
GALLERY_BUDGET, SPRITE_BUDGET = 1_300_000, 1_100_000  # characters of the page
GALLERY_SIDES, SPRITE_SIDES = (96, 64, 48, 32, 24), (28, 20, 14, 10)


@dataclass(frozen=True)
class Row:
    """Images beside each other, each with a caption or none."""

    images: list[str]
    captions: list[str]


def image_views(subject: Subject, likely: Extremes, points: Map | None) -> dict[str, Any]:
    """Rows of images by section, and the sprite of the map."""
    x = held_out(subject, 2000)
    paint = Painter.of(subject.domain, x)
    raw, captions = _rows(subject, paint, x, likely)
    every = np.concatenate([images for rows in raw.values() for images in rows])
    side = side_that_fits(every, len(every), GALLERY_BUDGET, GALLERY_SIDES)
    rows = {
        name: [Row(uris(images, side), said) for images, said in zip(found, captions[name], strict=True)]
        for name, found in raw.items()
    }
    thumbnails = None
    if points is not None:
        small = paint(points.x.numpy())
        thumbnails = sprite(small, side_that_fits(small, len(small), SPRITE_BUDGET, SPRITE_SIDES))
    return {
        "rows": rows,
        "sprite": None if thumbnails is None else vars(thumbnails),
        "crisp": max(every.shape[1:3]) <= CRISP,
    }


def _rows(
    subject: Subject, paint: Painter, x: NDArray[np.floating], likely: Extremes
) -> tuple[dict[str, list[Bytes]], dict[str, list[list[str]]]]:
    """Images and captions, by section and row."""
    run = subject.run
    raw = {
        "samples": [paint(sample(run, GRID, mean=True))],
        "real": [paint(x[:GRID])],
        "extremes": [paint(_test_x(subject, places)) for places in (likely.least, likely.most)],
    }
    if stands_for_x(subject.model):
        raw["reconstructions"] = _reconstructions(subject, paint)
        raw["one_z"] = _beside(paint, *one_z_many_x(subject, 3, DRAWS))
    if subject.has_real_z:
        raw["one_x"] = _beside(paint, *one_x_many_z(subject, 3, DRAWS))
        if len(subject.test) > 1:
            raw["paths"] = [paint(path) for path in interpolate(run, num_paths=PATHS, num_steps=STEPS)]
    captions = {name: [[""] * len(row) for row in rows] for name, rows in raw.items()}
    captions["extremes"] = [
        [_captioned(subject, place, log_px) for place, log_px in zip(places, values, strict=True)]
        for places, values in ((likely.least, likely.least_log_px), (likely.most, likely.most_log_px))
    ]
    if "components" in subject.panels:
        _add_components(subject, paint, x, raw, captions)
    return raw, captions


def _captioned(subject: Subject, place: int, log_px: float) -> str:
    """log p(x) under an image, after its label where it has one."""
    label, value = subject.label(subject.test, place), f"{log_px:.1f}".replace("-", "−")
    return value if label is None else f"{label if len(label) <= 12 else label[:11] + '…'} · {value}"


def _reconstructions(subject: Subject, paint: Painter) -> list[Bytes]:
    """Rows of ten: x, below it E[x|z], and again."""
    x, means = reconstruct(subject.run, num_examples=PAIRS)
    rows = []
    for first in range(0, len(x), STEPS):
        rows += [paint(x[first : first + STEPS]), paint(means[first : first + STEPS])]
    return rows


def _beside(paint: Painter, one: NDArray[np.floating], many: NDArray[np.floating]) -> list[Bytes]:
    """[N, …] and [N, S, …] as N rows of 1 + S images."""
    return [np.concatenate([paint(a[None]), paint(b)]) for a, b in zip(one, many, strict=True)]


def _test_x(subject: Subject, places: list[int]) -> NDArray[np.floating]:
    return subject.test.batch(torch.tensor(places, dtype=torch.int64, device=subject.test.x.device)).x.cpu().numpy()


def _add_components(
    subject: Subject,
    paint: Painter,
    x: NDArray[np.floating],
    raw: dict[str, list[Bytes]],
    captions: dict[str, list[list[str]]],
) -> None:
    """The mean of each component, the most frequent first; and for a few examples the components that explain them."""
    shares, means = subject.panels["shares"], subject.panels["components"]
    order = shares.argsort(descending=True, stable=True)[:COMPONENTS]
    raw["components"] = [paint(means[order].numpy())]
    captions["components"] = [[f"{100 * float(share):.1f} %" for share in shares[order]]]
    responsibilities = subject.panels["responsibilities"][:5]
    share, which = responsibilities.topk(min(5, len(shares)), 1)
    raw["responsibilities"] = [
        np.concatenate([paint(x[i][None]), paint(means[which[i]].numpy())]) for i in range(len(responsibilities))
    ]
    captions["responsibilities"] = [["x", *(_percent(float(v)) for v in row)] for row in share]


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 1e-3 else f"{100 * share:.1f} %"
