"""Procedural scenes of two things and how they stand to each other, with sentences that say it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..registry import register
from .raw import Raw, encode_labels

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Place = tuple[int, int]  # row and column
SIDE, NUM, NUM_TEST = 32, 40_000, 2_000
KINDS = ("square", "circle", "triangle")
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
RELATIONS = ("above", "left of", "inside", "larger than", "chases")
PAPER, EYE = 1, 0  # white background, and black eyes that say where a thing looks
FEWEST_CELLS, FEWEST_EYE = 8, 6  # of a thing, and of what is black, that are taken for one: two eyes have 18
NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {"square": ("square", "box"), "circle": ("circle", "disc"), "triangle": ("triangle",)},
    "zh": {"square": ("方块", "正方形"), "circle": ("圆", "圆形"), "triangle": ("三角", "三角形")},
}
SAID: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "above": ("above", "over"), "left of": ("left of", "to the left of"), "inside": ("inside", "within"),
        "larger than": ("larger than", "bigger than"), "chases": ("chases", "runs after"),
    },
    "zh": {
        "above": ("在{}上面", "在{}上方"), "left of": ("在{}左边", "在{}左侧"), "inside": ("在{}里面", "在{}里"),
        "larger than": ("比{}大",), "chases": ("追{}", "追赶{}"),
    },
}  # fmt: skip
HUES = {"red": "红", "green": "绿", "blue": "蓝", "yellow": "黄"}


@dataclass(frozen=True)
class Thing:
    kind: str
    colour: str


@dataclass(frozen=True)
class Scene:
    """`first` stands to `second` as the relation says: the order matters."""

    first: Thing
    relation: str
    second: Thing

    @property
    def swapped(self) -> Scene:
        return Scene(self.second, self.relation, self.first)


@register("source", "scenes")
class Scenes:
    """40,000 scenes of two things, 32×32×3, binary, each with sentences in English and Chinese.

    A thing is a square, a circle or a triangle in one of four colours; two of different colours stand above, left of or
    inside each other, one is larger, or one chases the other: both look where they run, and who chases is behind. Of
    all 540 combinations every sixth is held out of training; of the 2,000 test scenes half are of these. Kind, colour,
    side and place of both are factors. Nothing is downloaded.

    References: after Johnson et al., CLEVR (2017), the idea of scenes whose every factor is known.
    """

    summary: ClassVar[str] = (
        "40,000 procedural scenes, 32×32×3, binary, two things and their relation, with sentences in English and "
        "Chinese; a sixth of the combinations is in the test split alone"
    )

    def read(self) -> Raw:
        rng = np.random.default_rng(0)
        scenes = drawn_scenes(rng)
        layouts = [drawn_layout(scene.relation, rng) for scene in scenes]
        x = np.stack([picture(scene, layout) for scene, layout in zip(scenes, layouts, strict=True)])
        texts = tuple(sentences(scene, rng) for scene in scenes)
        y, relations = encode_labels(np.array([scene.relation for scene in scenes]))
        held = {s for i, s in enumerate(every_scene()) if _held_out(i)}
        factors = {
            name: encode_labels(np.array(values))[0]
            for name, values in {
                "first kind": [s.first.kind for s in scenes],
                "first colour": [s.first.colour for s in scenes],
                "second kind": [s.second.kind for s in scenes],
                "second colour": [s.second.colour for s in scenes],
                "held out": ["yes" if s in held else "no" for s in scenes],
            }.items()
        }
        for i, which in enumerate(("first", "second")):
            factors[f"{which} side"] = np.array([layout.sides[i] for layout in layouts])
            for j, axis in enumerate(("row", "column")):
                factors[f"{which} {axis}"] = np.array([layout.places[i][j] for layout in layouts])
        return Raw("scenes", x, y, relations, NUM_TEST, factors=factors, texts=texts)


def every_scene() -> list[Scene]:
    """All combinations of things of different colours and relations, 540."""
    things = [Thing(kind, colour) for kind in KINDS for colour in COLOURS]
    pairs = [(a, b) for a in things for b in things if a.colour != b.colour]
    return [Scene(a, relation, b) for a, b in pairs for relation in RELATIONS]


def is_held_out(scene: Scene) -> bool:
    """Whether a combination is in no training scene."""
    return _held_out(every_scene().index(scene))


def _held_out(place: int) -> bool:
    return place % 6 == 0


def drawn_scenes(rng: np.random.Generator) -> list[Scene]:
    """Training scenes of what is not held out, then test scenes of which half are of what is."""
    found = every_scene()
    seen = [s for i, s in enumerate(found) if not _held_out(i)]
    unseen = [s for i, s in enumerate(found) if _held_out(i)]
    training = [seen[i] for i in rng.integers(len(seen), size=NUM - NUM_TEST)]
    test = [seen[i] for i in rng.integers(len(seen), size=NUM_TEST // 2)]
    return training + test + [unseen[i] for i in rng.integers(len(unseen), size=NUM_TEST // 2)]


@dataclass(frozen=True)
class Layout:
    """Where both things are.

    Arguments: sides, of each; places, the upper left corner of each; looks, 0 nowhere, −1 left, 1 right.
    """

    sides: tuple[int, int]
    places: tuple[Place, Place]
    looks: int = 0


def picture(scene: Scene, layout: Layout) -> Picture:
    """The scene as a picture, things being where the layout says."""
    x = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
    order = (1, 0) if scene.relation == "inside" else (0, 1)  # what is inside is drawn last
    for i in order:
        thing = (scene.first, scene.second)[i]
        _draw(x, thing, layout.places[i], layout.sides[i], layout.looks)
    return x


def drawn_layout(relation: str, rng: np.random.Generator) -> Layout:
    """A layout in which the relation holds, drawn at random."""

    def between(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    def apart(first: int, second: int, beside: int) -> tuple[Place, Place]:
        """The one, then the other along an axis, about as far across it."""
        across = between(2, SIDE - first - 2)
        aside = int(np.clip(across + between(-beside, beside), 1, SIDE - second - 1))
        furthest = SIDE - second - 1
        return (between(1, 16 - first), across), (between(min(17, furthest), furthest), aside)

    sides = between(9, 12), between(9, 12)
    if relation == "inside":
        (inner, outer), top, left = (9, between(20, 22)), between(2, 8), between(2, 8)
        return Layout((inner, outer), ((top + outer // 2, left + outer // 2 - 4), (top, left)))
    if relation == "above":
        return Layout(sides, apart(*sides, 3))
    if relation == "left of":
        return Layout(sides, _turned(apart(*sides, 3)))
    if relation == "larger than":
        sides, swapped = (between(14, 15), between(7, 9)), between(0, 1)
        if swapped:
            return Layout(sides, _turned(apart(sides[1], sides[0], 6))[::-1])
        return Layout(sides, _turned(apart(*sides, 6)))
    looks, places = (1 if between(0, 1) else -1), _turned(apart(*sides, 2))
    if looks < 0:
        sides, places = sides[::-1], places[::-1]
    return Layout(sides, places, looks)


def _turned(places: tuple[Place, Place]) -> tuple[Place, Place]:
    (a, b), (c, d) = places
    return (b, a), (d, c)


def shape(kind: str, side: int) -> Mask:
    """The cells of a thing, [side, side]."""
    row, column = np.mgrid[:side, :side] + 0.5
    middle = side / 2
    if kind == "circle":
        return (row - middle) ** 2 + (column - middle) ** 2 <= middle**2
    if kind == "triangle":
        return np.abs(column - middle) <= np.maximum(row / 2, 0.5)
    return np.ones((side, side), bool)


def _draw(x: Picture, thing: Thing, place: tuple[int, int], side: int, looks: int) -> None:
    top, left = place
    here = x[top : top + side, left : left + side]
    here[shape(thing.kind, side)] = COLOURS[thing.colour]
    if looks:
        eye = side - 5 if looks > 0 else 2
        here[side - 5 : side - 2, eye : eye + 3] = EYE


def sentences(scene: Scene, rng: np.random.Generator) -> tuple[str, ...]:
    """The sentence in English with the usual words, one with others, and one in Chinese."""
    usual = english(scene, 0)
    pick = [int(rng.integers(2)) for _ in range(4)]
    return tuple(dict.fromkeys((usual, english(scene, *pick[:3]), chinese(scene, *pick[1:]))))


def english(scene: Scene, first: int = 0, relation: int = 0, second: int = 0) -> str:
    said = _of(SAID["en"][scene.relation], relation)
    return f"{_english(scene.first, first)} {said} {_english(scene.second, second)}"


def chinese(scene: Scene, first: int = 0, relation: int = 0, second: int = 0) -> str:
    said = _of(SAID["zh"][scene.relation], relation)
    return _chinese(scene.first, first) + said.format(_chinese(scene.second, second))


def _english(thing: Thing, which: int) -> str:
    return f"a {thing.colour} {_of(NAMES['en'][thing.kind], which)}"


def _chinese(thing: Thing, which: int) -> str:
    return f"{HUES[thing.colour]}{_of(NAMES['zh'][thing.kind], which)}"


def _of(words: Sequence[str], which: int) -> str:
    return words[which % len(words)]


def read_scene(x: NDArray[Any]) -> Scene | None:
    """The scene that a picture of values from 0 to 1 shows, by the rules it is drawn by; None where it shows none.

    Colours are those of the nearest of the palette; a thing is the largest connected patch of a colour; its kind, side
    and place are those of the shape with the most cells in common; the relation follows from where things stand, which
    is larger, and where they look.
    """
    palette = np.array([*COLOURS.values(), (PAPER,) * 3, (EYE,) * 3], np.float64)
    nearest = ((x[..., None, :].astype(np.float64) - palette) ** 2).sum(-1).argmin(-1)
    areas = [(int((nearest == i).sum()), i) for i in range(len(COLOURS))]
    (small, second), (_, first) = sorted(areas)[-2:]
    if small < FEWEST_CELLS:
        return None
    found = {i: _found(nearest == i) for i in (first, second)}
    names = list(COLOURS)
    eyes = np.argwhere(nearest == len(COLOURS) + 1)
    a, b = ((i, *found[i]) for i in (first, second))
    return _related(a, b, names, eyes)


def _found(mask: Mask) -> tuple[str, float, float, int]:
    """(kind, row and column of the middle, side) of the shape that is most alike the largest patch of one colour."""
    patches, _ = ndimage.label(mask, np.ones((3, 3)))
    largest = patches == np.bincount(patches[mask]).argmax()
    rows, columns = (np.flatnonzero(largest.any(axis)) for axis in (1, 0))
    about = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
    around = np.pad(largest, about + 2)
    best: tuple[float, tuple[str, float, float, int]] = (-1.0, ("", 0.0, 0.0, 0))
    for side, down, right, kind in itertools.product((about, about - 1, about + 1), (0, -1, 1), (0, -1, 1), KINDS):
        if side < 2:
            continue
        top, left, own = int(rows[0]) + down, int(columns[0]) + right, shape(kind, side)
        row, column = top + about + 2, left + about + 2
        common = int((own & around[row : row + side, column : column + side]).sum())
        alike = common / (int(own.sum()) + int(largest.sum()) - common)
        if alike > best[0]:
            best = alike, (kind, top + side / 2, left + side / 2, side)
    return best[1]


Seen = tuple[int, str, float, float, int]


def _related(a: Seen, b: Seen, names: Sequence[str], eyes: NDArray[np.int64]) -> Scene:
    """The scene of two things a, the larger, and b."""
    big, small = Thing(a[1], names[a[0]]), Thing(b[1], names[b[0]])
    if abs(a[2] - b[2]) < 6 and abs(a[3] - b[3]) < 6:
        return Scene(small, "inside", big)
    if len(eyes) >= FEWEST_EYE:
        nearer = [min((a, b), key=lambda own: abs(column + 0.5 - own[3]))[3] for column in eyes[:, 1]]
        looks = 1 if (eyes[:, 1] + 0.5 - nearer).sum() > 0 else -1
        ordered = sorted((a, b), key=lambda seen: looks * seen[3])  # who is behind comes first
        return Scene(*_in_order(ordered, "chases", names))
    if a[4] >= b[4] + 4:
        return Scene(big, "larger than", small)
    along = 3 if abs(a[3] - b[3]) > abs(a[2] - b[2]) else 2
    return Scene(*_in_order(sorted((a, b), key=lambda seen: seen[along]), "left of" if along == 3 else "above", names))


def _in_order(things: Sequence[Seen], relation: str, names: Sequence[str]) -> tuple[Thing, str, Thing]:
    one, other = (Thing(own[1], names[own[0]]) for own in things)
    return one, relation, other
