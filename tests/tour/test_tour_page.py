"""The page of the tour: both languages alike, code that does what it says, every formula of the notes in its place."""

from __future__ import annotations

import html as escaping
import io
import re
import shlex
from contextlib import redirect_stdout
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import typer

from tour.conftest import shown_outputs
from unveil.cli import app
from unveil.errors import WorkError
from unveil.ops import keyed, threads
from unveil.report.page import content_policy
from unveil.tour import make
from unveil.tour.chapters import ORDER
from unveil.tour.formulas import NOTES
from unveil.tour.page import HERE, MOST_BYTES, marked_up, script
from unveil.tour.running import lines_of, printed_by
from unveil.tour.tex import mathml
from unveil.tour.words import Chapter, Code, Command, Formula, Say, Text, holds

VALUE = re.compile(r"\[\[(\w+)")
TEX = re.compile(r"\$([^$]+)\$")


def every(kind: type[Any], value: Any) -> list[Any]:
    """The parts of a chapter that are of a kind."""
    if isinstance(value, kind):
        return [value]
    if is_dataclass(value):
        return [found for f in fields(value) for found in every(kind, getattr(value, f.name))]
    return [found for v in value for found in every(kind, v)] if isinstance(value, list | tuple) else []


def test_chapters_stand_in_their_order_under_their_names(chapters: list[Chapter]) -> None:
    assert [chapter.anchor for chapter in chapters] == list(ORDER)
    for chapter in chapters:
        assert [b for b in chapter.blocks if isinstance(b, Say)], chapter.anchor
        assert [b for b in chapter.blocks if isinstance(b, Code)], chapter.anchor
    without = {c.anchor for c in chapters if not [b for b in c.blocks if isinstance(b, Formula)]}
    assert without == set()


def test_both_languages_have_the_same_numbers_and_formulas(chapters: list[Chapter]) -> None:
    for chapter in chapters:
        named = set[str]()
        for text in every(Text, chapter):
            assert text.en and text.zh
            assert set(VALUE.findall(text.en)) == set(VALUE.findall(text.zh)), text.en
            assert set(TEX.findall(text.en)) == set(TEX.findall(text.zh)), text.en
            named |= set(VALUE.findall(text.en))
        assert named <= set(chapter.values)


def test_each_language_is_itself(chapters: list[Chapter]) -> None:
    for chapter in chapters:
        for block in chapter.blocks:
            if isinstance(block, Say):
                assert re.search(r"[\u4e00-\u9fff]", block.text.zh)
                assert not re.search(r"[\u4e00-\u9fff]", block.text.en)


def test_the_page_has_each_paragraph_twice_and_nothing_left_unset(html: str) -> None:
    section = html[html.index("<section") :]
    assert section.count('<p lang="en">') == section.count('<p lang="zh">') > 100
    assert html.count('<h2><a href="#') == len(ORDER) + 1
    text = re.sub(r"<(style|script|pre)\b.*?</\1>|<[^>]+>", "", html, flags=re.DOTALL)
    assert not re.search(r"\[\[|\\[a-zA-Z]{2,}", text)


def test_the_page_is_small_and_allows_its_own_script_alone(html: str) -> None:
    assert len(html.encode()) <= MOST_BYTES
    policy = content_policy([script((HERE / "behaviour.js").read_text(encoding="utf-8"))])
    assert policy in escaping.unescape(html)
    assert "http://" not in html.replace("http://www.w3.org/", "") and "https://" not in html


def test_each_link_leads_somewhere(html: str) -> None:
    places = set(re.findall(r'id="([\w-]+)"', html))
    assert set(re.findall(r'href="#([\w-]+)"', html)) <= places


def test_each_formula_of_the_notes_has_a_chapter(html: str) -> None:
    assert list(NOTES) == ["000", "001", "002", "003", "004"]
    assert set(place.anchor for places in NOTES.values() for place in places) <= set(ORDER)
    numbered = [place.tex for place in NOTES["001"] if place.tex.startswith("(1.")]
    assert [tex.split(")")[0] for tex in numbered] == [f"(1.{i}" for i in range(1, 26)]
    rows = html[html.index('<section id="formulas"') :].count("<tr>")
    assert rows == sum(map(len, NOTES.values()))


