"""Pictures and texts by the command line: a fit, pictures of a text, texts of a picture, either side missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import unveil
from quick import fitted
from unveil.api import Run
from unveil.cli import main

RNG = np.random.default_rng(0)
NAMES = ("bright", "dark", "亮")
Answer = tuple[int, str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/, captions.csv and `run`, fitted on both: bright pictures are called so in two languages."""
    path = tmp_path_factory.mktemp("both")
    (path / "photos").mkdir()
    lines = ["file,text,text2"]
    for i in range(60):
        grey = RNG.integers(150, 250, (6, 6)) if i % 2 else RNG.integers(5, 100, (6, 6))
        Image.fromarray(grey.astype(np.uint8)).save(path / "photos" / f"p{i:02d}.png")
        lines.append(f"p{i:02d}.png,{'bright,亮' if i % 2 else 'dark,'}")
    (path / "captions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (path / "pictures.csv").write_text("file\nphotos/p00.png\n", encoding="utf-8")
    keys = {"model": "joint", "model__latent": 2, "model__width": 16, "train__lr": 5e-3, "steps": 300}
    made = fitted(str(path / "photos"), path / "run", report=True, data__text=str(path / "captions.csv"), **keys)
    assert made.domain.kind == "joint"
    return path


@pytest.fixture
def call(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    monkeypatch.chdir(folder)

    def called(*words: str) -> Answer:
        capfd.readouterr()
        code = main(words)
        return code, *capfd.readouterr()

    return called


def width(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.size[0]


def test_pictures_of_a_text_begin_with_their_mean(call: Callable[..., Answer], folder: Path) -> None:
    for text, bright in (("bright", True), ("dark", False), ("亮", True)):
        code, out, err = call("sample", "run", "--text", text, "-n", "5", "-o", "drawn.npz")
        assert code == 0, err
        x = np.load(folder / "drawn.npz")["x"]
        assert x.shape == (5, 6, 6) and (x[0].mean() > 128) == bright and f"5 pictures of {text!r}" in out
    code, _, err = call("sample", "run", "--text", "bright", "-n", "4", "-o", "grid.png")
    assert code == 0 and width(folder / "grid.png") > 6, err


def test_both_are_drawn_together(call: Callable[..., Answer], folder: Path) -> None:
    code, _, err = call("sample", "run", "-n", "20", "-o", "both.npz")
    assert code == 0, err
    drawn = np.load(folder / "both.npz")
    assert drawn["image"].shape == (20, 6, 6) and set(drawn["text"]) & set(NAMES)
    code, _, err = call("sample", "run", "-n", "3", "-o", "both.csv")
    assert code == 0 and (folder / "both.csv").read_text(encoding="utf-8").startswith("text,image_0,"), err
    for verb, out in (("sample", "a.png"), ("reconstruct", "b.png"), ("interpolate", "c.png")):
        code, _, err = call(verb, "run", "-n", "4", "-o", out)
        assert code == 0 and width(folder / out) >= 12, err
    found = Run.load(folder / "run").sample(3)
    assert found["image"].shape == (3, 6, 6) and len(found["text"]) == 3 and isinstance(found["text"][0], str)


def test_a_picture_is_described_likeliest_text_first(call: Callable[..., Answer]) -> None:
    code, out, err = call("describe", "run", "photos/p01.png", "-n", "3", "--json", "--num-samples", "50")
    assert code == 0, err
    (found,) = json.loads(out)["pictures"]
    assert found["texts"][0] in ("bright", "亮") and found["log_p"] == sorted(found["log_p"], reverse=True)
    assert sum(np.exp(found["log_p"])) < 1.2
    code, out, err = call("describe", "run", "photos/p00.png", "-n", "2")
    assert code == 0 and "dark" in out.splitlines()[1] and "log p(text|picture)" in out, err


def test_descriptions_are_written_as_a_table(call: Callable[..., Answer], folder: Path) -> None:
    code, _, err = call("describe", "run", "photos/p01.png", "-n", "2", "-o", "said.csv", "--num-samples", "20")
    lines = (folder / "said.csv").read_text(encoding="utf-8").splitlines()
    assert code == 0 and lines[0] == "file,row,rank,text,log_p,stderr" and lines[1].startswith("p01.png,0,1,"), err


def test_both_are_judged_and_each_given_the_other(call: Callable[..., Answer]) -> None:
    code, out, err = call("evaluate", "run", "--joint", "--json", "--num-samples", "50")
    assert code == 0, err
    found = json.loads(out)
    both, image, text = (found[f"log p({name})"]["mean"] for name in ("image, text", "image", "text"))
    assert found["log p(image|text)"]["mean"] == pytest.approx(both - text)
    assert found["pointwise mutual information"]["mean"] == pytest.approx(both - image - text)
    assert found["pointwise mutual information"]["mean"] > 0.2
    code, out, _ = call("evaluate", "run", "--joint", "--num-samples", "10")
    assert code == 0 and "log p(text|image)" in out and "lower bounds" in out


def test_rows_with_either_side_missing_are_scored_and_encoded(call: Callable[..., Answer], folder: Path) -> None:
    rows = [
        "file,text",
        "photos/p01.png,bright",
        "photos/p01.png,",
        ",bright",
        "photos/p01.png,dark",
        "photos/p00.png,é",
        ",",
    ]
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    code, _, err = call("score", "run", "pairs.csv", "-o", "s.csv")
    assert code == 0 and "that of row 4 holds 'é', which no text of training does" in err, err
    table = [line.split(",") for line in (folder / "s.csv").read_text(encoding="utf-8").splitlines()]
    assert table[0][:3] == ["file", "row", "observed"] and ",".join(table[2]).startswith("photos/p01.png,1,image,")
    log_p = [float(line[table[0].index("log_px") - len(table[0])] or "nan") for line in table[1:]]
    assert len(log_p) == 6 and np.isnan(log_p[5]) and log_p[2] > log_p[0] > log_p[3] and log_p[1] > log_p[0]
    code, _, err = call("encode", "run", "pairs.csv", "-o", "z.csv")
    assert code == 0 and len((folder / "z.csv").read_text(encoding="utf-8").splitlines()) == 7, err


def test_what_is_missing_is_imputed_by_modality(call: Callable[..., Answer], folder: Path) -> None:
    rows = ["file,text", "photos/p01.png,", ",dark"]
    (folder / "gaps.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    code, _, err = call("impute", "run", "gaps.csv", "-o", "full.csv")
    lines = (folder / "full.csv").read_text(encoding="utf-8").splitlines()
    assert code == 0 and lines[0].startswith("text,image_0,") and len(lines) == 3, err
    assert lines[1].split(",")[0] in NAMES and lines[2].startswith("dark,")
    found = Run.load(folder / "run").impute({"image": None, "text": ["dark", "bright"]}, draws=16)
    assert len(found) == 16 and found[0]["text"] == ["dark", "bright"] and found[0]["image"].shape == (2, 6, 6)
    dark, bright = (np.mean([each["image"][i] for each in found]) for i in (0, 1))
    assert dark < bright - 30


def test_a_run_is_used_from_elsewhere_and_after_its_table_moved(
    call: Callable[..., Answer], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    code, _, err = call("evaluate", "run", "--joint", "--num-samples", "5")
    assert code == 0, err
    shutil.move(folder / "captions.csv", tmp_path / "moved.csv")
    try:
        code, _, err = call("evaluate", "run", "--joint", "--num-samples", "5")
        assert code == 2 and "There is no table of texts" in err and "unveil relink RUN PHOTOS --text" in err
        code, _, err = call("relink", "run", str(folder / "photos"), "--text", "moved.csv")
        assert code == 0, err
        assert call("evaluate", "run", "--joint", "--num-samples", "5")[0] == 0
    finally:
        shutil.move(tmp_path / "moved.csv", folder / "captions.csv")


def test_options_of_its_likelihood_need_no_name(call: Callable[..., Answer]) -> None:
    code, out, err = call(
        "fit", "photos", "--model", "joint", "--text", "captions.csv", "likelihood.dropout=0.2", "--dry-run"
    )
    assert code == 0 and "0.2" in out, err


def test_texts_alone_ask_for_joint(call: Callable[..., Answer]) -> None:
    code, out, err = call("fit", "photos", "--text", "captions.csv", "--dry-run")
    assert code == 0 and "joint" in out, err


def test_a_table_for_training_is_one_for_scores(call: Callable[..., Answer], folder: Path) -> None:
    """Its pictures are found in the folder of the run, its second texts are said to be left out."""
    code, _, err = call("score", "run", "captions.csv", "-o", "all.csv")
    assert code == 0 and "30 rows of captions.csv have several texts" in err, err
    assert len((folder / "all.csv").read_text(encoding="utf-8").splitlines()) == 61
    code, _, err = call("describe", "run", "photos", "-n", "1", "-o", "told.csv", "--num-samples", "12")
    lines = (folder / "told.csv").read_text(encoding="utf-8").splitlines()
    assert code == 0 and lines[0].startswith("file,row,rank,text") and lines[1].startswith("p00.png,0,1,"), err
    with pytest.warns(UserWarning, match="No text came, so log p is of the image alone"):
        Run.load(folder / "run").evaluate(data="photos/p01.png", num_samples=5)


def test_modalities_come_in_python_as_well(folder: Path) -> None:
    run = Run.load(folder / "run")
    x = run.data.test.batch(run.data.test.rows[:0]).x
    assert x.shape[1] == 6 * 6 + 6
    texts = run.score(["bright", "dark", None, "é"])
    assert np.isnan(texts.log_px[2:]).all() and np.isnan(texts.stderr[2:]).all() and texts.log_px[0] < 0
    assert texts.observed.tolist() == ["text", "text", "", ""]
    for came in (np.array(["bright", "dark"]), pd.Series(["bright", "dark"])):
        np.testing.assert_allclose(np.asarray(run.score(came)), texts.log_px[:2], rtol=1e-5)
    both = run.score({"image": RNG.integers(150, 250, (2, 6, 6)).astype(np.uint8), "text": ["bright", None]})
    assert len(both.log_px) == 2 and np.isfinite(both.log_px).all()
    assert run.describe(RNG.integers(150, 250, (1, 6, 6)).astype(np.uint8), n=1, among=["dark", "bright"])[0].texts == (
        "bright",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["sample", "run", "--text", "blue", "-o", "x.png"],
            "The text 'blue' holds 'e', which no text of training",
        ),
        (["sample", "run", "--text", "bright bright", "-o", "x.png"], "holds ' '"),
        (["describe", "run", "missing.png"], "missing.png"),
        (["sample", "run", "--text", "dark", "--temperature", "2", "-o", "x.npz"], "temperature came with text"),
        (["sample", "run", "--text", "dark", "--label", "a", "-o", "x.npz"], "label came with text"),
        (["evaluate", "run", "--joint", "--gap"], "--gap cannot be used with --joint"),
        (
            ["fit", "photos", "--model", "vae", "--text", "captions.csv", "--steps", "1"],
            "vae is a model of one modality",
        ),
        (
            ["fit", "photos", "--model", "joint", "--text", "none.csv", "--steps", "1"],
            "There is no table of texts none.csv",
        ),
        (["sample", "run", "--text", " ", "-o", "x.png"], "The text is empty"),
        (["describe", "run", "photos", "-n", "1000000"], "from 1 to 1,000"),
        (
            ["fit", "photos", "--model", "vdm", "--text", "captions.csv", "--steps", "1"],
            "vdm is a model of one modality",
        ),
        (
            ["fit", "photos", "--text", "captions.csv", "--model", "joint", "prior=bernoulli"],
            "over real z; choose another",
        ),
        (["impute", "run", "pictures.csv", "--mean", "-o", "x.csv"], "a text has no mean"),
        (["fit", "photos", "--model", "joint", "--steps", "1"], "has pictures and no texts"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words: list[str], said: str, call: Callable[..., Answer]) -> None:
    code, _, err = call(*words)
    assert code == 2 and said in err and err.count("Error") == 1 and "Traceback" not in err


def test_the_report_shows_words_and_pictures_and_no_columns(folder: Path) -> None:
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    titles = ("From a text to pictures", "From a picture to texts", "The distributions of one example")
    assert all(title in page for title in titles)
    assert "Columns: data and samples" not in page


def test_a_run_on_both_is_packed_and_resumed(call: Callable[..., Answer], folder: Path) -> None:
    code, _, err = call("pack", "run", "-o", "packed")
    assert code == 0, err
    model = unveil.load(folder / "packed")
    run = Run.load(folder / "run")
    np.testing.assert_array_equal(model.sample(text="dark", num_samples=3), run.sample(3, text="dark"))
    one = RNG.integers(150, 250, (1, 6, 6)).astype(np.uint8)
    assert model.describe(one, n=2) == run.describe(one, n=2)
    shutil.copytree(folder / "run", folder / "again")
    code, _, err = call("resume", "again", "--steps", "20")
    assert code == 0 and Run.load(folder / "again").is_finished, err
