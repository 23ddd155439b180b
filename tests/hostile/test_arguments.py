"""Odd words on the command line: one sentence and exit 2, whatever they are; nothing of it is unexpected."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from quick import WORDS, fitted
from unveil.cli import main

HUGE = "9" * 5000
ODD = ("", "a\0b", HUGE, "1e308", "\udcff", "dir")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x.npy and a run, a directory, and plug-ins."""
    path = tmp_path_factory.mktemp("odd")
    np.save(path / "x.npy", np.random.default_rng(0).integers(0, 2, (30, 4, 4)).astype(np.uint8))
    fitted(str(path / "x.npy"), path / "run", steps=2, latent=1, model__width=4)
    (path / "dir").mkdir()
    (path / "ends.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    (path / "breaks.py").write_text("def f(:\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    "line",
    [
        "{}", "list models --plugin {}", "fit {} --dry-run", "fit x.npy --dry-run {}", "evaluate run {}",
        "evaluate run --limit {}", "score run x.npy -o {}", "compare run {}", "sample run -o q.png --temperature {}",
        "sample run -o q.png {}", "reproduce nothing --seeds {}",
    ],
)  # fmt: skip
def test_an_odd_word_is_refused_in_a_sentence(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    for odd in ODD:
        code = main([word.replace("{}", odd) for word in line.split()])
        told = capsys.readouterr().err
        assert code == 2, (odd[:30], told[:300])
        assert "nexpected" not in told and "Traceback" not in told and len(told) < 2000, (odd[:30], told[:300])


@pytest.mark.parametrize("word", ["train.clip=1e308", f"train.lr={HUGE}", f"model.width={HUGE}", f"seed={'9' * 30}"])
def test_a_number_that_nothing_holds_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "x.npy", "--dry-run", word]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"Error: {word.partition('=')[0]} came as ") and len(told) < 500


@pytest.mark.parametrize("name", ["ends.py", "breaks.py"])
def test_a_plugin_that_cannot_be_run_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "models", "--plugin", name]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {name} could not be run: ")


def test_a_run_may_be_called_anything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "x.npy", "--out=-l\nr 🙂", "--dry-run", "train.steps=2", *WORDS]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["name"] == "vae"


def test_a_folder_that_was_removed_is_no_place_to_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["list"]) == 2
    assert "The working directory was removed. " in capsys.readouterr().err.replace("\n", " ")
    monkeypatch.undo()


def test_home_is_where_the_shell_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["sample", "run", "-n", "2", "-o", "~/s.npy"]) == 0
    assert (tmp_path / "s.npy").is_file()


def test_columns_of_scales_without_relation_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(200, 4)) * [1, 1e30, 1, 1]
    np.save(tmp_path / "big.npy", x)
    words = [
        "fit",
        str(tmp_path / "big.npy"),
        "--model",
        "linear_gaussian",
        "--steps",
        "3",
        "--out",
        str(tmp_path / "r"),
    ]
    assert main([*words, *WORDS]) in (0, 1)
    assert "unexpected" not in capsys.readouterr().err


def test_weights_that_are_gone_are_said_with_what_makes_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    (run / "weights.safetensors").unlink()
    assert main(["score", str(run), "x.npy", "-o", str(tmp_path / "s.csv")]) == 2
    told = capsys.readouterr().err
    assert f"{run} has no weights." in told and f"unveil resume {run}" in told
