"""Tables of pictures and texts as people have them: separators, columns, names of files, JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unveil.data.captions import Places, looks_like_a_picture, read_table
from unveil.data.knowntexts import read_known
from unveil.data.texts import read_captions, written
from unveil.errors import RequestError

FILES = ["a.jpg", "deep/b.JPG", "deep/c.png", "other/c.png"]
TOLD = {"a.jpg": ("a cat",), "deep/b.JPG": ("a dog, small",)}


def read(
    tmp_path: Path, text: str, name: str = "captions.csv", encoding: str = "utf-8"
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    texts, said = read_captions(path, FILES)
    return {file: own for file, own in zip(FILES, texts, strict=True) if own}, said


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('file,text\na.jpg,a cat\ndeep/b.JPG,"a dog, small"\n', "c.csv"),
        ("file;text\r\na.jpg;a cat\r\ndeep/b.JPG;a dog, small\r\n", "c.csv"),
        ("a.jpg\ta cat\nb.JPG\ta dog, small\n", "c.txt"),
        ("image_name| comment_number| comment\na.jpg| 0| a cat\nb.JPG| 1| a dog, small\n", "results.csv"),
        ("a.jpg#0\ta cat\ndeep/b.JPG#4\ta dog, small\n", "Flickr8k.token.txt"),
        (",image,caption\n0,a.jpg,a cat\n1,b.JPG,a dog, small\n", "c.csv"),
        ('caption,image\na cat,a.jpg\n"a dog, small",b.JPG\n', "c.csv"),
        (
            'id,file,text,width,split\n7,./a.jpg,a cat,640,train\n8,photos\\deep\\b.jpg,"a dog, small",480,val\n',
            "c.csv",
        ),
        ("filepath\ttitle\n/home/me/photos/a.jpg\ta cat\n/home/me/photos/deep/B.jpg\ta dog, small\n", "c.tsv"),
        ("file,text\na,a cat\nb,a dog, small\n", "c.csv"),
    ],
)
def test_a_table_is_read_as_it_was_meant(tmp_path: Path, text: str, name: str) -> None:
    assert read(tmp_path, text, name)[0] == TOLD
    assert read(tmp_path, text, name, "utf-16")[0] == TOLD


def test_columns_that_are_left_out_and_texts_that_were_cut_are_said(tmp_path: Path) -> None:
    _, said = read(tmp_path, "file,text,width\na.jpg,a cat,640\nb.JPG,a dog,480\n")
    assert said == ("Texts are 'text'; left out: 'width'.",)
    found, said = read(tmp_path, "file,text\na.jpg,one, two, three\n")
    assert found == {"a.jpg": ("one, two, three",)} and "1 rows of captions.csv have more cells than columns" in said[0]
    found, said = read(tmp_path, "file,text,text2\na.jpg,NA,a cat\nb.JPG,null,\n")
    assert found == {"a.jpg": ("a cat",)} and any("2 cells of captions.csv hold a mark" in note for note in said)
    with pytest.raises(RequestError, match=r"Line 2 of captions\.csv has 4 cells, and its first line names 3 columns"):
        read(tmp_path, "file,text,width\na.jpg,one, two,640\n")


def test_several_texts_of_a_picture_are_all_taken(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jpg,one,two\na.jpg,three\n")[0] == {"a.jpg": ("one", "two", "three")}
    assert read(tmp_path, "file,caption_1,caption_2,n\na.jpg,one,two,5\n")[0] == {"a.jpg": ("one", "two")}


@pytest.mark.parametrize(
    "held",
    [
        [{"file": "a.jpg", "text": "a cat"}, {"file": "deep/b.JPG", "text": "a dog, small"}],
        {"a.jpg": "a cat", "deep/b.JPG": ["a dog, small"]},
        {
            "images": [{"id": 3, "file_name": "a.jpg"}, {"id": 5, "file_name": "b.JPG"}],
            "annotations": [
                {"image_id": 3, "caption": "a cat"}, {"image_id": 5, "caption": "a dog, small"}, {"image_id": 9},
            ],
        },
        [
            {"filename": "a.jpg", "sentences": [{"id": "x", "caption": "a cat"}]},
            {"img": "b.JPG", "captions": ["a dog, small"]},
        ],
    ],
)  # fmt: skip
def test_json_is_read_in_its_usual_forms(tmp_path: Path, held: object) -> None:
    assert read(tmp_path, json.dumps(held), "c.json")[0] == TOLD
    if isinstance(held, list):
        assert read(tmp_path, "\n".join(map(json.dumps, held)), "c.jsonl")[0] == TOLD


def test_a_picture_is_named_by_any_end_of_its_path_that_is_alone() -> None:
    places = Places(FILES)
    for cell in ("deep/b.JPG", "b.JPG", "B.jpg", "x\\deep\\b.jpg", "./deep/b", "/data/photos/deep/b.JPG#2"):
        assert places.of(cell) == [1], cell
    assert places.of("c.png") == [2, 3] and places.of("deep/c.png") == [2] and places.of("d.png") == []
    assert places.of("") == [] and looks_like_a_picture("x/y.JPEG#1") and not looks_like_a_picture("a cat.")


def test_what_is_no_such_table_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for text, name, why in (
        ("file,text\nx.jpg,a\ny.jpg,b\n", "c.csv", r"names none of the 4 pictures, such as 'x\.jpg' \(2 of 2 rows\)"),
        ("file,text\na.jpg,a\nx.jpg,b\ny.jpg,c\n", "c.csv", "names hardly any of the 4 pictures"),
        ("file,text\nc.png,a\nc.png,b\n", "c.csv", "'c.png', which is in several folders"),
        ('a.jpg,"a cat\nb.JPG,a dog\n', "c.csv", "A quote that does not end may be the cause"),
        ("[1, 2", "c.json", "is no JSON that can be read: Expecting"),
        ("1" * 5000, "c.json", r"is no JSON that can be read\."),
        ('{"images": [{"id": [0]}], "annotations": []}', "c.json", r"Image 1 in .*c\.json has no id"),
        ('{"images": [{"id": 0}, {"id": 0}], "annotations": []}', "c.json", "Image 2 in .* has an id that another has"),
        ("[1, 2]", "c.json", "holds no pictures with texts"),
    ):
        with pytest.raises(RequestError, match=why):
            read(tmp_path, text, name)
    with pytest.raises(RequestError, match="is no file"):
        read_table(tmp_path, Places(FILES))
    with pytest.raises(RequestError, match="There is no table of texts"):
        read_table(tmp_path / "none.csv", Places(FILES))


def test_the_line_of_a_text_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"The text of deep/b\.JPG \(line 3 of captions\.csv\) holds U\+202E"):
        read(tmp_path, "file,text\na.jpg,one\nb.JPG,x\u202ey\n")
    assert written([3, None, ["a", 4]], 3) == (("3",), (), ("a", "4"))
    for came in ({"a.jpg": "a"}, "a cat"):
        with pytest.raises(RequestError, match="give a list with a text"):
            written(came, 1)


@pytest.mark.parametrize(
    "text",
    [
        "file,text,z1,z2\na.jpg,cat,1,2\nb.JPG,dog,,\n",
        'a.jpg,cat,"[1, 2]"\nb.JPG,dog,\n',
        "file,text,text2,z1,z2\na.jpg,cat,x,1,2\nb.JPG,dog,y,,\n",
    ],
)
def test_vectors_of_texts_are_read_and_may_be_missing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    texts, known, _ = read_known(path, FILES)
    assert texts[:2] == (("cat",), ("dog",)) and known.texts == ("cat",) and known.z.tolist() == [[1.0, 2.0]]
