"""Data that is not where it was, or not what it was: each verb says so, and what it prints does as it is printed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import unveil
from quick import fitted
from unveil.cli import main
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
VERBS = {  # each verb that needs the data of the run, and a quick way to use it
    "evaluate": "evaluate RUN --num-samples 4", "report": "report RUN", "neighbours": "neighbours RUN -o OUT.csv",
    "neighbours of x": "neighbours RUN NEW -o OUT.csv", "oddity": "score RUN NEW --oddity -o OUT.csv",
    "reconstruct": "reconstruct RUN -o OUT.csv", "interpolate": "interpolate RUN -o OUT.csv",
    "compare as a page": "compare RUN OTHER -o OUT.html",
}  # fmt: skip
LONG = {"diagnose": "diagnose RUN", "cure": "diagnose RUN --cure", "sweep": "diagnose RUN --sweep beta --steps 1",
        "resume": "resume RUN --steps 1"}  # fmt: skip
NO_NEED = {"score": "score RUN NEW -o OUT.csv", "encode": "encode RUN NEW -o OUT.csv",
           "sample": "sample RUN -o OUT.csv", "impute": "impute RUN NEW -o OUT.csv", "pack": "pack RUN -o OUT",
           "reconstruct x": "reconstruct RUN NEW -o OUT.csv", "interpolate x": "interpolate RUN NEW -o OUT.csv",
           "evaluate x": "evaluate RUN --data NEW --num-samples 4", "compare": "compare RUN OTHER"}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a run on it, and new x."""
    folder = tmp_path_factory.mktemp("it's here")
    np.save(folder / "x.npy", X)
    np.save(folder / "new.npy", X[:8])
    fitted(folder / "x.npy", folder / "run", report=True, model="vae", latent=2, steps=2, model__width=8)
    (folder / "run").rename(folder / "origin")
    (folder / "x.npy").rename(folder / "moved.npy")
    return folder


@pytest.fixture()
def folder(made: Path) -> Path:
    """The same, with two copies of the run as it was."""
    for name in ("run", "other"):
        shutil.rmtree(made / name, ignore_errors=True)
        shutil.copytree(made / "origin", made / name)
    return made


def words(command: str, folder: Path, out: Path) -> list[str]:
    known = {"RUN": "run", "OTHER": "other", "NEW": "new.npy"}
    named = (word.replace("OUT", str(out / "out")) for word in command.split())
    return [str(folder / known[word]) if word in known else word for word in named]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    return " ".join(capsys.readouterr().err.split())


def offered(said: str, verb: str, where: Path | str) -> list[str]:
    """The words of an offered command, as a shell hands them on, with a path in the place of PATH."""
    found = re.search(rf"unveil ({verb} .*?)(?=\.? \(|\. | If |$)", said)
    assert found, said
    return [word.replace("PATH", str(where)) for word in shlex.split(found[1])]


@pytest.mark.parametrize("verb", [*VERBS, *LONG])
def test_each_verb_offers_what_makes_it_work(
    verb: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words((VERBS | LONG)[verb], folder, tmp_path)
    said = refused(command, capsys)
    assert "is not where it was when the run was fitted" in said
    run, moved = folder / "run", folder / "moved.npy"
    judging = offered(said, "evaluate", moved)
    assert judging[:2] == ["evaluate", str(run)] and judging[2:] == ["--data", str(moved)]
    assert main(offered(said, "relink", moved)) == 0
    assert unveil.Run.load(run).data.source == str(moved)
    if verb in VERBS:
        assert main(command) == 0
    if verb == "evaluate":
        assert main([*judging, "--num-samples", "4"]) == 0


@pytest.mark.parametrize("verb", NO_NEED)
def test_verbs_of_new_x_do_without_the_data(verb: str, folder: Path, tmp_path: Path) -> None:
    assert main(words(NO_NEED[verb], folder, tmp_path)) == 0


def test_other_data_is_not_taken_and_the_run_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "run" / "config.json").read_text()
    said = refused(["relink", str(folder / "run"), str(folder / "new.npy")], capsys)
    assert "at least 10" in said or "has changed since the fit" in said
    np.save(folder / "wrong.npy", X[::-1].copy())
    assert "its values are others" in refused(["relink", str(folder / "run"), str(folder / "wrong.npy")], capsys)
    assert (folder / "run" / "config.json").read_text() == before


def test_a_photo_that_was_added_is_counted_and_both_ways_out_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "my photos"
    photos.mkdir()
    for i in range(12):
        Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(photos / f"{i}.png")
    fitted(photos, tmp_path / "run", report=True, latent=2, steps=2, model__width=8)
    shutil.copytree(photos, tmp_path / "kept")
    Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(photos / "new.png")
    for verb in (
        "evaluate RUN",
        "report RUN",
        "neighbours RUN -o OUT.csv",
        "resume RUN --steps 1",
        "reconstruct RUN -o OUT.png",
    ):
        said = refused(words(verb, tmp_path, tmp_path), capsys)
        assert "has changed since the fit: 13 examples are there, and 12 were" in said
    assert main([*offered(said, "evaluate", ""), "--num-samples", "2"]) == 0
    assert main(offered(said, "relink", tmp_path / "kept")) == 0
    assert main(["reconstruct", str(tmp_path / "run"), "-o", str(tmp_path / "r.png")]) == 0


@pytest.mark.parametrize("kind", ["array", "labels", "frame"])
def test_data_in_memory_is_saved_and_told_as_it_is_printed(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame(X, columns=list("abc"))
    known: dict[str, Any] = {"x": X, "frame": frame, "numpy": np, "y": np.arange(60) % 3}
    options = {"y": known["y"]} if kind == "labels" else {}
    fitted(frame if kind == "frame" else X, tmp_path / "run", latent=2, steps=2, model__width=8, report=True, **options)
    monkeypatch.chdir(tmp_path)
    said = refused(["evaluate", str(tmp_path / "run")], capsys)
    line = re.search(r"Save that with (.*?\))", said)
    assert line and ("y=y" in said) == (kind != "frame")
    exec(line[1].replace("x=x", "x=x, y=y") if kind == "labels" else line[1], known)
    assert main(offered(said.replace(";", "."), "relink", "")) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--num-samples", "4"]) == 0
    assert (
        eval(re.search(r"unveil\.Run\.load\(.*?\)", said)[0], {"unveil": unveil, "x": frame}) is not None
        if kind == "frame"
        else True
    )


def test_a_pack_keeps_no_data_and_says_so(folder: Path, tmp_path: Path) -> None:
    assert main(["pack", str(folder / "run"), "-o", str(tmp_path / "p")]) == 0
    with pytest.raises(RequestError, match="is a pack, which keeps none"):
        unveil.load(tmp_path / "p").neighbours(X[:3])
