"""z as the vector of a text: a table of files, texts and numbers, p(x|z) at them, the nearest texts of a picture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import unveil
from quick import fitted
from unveil.cli import main
from unveil.data import load
from unveil.data.knowntexts import KnownTexts
from unveil.errors import RequestError
from unveil.runs.texts import write_known
from unveil.use.encode import decode

RNG = np.random.default_rng(0)
SEEN = {"bright": (3.0, 0.0), "dark": (-3.0, 0.0), "grey": (0.0, 2.0)}
BOUNDS = {"bright": (200, 256), "dark": (0, 50), "grey": (100, 150)}
Answer = tuple[int, str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/, captions.csv with the vectors of three texts, and `run`, fitted on both."""
    path = tmp_path_factory.mktemp("literal")
    (path / "photos").mkdir()
    lines = ["file,text,z1,z2"]
    for i in range(90):
        name = list(SEEN)[i % 3]
        Image.fromarray(RNG.integers(*BOUNDS[name], (6, 6)).astype(np.uint8)).save(path / "photos" / f"p{i:02d}.png")
        if i < 80:
            lines.append(f"p{i:02d}.png,{name},{SEEN[name][0]},{SEEN[name][1]}")
    (path / "captions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    keys = {"model": "vae", "model__width": 16, "train__lr": 5e-3, "steps": 300, "data__z": "text"}
    fitted(str(path / "photos"), path / "run", data__text=str(path / "captions.csv"), **keys)
    return path


@pytest.fixture
def call(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    monkeypatch.chdir(folder)

    def called(*words: str) -> Answer:
        capfd.readouterr()
        code = main(words)
        return code, *capfd.readouterr()

    return called


def test_there_are_as_many_latents_as_numbers_and_it_is_said(folder: Path) -> None:
    run = unveil.Run.load(folder / "run")
    assert run.model.draw_prior(1)[0].shape == (1, 2)
    assert any("2 numbers, 3 texts, known of 80 of 90 pictures" in note for note in run.store.config.notes)
    assert run.data.known_texts is not None and run.data.known_texts.texts == tuple(SEEN)
    assert run.store.known_texts is not None
    np.testing.assert_array_equal(run.store.known_texts.z, run.data.known_texts.z)


def test_pictures_are_those_of_the_text(call: Callable[..., Answer], folder: Path) -> None:
    for text, (low, high) in BOUNDS.items():
        code, out, err = call("sample", "run", "--text", text, "-n", "4", "-o", "x.npz")
        assert code == 0 and f"4 pictures of {text!r}" in out, err
        x = np.load(folder / "x.npz")["x"]
        assert x.shape == (4, 6, 6) and low - 30 < x[0].mean() < high + 30
    run = unveil.Run.load(folder / "run")
    expected = decode(run.store, np.array([SEEN["dark"]], np.float32))
    np.testing.assert_allclose(run.sample(2, text=" dark ", mean=True), np.repeat(expected, 2, 0), rtol=1e-5)


def test_the_nearest_texts_of_a_picture_are_those_of_q(call: Callable[..., Answer], folder: Path) -> None:
    code, out, err = call("describe", "run", "photos", "-n", "3", "--json")
    assert code == 0, err
    told = json.loads(out)["pictures"]
    assert np.mean([each["texts"][0] == list(SEEN)[i % 3] for i, each in enumerate(told)]) > 0.95
    run = unveil.Run.load(folder / "run")
    batch = run.data.test.batch(torch.tensor([0]))
    with torch.no_grad():
        posterior = run.model.posterior(batch)
        log_q = [float(posterior.log_prob((torch.tensor(z).view(1, 1, 2),)).sum()) for z in SEEN.values()]
    exact = torch.tensor(log_q).double().log_softmax(0)
    (found,) = run.describe(batch.x.numpy().astype(np.uint8), n=3)
    best = exact.argsort(descending=True).tolist()
    assert found.texts == tuple(list(SEEN)[i] for i in best) and found.stderr == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(found.log_p, exact[best], atol=1e-4)
    (two,) = run.describe(batch.x.numpy().astype(np.uint8), n=3, among=["dark", "grey"])
    assert len(two.texts) == 2 and np.exp(two.log_p).sum() == pytest.approx(1)


def test_an_unknown_text_is_refused_with_the_nearest(call: Callable[..., Answer]) -> None:
    code, out, err = call("sample", "run", "--text", "brigth", "-n", "4", "-o", "y.npz")
    assert code == 2 and not out and "'brigth' has no known vector" in err and "bright" in err


def test_the_texts_go_along_with_a_pack(call: Callable[..., Answer], folder: Path) -> None:
    assert call("pack", "run", "-o", "packed")[0] == 0
    with pytest.raises(RequestError, match="no known vector"):
        unveil.load(folder / "packed").sample(1, text="blue")
    assert unveil.load(folder / "packed").describe(str(folder / "photos"))[0].texts[0] == "bright"


def test_vectors_of_another_run_or_none_are_refused(call: Callable[..., Answer], folder: Path, tmp_path: Path) -> None:
    for name in ("run", "pack"):
        if name == "pack":
            assert call("pack", "run", "-o", str(tmp_path / name))[0] == 0
        else:
            shutil.copytree(folder / "run", tmp_path / name)
        held = tmp_path / name / "texts.safetensors"
        known = unveil.Run.load(folder / "run").store.known_texts
        assert known is not None
        write_known(held, KnownTexts(known.texts, known.z[::-1].copy()))
        code, _, err = call("describe", str(tmp_path / name), "photos")
        assert code == 2 and "is not the file that the run was fitted with" in err
        held.unlink()
        for words in (("describe", "photos"), ("sample", "--text", "dark", "-o", "x.npz")):
            code, _, err = call(words[0], str(tmp_path / name), *words[1:])
            assert code == 2 and "which holds the vectors of the texts, is gone" in err, err


def test_a_damaged_file_of_vectors_is_refused(call: Callable[..., Answer], folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / "texts.safetensors").write_bytes(b"nothing")
    code, _, err = call("describe", str(tmp_path / "run"), "photos")
    assert code == 2 and "does not hold texts and their vectors" in err


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("p00.png,bright,1,2\np01.png,bright,1,3", "differs from that of another row of the text 'bright'"),
        ("p00.png,bright,1,2\np01.png,dark,1", "hold 1 and 2 numbers"),
        ("p00.png,bright\np01.png,dark", "hold no numbers"),
        ("p00.png,bright,1,x", "is not all numbers"),
        ("p00.png,bright,1,1e99", "NaN, inf, or more than float32 can"),
        ("p00.png,,1,2", "hold no numbers"),
    ],
)
def test_a_table_without_vectors_is_refused(
    call: Callable[..., Answer], folder: Path, tmp_path: Path, lines: str, why: str
) -> None:
    (tmp_path / "bad.csv").write_text(lines + "\n", encoding="utf-8")
    code, out, err = call(
        "fit", "photos", "--text", str(tmp_path / "bad.csv"), "data.z=text", "--out", str(tmp_path / "r")
    )
    assert code == 2 and why in err and not out and not (tmp_path / "r").exists(), err