def test_words_in_the_formulas_of_the_notes_are_in_the_language_of_the_page(html: str) -> None:
    words, cjk = re.compile(r"\\text\{([^}]*)\}"), re.compile(r"[\u4e00-\u9fff]")
    rows = [place for places in NOTES.values() for place in places]
    assert [place.tex for place in rows if cjk.search(place.tex)] == [place.tex for place in rows if place.en]
    for place in rows:
        if place.en:
            assert not cjk.search(place.en) and words.sub("", place.en) == words.sub("", place.tex)
    index = html[html.index('<section id="formulas"') :]
    assert '<span lang="zh"><math' in index and "<mtext>重建项</mtext>" in index and index.count('class="braced"') == 4
    assert [place.tex for place in NOTES["001"] if r"\KL" in place.tex] == [
        r"(1.17)\quad \KL(P\|Q) = \int p(x) \log \frac{P(x)}{Q(x)}\, dx"  # the others of that note have a D
    ]


def test_every_formula_becomes_mathml_without_a_rest(chapters: list[Chapter]) -> None:
    found = [tex for chapter in chapters for f in every(Formula, chapter) for tex in f.lines]
    found += [tex for chapter in chapters for text in every(Text, chapter) for tex in TEX.findall(text.en)]
    found += [tex for places in NOTES.values() for place in places for tex in (place.tex, place.en) if tex]
    assert len(found) > 200
    assert [tex for tex in found if "\\" in mathml(tex)] == []


def test_code_that_is_pasted_prints_what_the_page_shows(chapters: list[Chapter], html: str) -> None:
    """Run as a person would: the lines alone, with no name from the chapter's file."""
    blocks = [block for chapter in chapters for block in every(Code, list(chapter.blocks))]
    shown = [escaping.unescape(text) for text in shown_outputs(html)]
    assert len(blocks) == len(shown) > 20
    for block, told in zip(blocks, shown, strict=True):
        out = io.StringIO()
        with threads(1), keyed("another"), redirect_stdout(out):
            exec(compile(lines_of(block.run), block.run.__name__, "exec"), {})
        assert out.getvalue().rstrip() == told, block.run.__name__


def test_code_fits_the_page(chapters: list[Chapter]) -> None:
    lines = [line for c in chapters for b in every(Code, list(c.blocks)) for line in lines_of(b.run).splitlines()]
    assert [line for line in lines if len(line) > 96] == []


def test_code_that_prints_nothing_is_refused() -> None:
    def silent() -> None:
        pass

    with pytest.raises(WorkError, match="printed nothing"):
        printed_by(silent)


def test_commands_are_commands(chapters: list[Chapter]) -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    commands = [block.line for chapter in chapters for block in every(Command, chapter)]
    assert len(commands) > 4
    for line in commands:
        program, name, *words = shlex.split(line)
        assert program == "unveil"
        verbs[name].make_context(name, words)


def test_a_claim_that_is_false_stops_the_page() -> None:
    holds(True, "one is one")
    with pytest.raises(WorkError, match="one is two"):
        holds(False, "one is two")


def test_a_claim_that_is_false_is_named_with_its_chapter(monkeypatch: pytest.MonkeyPatch) -> None:
    def chapter(share: float) -> Chapter:
        holds(share > 1, "one is two")
        raise AssertionError

    monkeypatch.setattr(make, "ORDER", {"sums": chapter})
    with pytest.raises(WorkError, match="The chapter 'sums' of the tour says that one is two, and the numbers"):
        make.computed()


def test_the_encoder_has_a_width_for_each_latent(chapters: list[Chapter]) -> None:
    r"""σ² I is one of the slips: no chapter but the one that says so has it of an encoder, nor a formula's place."""
    slip = re.compile(r"\\sigma(_\{\\phi\}\^\{2\}|\^\{2\}_\{\\phi\})\(x\) I")
    for chapter in chapters:
        told = [tex for f in every(Formula, chapter) for tex in f.lines]
        told += [words for text in every(Text, chapter) for words in (text.en, text.zh)]
        assert [words for words in told if slip.search(words)] == [], chapter.anchor
    assert {place.anchor for places in NOTES.values() for place in places if slip.search(place.tex)} == {"slips"}


def test_words_are_escaped_and_numbers_have_a_true_minus() -> None:
    assert marked_up("<b> [[x:.1f]] and -3, a-b", {"x": -1.25}) == ('&lt;b&gt; <span class="v">−1.2</span> and −3, a-b')
    assert '<a href="#kl">there</a>' in marked_up("[there](#kl)", {})
