"""--lang: fit, diagnose and report speak Chinese; another language is refused before anything is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import quick
from languages.english import english
from unveil.cli import main

NAMES = ("x.npz", "rate", "step")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of classes that are called as words of the project are, with a diagnosis."""
    home = tmp_path_factory.mktemp("lang")
    rng = np.random.default_rng(0)
    np.savez(home / "x.npz", x=rng.normal(size=(100, 4)).astype(np.float32), y=np.array(["rate", "step"] * 50))
    words = ["fit", str(home / "x.npz"), "--steps", "4", "--latent", "2", "--out", str(home / "run"), *quick.WORDS]
    with quick.no_baselines():
        assert main(words) == 0
    return home / "run"


def test_a_fit_says_everything_in_chinese(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, out = run.parent / "x.npz", tmp_path / "run"
    assert (
        main(["fit", str(source), "--steps", "4", "--latent", "2", "--out", str(out), *quick.WORDS, "--lang", "zh"])
        == 0
    )
    said = capfd.readouterr()
    assert english(said.err.splitlines(), [str(source), str(out), *NAMES]) == []
    assert "数据   x：" in said.err and "接下来：" in said.err and "码率" in said.err
    assert 'lang="zh-Hans"' in (out / "report.html").read_text(encoding="utf-8")
    assert json.loads((out / "result.json").read_text(encoding="utf-8"))["sentences"][0].startswith("log p(x) is")


def test_a_diagnosis_and_a_report_too(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    capfd.readouterr()
    with quick.short_adaptation(), quick.short_gap(), quick.short_diagnosis():
        assert main(["diagnose", str(own), "--limit", "6", "--lang", "zh"]) == 0
    said = capfd.readouterr()
    names = [str(own), str(run.parent / "x.npz"), *NAMES]
    assert english([*said.out.splitlines(), *said.err.splitlines()], names) == []
    assert "码率为" in said.out and 'lang="zh-Hans"' in (own / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(own)]) == 0
    assert 'lang="en"' in (own / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(own), "--lang", "zh"]) == 0
    assert 'lang="zh-Hans"' in (own / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", [("fit", "nowhere.npz"), ("diagnose", "nowhere"), ("report", "nowhere")])
def test_another_language_is_refused(verb: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--lang", "de"]) == 2
    assert "--lang came as 'de'; it takes en (English) or zh (Chinese)." in capfd.readouterr().err
