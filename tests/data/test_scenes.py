"""Procedural scenes: what is drawn can be read again, and what is held out is in no training scene."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.data import scenes
from unveil.data.scenes import (
    RELATIONS,
    Scene,
    Scenes,
    drawn_layout,
    english,
    every_scene,
    is_held_out,
    picture,
    read_scene,
    sentences,
)

RNG = np.random.default_rng(3)


def drawn(scene: Scene) -> np.ndarray:
    return picture(scene, drawn_layout(scene.relation, RNG))


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_scene_is_read_as_it_was_drawn(relation: str) -> None:
    for scene in (s for s in every_scene() if s.relation == relation):
        for _ in range(5):
            assert read_scene(drawn(scene)) == scene


def test_a_scene_and_its_swap_are_told_apart() -> None:
    scene = next(s for s in every_scene() if s.relation == "chases")
    assert read_scene(drawn(scene.swapped)) == scene.swapped != scene
    assert english(scene) != english(scene.swapped) and sorted(english(scene)) == sorted(english(scene.swapped))


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_scene_is_read_in_spite_of_dots_of_other_colours(relation: str) -> None:
    for scene in [s for s in every_scene() if s.relation == relation][::3]:
        x, paper = drawn(scene), RNG.permutation(32)[:4]
        for row, colour in zip(paper, (scenes.EYE, *scenes.COLOURS.values()), strict=False):
            column = int(RNG.integers(32))
            if (x[row, column] == scenes.PAPER).all():
                x[row, column] = colour
        assert read_scene(x) == scene


def test_nothing_is_read_of_an_empty_picture() -> None:
    assert read_scene(np.full((32, 32, 3), scenes.PAPER, np.uint8)) is None


def test_sentences_say_the_scene_in_both_languages() -> None:
    for scene in every_scene()[::7]:
        said = sentences(scene, RNG)
        assert said[0] == english(scene) and len(said) >= 2
        assert any(not text.isascii() for text in said)
    sentences_of: dict[str, Scene] = {english(scene): scene for scene in every_scene()}
    assert len(sentences_of) == len(every_scene())


def test_what_is_held_out_is_in_no_training_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "NUM", 700)
    monkeypatch.setattr(scenes, "NUM_TEST", 200)
    raw = Scenes().read()
    assert raw.factors is not None and raw.texts is not None and raw.num_test == 200
    held = raw.factors["held out"] == raw.factors["held out"][-1]
    assert held[-100:].all() and not held[:-100].any()
    read = {read_scene(x) for x in raw.x[:500]}
    assert None not in read and not any(is_held_out(scene) for scene in read if scene)
    for i in (0, 1, 500, -1):  # the factors say where things are
        corners = [
            [int(raw.factors[f"{which} {axis}"][i]) for axis in ("row", "column")] for which in ("first", "second")
        ]
        inside = np.zeros((32, 32), bool)
        for (row, column), which in zip(corners, ("first", "second"), strict=True):
            side = int(raw.factors[f"{which} side"][i])
            inside[row : row + side, column : column + side] = True
        assert (raw.x[i][~inside] == scenes.PAPER).all() and (raw.x[i][inside] != scenes.PAPER).any()
    again = Scenes().read()
    assert (again.x == raw.x).all() and again.texts == raw.texts
