"""How the site is made: what is generated is whole, docstrings survive, Chinese is found, each page knows its twin."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from docs import pages

sys.path.insert(0, str(pages.HOME / "_ext"))

import bigrams
import docstrings
import inventories
import made
import twins

from unveil.cli import app
from unveil.cli.app import KINDS
from unveil.registry import load_all
from unveil.settings.keys import all_keys, estimator_keys


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reference_names_every_command_and_option(language: str) -> None:
    text = made.PARTS["commands"](language)
    for name, verb in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        options = [o for p in verb.params if p.param_type_name == "option" for o in p.opts]
        assert [option for option in options if f"`{option}`" not in section] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reference_names_every_key_part_and_file(language: str) -> None:
    keys = made.PARTS["keys"](language)
    assert [key.name for key in [*all_keys(), *estimator_keys()] if f"`{key.name}`" not in keys] == []
    names = made.PARTS["names"](language)
    for kind in (kind.removesuffix("s") for kind in KINDS):
        assert [name for name in load_all(kind) if f"`{name}`" not in names] == []
    for file in made.files.__globals__["OF"]:
        assert made.PARTS["files"](language, file).count("\n") > 3
        assert f"## {file}\n" in (pages.HOME / language / "reference" / "files.md").read_text(encoding="utf-8")


def test_each_kind_that_can_be_chosen_has_a_page() -> None:
    found = {n for name in pages.names("en") for n in re.findall(r"\{generated\} parts (\w+)", _text("en", name))}
    assert found >= {"model", "likelihood", "prior", "posterior", "objective", "estimator", "source"}


def test_every_name_on_the_page_of_what_there_is_exists() -> None:
    known = {name for kind in KINDS for name in load_all(kind.removesuffix("s"))}
    for language in ("en", "zh"):
        text = _text(language, "reference/what-there-is")
        rows = [row for row in text.splitlines() if re.match(r"\| (data|models|objectives|数据|模型|目标函数) ", row)]
        named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} - {"describe"}
        assert len(rows) == 3 and len(named) > 25 and named - known == set()


def test_a_docstring_keeps_its_characters() -> None:
    lines = ["p(x|z) of *z* and a_ `b`", "", "Arguments:", "    a: one", "        more.", "    b: two", ">>> f(x)"]
    told = docstrings.as_rst(lines)
    assert told[0] == r"p(x\|z) of \*z\* and a\_ ``b``"
    assert "* ``a``: one" in told and "  more." in told and "* ``b``: two" in told
    assert told[told.index(">>> f(x)") - 1] == ""


def test_chinese_is_cut_in_pairs_and_latin_in_words() -> None:
    assert bigrams.pieces("隐变量 z 的 ELBO，上界") == ["隐变", "变量", "z", "的", "ELBO", "上界"]
    assert bigrams.ChineseByPairs({}).word_filter("隐变") and not bigrams.ChineseByPairs({}).word_filter("的")


@pytest.mark.parametrize(("page", "address"), [("index", "../zh/index.html"), ("how-to/x", "../../zh/how-to/x.html")])
def test_each_page_leads_to_its_twin(page: str, address: str) -> None:
    context: dict[str, list[tuple[str, str, str, bool]]] = {}
    twins.with_languages(SimpleNamespace(config=SimpleNamespace(language="en")), page, "", context, None)
    assert [link[2] for link in context["tree_links"] if not link[3]] == [address]


def test_the_lists_of_other_projects_are_written_and_not_fetched(tmp_path: Path) -> None:
    found = inventories.written_inventories(pages.HOME / "inventories", tmp_path)
    assert len(found) == 3
    for address, file in found.values():
        assert address.startswith("https://") and Path(file).read_bytes().startswith(b"# Sphinx inventory version 2\n")


@pytest.mark.parametrize("wish", ["CSV", "scikit-learn"])
def test_a_frequent_wish_is_one_click_from_the_front_page(wish: str) -> None:
    row = next(row for row in _text("en", "index").splitlines() if wish in row and row.startswith("| **"))
    links = re.findall(r"\]\(([\w/-]+)\.md\)", row)
    assert links and [link for link in links if link not in pages.names("en")] == []


def _text(language: str, name: str) -> str:
    return (pages.HOME / language / f"{name}.md").read_text(encoding="utf-8")
