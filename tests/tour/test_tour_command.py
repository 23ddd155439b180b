"""`unveil tour`: one file, and no other file lost."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from unveil.cli import main
from unveil.tour import check_tour, make, write_tour


@pytest.fixture()
def two_chapters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "ORDER", {name: make.ORDER[name] for name in ("five", "chain")})


@pytest.mark.usefixtures("two_chapters")
def test_makes_a_page_in_the_language_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tour"]) == 0
    assert capfd.readouterr().out == "tour.html\n"
    assert '<html lang="en">' in Path("tour.html").read_text(encoding="utf-8")
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main(["tour", "--lang", "zh", "--open"]) == 0  # over the tour that is there
    assert '<html lang="zh">' in Path("tour.html").read_text(encoding="utf-8")
    assert opened == [Path("tour.html").resolve().as_uri()]
    assert [path.name for path in tmp_path.iterdir()] == ["tour.html"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "own.html"], "own.html exists and is not a tour; choose another name with -o."),
        (["-o", "tour.pdf"], "The output came as 'tour.pdf'; it must end in .html."),
        (["--lang", "de"], "--lang came as 'de'; it takes en (English) or zh (Chinese)."),
        (["-o", "nowhere/tour.html"], "The folder nowhere does not exist; create it first."),
    ],
)
def test_refuses_what_cannot_be_made(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.html").write_text("<html>my own page", encoding="utf-8")
    assert main(["tour", *words]) == 2
    assert said in " ".join(capfd.readouterr().err.split())
    assert Path("own.html").read_text(encoding="utf-8") == "<html>my own page"
    assert [path.name for path in tmp_path.iterdir()] == ["own.html"]


@pytest.mark.usefixtures("two_chapters")
def test_the_same_numbers_come_again(tmp_path: Path) -> None:
    pages = [write_tour(tmp_path / f"{i}.html").read_text(encoding="utf-8") for i in range(2)]
    body = [page[page.index("<nav") :] for page in pages]
    assert body[0] == body[1] and check_tour(tmp_path / "0.html") == tmp_path / "0.html"
