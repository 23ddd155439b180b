"""Odd words on the command line: one sentence and exit 2, whatever they are; nothing of it is unexpected."""

from __future__ import annotations

import json
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
