"""Texts beside pictures: how they are read, coded and drawn, and what is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unveil.data import load
from unveil.data.texts import coded, read_captions, required, written
from unveil.domain.text import decode
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 2, (40, 4, 4)).astype(np.uint8)
TEXTS = [["a cat", "cat"] if i % 2 else "dog" for i in range(40)]


def test_texts_become_joint_x_and_one_of_several_is_drawn_in_training() -> None:
    data = load(X, text=TEXTS)
    image, text = data.domain.part("image"), data.domain.part("text")
    assert data.domain.kind == "joint" and image.kind == "binary" and image.shape == (4, 4)
    assert text.alphabet == " acdgot" and text.shape == (5,) and data.domain.is_discrete
    place = data.domain.places["text"]
    drawn = {
        word for _ in range(20) for word in decode(data.train.batch(torch.arange(20)).x[:, place].numpy(), " acdgot")
    }
    assert drawn == {"a cat", "cat", "dog"}
    tested = set(decode(data.test.batch(torch.arange(len(data.test))).x[:, place].numpy(), " acdgot"))
    assert "cat" not in tested and tested <= {"a cat", "dog"}


def test_pictures_are_binarized_and_texts_are_not() -> None:
    grey = RNG.integers(0, 256, (40, 4, 4)).astype(np.uint8)
    data = load(grey, text=["é"] * 20 + ["猫"] * 20, binarization="dynamic")
    batch = data.train.batch(torch.arange(len(data.train)))
    place = data.domain.places
    assert set(batch.x[:, place["image"]].unique().tolist()) == {0.0, 1.0}
    assert set(batch.x[:, place["text"]].unique().tolist()) == {1.0, 2.0}
    again = data.train.batch(torch.arange(len(data.train)))
    assert bool((again.x[:, place["image"]] != batch.x[:, place["image"]]).any())


def test_the_mean_of_pictures_leaves_texts_as_they_are() -> None:
    grey = RNG.integers(0, 256, (40, 4, 4)).astype(np.uint8)
    data = load(grey, text=["é"] * 20 + ["猫"] * 20, binarization="dynamic")
    index = torch.arange(len(data.train))
    x, text = data.train.expected(index).x, data.domain.places["text"]
    torch.testing.assert_close(x[:, text], data.train.batch(index).x[:, text])
    torch.testing.assert_close(x[:, data.domain.places["image"]] * 255, data.train.x[:, :16].float())


def test_an_example_without_a_text_is_not_observed_there_and_that_is_said() -> None:
    data = load(X, text=[None, "", float("nan"), *TEXTS[3:]])
    seen = torch.cat(
        [
            s.observed if s.observed is not None else torch.ones_like(s.x, dtype=torch.bool)
            for s in (data.train, data.valid, data.test)
        ]
    )
    missing = ~seen[:, data.domain.places["text"]].any(1)
    assert int(missing.sum()) == 3 and bool(seen[:, data.domain.places["image"]].all())
    assert any("3 of 40 examples have no text" in note for note in data.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x00b", r"U\+0000"), ("a\ud800", r"U\+D800"), ("a\u202eb", r"U\+202E"), ("x" * 2_000, "2,000 characters"),
        (3.5, "came as float"), (b"a", "came as int|strings|bytes"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused_with_its_row(text: object, said: str) -> None:
    with pytest.raises(RequestError, match=said) as error:
        written(["a", text], 2)
    assert "row 1" in str(error.value)


def test_spaces_and_ways_to_write_a_character_are_one() -> None:
    assert written([" a \n b\t", "e\u0301", "ｱ"], 3) == (("a b",), ("é",), ("ｱ",))


def test_alphabet_and_length_are_those_of_training_and_others_are_left_out_and_said() -> None:
    found = coded((("ab",), ("b",), ("xy",), ("abab",)), np.array([0, 1]))
    assert found.domain.alphabet == "ab" and found.domain.shape == (2,)
    assert found.known.tolist() == [True, True, False, False]
    assert any("2 texts outside training" in note for note in found.notes)


def test_a_split_without_a_text_is_said() -> None:
    rows = set(load(X).train.rows.tolist())
    data = load(X, text=["a" if i in rows else None for i in range(40)])
    assert any("No validation and no test example has a text" in note for note in data.notes)
    assert not any("No validation" in note for note in load(X, text=TEXTS).notes)


def test_a_text_that_is_asked_for_is_one_of_the_domain() -> None:
    domain = coded((("ab",),), np.array([0])).domain
    assert required("  ab ", domain) == "ab"
    with pytest.raises(RequestError, match="holds 'c', which no text of training does"):
        required("abc", domain)
    with pytest.raises(RequestError, match="has 3 characters, and training had at most 2"):
        required("aba", domain)


def test_a_number_of_texts_that_is_wrong_is_said() -> None:
    with pytest.raises(RequestError, match="3 texts came for 40 examples"):
        load(X, text=["a"] * 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "photos"
    (home / "deep").mkdir(parents=True)
    for i in range(12):
        where = home / "deep" if i % 2 else home
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(where / f"p{i}.png")
    return home


def captions(home: Path, lines: str, name: str = "captions.csv") -> Path:
    path = home.parent / name
    path.write_text(lines, encoding="utf-8")
    return path


def test_a_folder_and_a_table_of_texts(folder: Path) -> None:
    rows = ["file,text,text2", *(f'{"deep/" if i % 2 else ""}p{i}.png,"red, {i}",另一个' for i in range(12))]
    data = load(folder, text=str(captions(folder, "\n".join(rows))))
    assert data.domain.part("image").shape == (8, 8, 3) and "另" in (data.domain.part("text").alphabet or "")
    assert data.train.texts is not None and bool((data.train.texts[1] == 2).all())


def test_rows_may_name_a_picture_by_its_name_alone_and_more_than_once(folder: Path) -> None:
    path = captions(folder, "p1.png,one\np1.png,two\n\np2.png,three\nnone.png,four\n")
    texts, said = read_captions(path, ["p0.png", "deep/p1.png", "p2.png"])
    assert texts == ((), ("one", "two"), ("three",))
    assert said == ("1 rows of captions.csv name no picture, first 'none.png': they are left out.",)


def test_a_table_that_names_no_picture_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"names none of the 12 pictures, such as 'other\.png'"):
        load(folder, text=str(captions(folder, "file,text\nother.png,a\n")))


def test_texts_beside_what_is_no_folder_are_refused() -> None:
    with pytest.raises(RequestError, match="x is no folder of pictures"):
        load(X, text="captions.csv")
