"""--lang: fit, diagnose and report speak Chinese; another language is refused before anything is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import quick
from languages.english import english
from unveil.cli import main
from unveil.data.columns import KINDS

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


def photos(folder: Path) -> Path:
    """Pictures of several sizes in two sub-folders, with another file beside them."""
    rng = np.random.default_rng(0)
    for i in range(24):
        path = folder / "photos" / ("day", "night")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 30 + i % 3, 3), dtype=np.uint8)).save(path)
    (folder / "photos" / "day" / "readme.txt").write_text("x", encoding="utf-8")
    return folder / "photos"


def untidy(folder: Path) -> Path:
    """A table with an id, a text, dates, fill values, capitals, marks of a gap and numbers with a comma."""
    rng = np.random.default_rng(0)
    rows = ["id,canton,moved,inc,code,note,share"]
    for i in range(120):
        inc, day = -999 if i % 12 == 0 else round(rng.normal(5, 1), 1), f"2020-0{1 + i % 9}-{10 + i % 18}"
        canton, code = ("Bern", "bern", "Genf")[i % 3], "n/a" if i % 9 == 0 else f"0{i % 7}"
        rows.append(f'{i},{canton},{day},{inc},{code},text {i} {rng.integers(9999)},"{rng.integers(99)},{i % 10}"')
    path = folder / "table.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("made", [photos, untidy])
def test_what_is_said_of_untidy_data_is_chinese_too(
    made: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = made(tmp_path)
    words = ["fit", str(source), "--steps", "3", "--model", "vae", "--dry-run", *quick.WORDS, "--lang", "zh"]
    assert main(words) == 0
    said = capfd.readouterr()
    names = [str(source), source.stem, "canton", "moved", "inc", "code", "note", "share", "Bern", "bern", "Genf", "day",
             "night", "txt", "frame", "str", "strip", "replace", "pandas", *KINDS]  # fmt: skip
    table = said.out.splitlines() if source.suffix == ".csv" else []  # of pictures the settings are printed: JSON
    assert english([*said.err.splitlines(), *table], names) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fit", "nowhere.csv"], "错误：没有文件 'nowhere.csv'。"),
        (["fit", "digits", "--model", "vea"], "错误：没有名为 'vea' 的模型。\n你是想用 'vae' 吗？"),
        (["fit", "digits", "--epochs", "0"], "错误：--epochs 给的是 '0'；它要不小于 1 的整数。"),
        (["diagnose", "nowhere"], "错误：nowhere 不存在。\n用这个命令生成一个：unveil fit SOURCE"),
        (["explore", "nowhere"], "错误：nowhere 不存在。"),
        (["report"], "错误：缺少参数 RUN。"),
    ],
)
def test_a_refusal_is_said_in_the_language_and_stays_english_in_json(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--lang", "zh"]) == 2
    assert told in capfd.readouterr().err
    assert main([*words, "--lang=zh", "--json"]) == 2
    said = capfd.readouterr()
    assert said.err.startswith("错误：") and json.loads(said.out)["error"]["message"].isascii()
    assert main(words) == 2
    assert capfd.readouterr().err.startswith("Error: ")