def test_vectors_without_a_table_are_refused(call: Callable[..., Answer]) -> None:
    code, _, err = call("fit", "photos", "--model", "joint", "--text", "captions.csv", "data.z=text", "--dry-run")
    assert code == 2 and "joint has a z of its own" in err
    for words in (("photos", "data.z=text"), ("scenes", "--text", "own", "data.z=text")):
        code, _, err = call("fit", *words, "--dry-run")
        assert code == 2 and "data.z=text takes the vectors of texts from a table" in err


def test_texts_and_vectors_in_memory() -> None:
    """In Python the vectors are given by text, the texts by example; one without a vector has no known z."""
    x = np.stack([RNG.integers(*BOUNDS[list(SEEN)[i % 3]], (6, 6)) for i in range(60)]).astype(np.uint8)
    texts = [list(SEEN)[i % 3] if i % 5 else None for i in range(60)]
    data = load(x, text=texts, z=SEEN)
    assert data.train.z is not None
    known = ~data.train.z[0].isnan().any(1)
    for row, there, z in zip(data.train.rows.tolist(), known.tolist(), data.train.z[0], strict=True):
        assert there == (row % 5 != 0)
        if there:
            assert tuple(z.tolist()) == SEEN[list(SEEN)[row % 3]]
    with pytest.raises(RequestError, match="No picture has a text whose vector is known"):
        load(x, text=texts, z={"blue": (1.0, 2.0)})
    with pytest.raises(RequestError, match="z came as vectors of texts, and no texts came"):
        load(x, z=SEEN)
