"""The catalogue: every entry is whole, and sentences are found in it with what fills their holes."""

from __future__ import annotations

from collections import Counter

import pytest

from unveil.errors import RequestError
from unveil.glossary import TERMS, term
from unveil.languages import ENGLISH, LANGUAGES, Tongue, checked, speaking, spoken
from unveil.languages.catalogue import HOLE, entries

ZH = Tongue("zh")
OTHERS = [lang for lang in LANGUAGES if lang != "en"]


@pytest.mark.parametrize("lang", OTHERS)
def test_every_entry_has_the_same_holes_on_both_sides_and_says_something(lang: str) -> None:
    found = list(entries(lang))
    assert len(found) > 800
    for english, said in found:
        assert set(HOLE.findall(english)) == set(HOLE.findall(said)), english
        assert len(HOLE.findall(english)) == len(set(HOLE.findall(english))), english
        assert english.strip() == english and said.strip() == said and said, english


@pytest.mark.parametrize("lang", OTHERS)
def test_no_sentence_is_translated_in_two_ways(lang: str) -> None:
    said: dict[str, set[str]] = {}
    for english, other in entries(lang):
        said.setdefault(english, set()).add(other)
    assert [english for english, others in said.items() if len(others) > 1] == []


def test_english_is_left_as_it_is() -> None:
    assert ENGLISH("The rate is 1.0 nats.") == "The rate is 1.0 nats."


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Training", "训练"),
        ("The rate is 0.04 nats.", "码率为 0.04 纳特。"),
        ("pPCA, 3 dimensions", "pPCA，3 维"),
        ("  The best weights were kept.\n", "  已保留最好的参数。\n"),
        ("The best weights were kept. Nobody said this before. The best weights were kept.",
         "已保留最好的参数。Nobody said this before. 已保留最好的参数。"),
        ("collapse: z carries next to nothing.", "collapse: z 几乎不携带信息。"),
        ("Train longer (unveil resume 'a. b.c' -h), or use a model that fits few data, such as --model mixture.",
         "请训练更久（unveil resume 'a. b.c' -h），或用适合少量数据的模型，例如 --model mixture。"),
        ("", ""),
    ],
)  # fmt: skip
def test_sentences_are_found_with_what_fills_their_holes(english: str, chinese: str) -> None:
    assert ZH(english) == chinese


def test_a_hole_of_words_ends_with_the_sentence() -> None:
    assert ZH("Grey bars are all 24 test examples. What is this?") == "灰色条形是全部 24 个测试样本。What is this?"


def test_names_of_the_data_stay_and_the_projects_own_words_do_not() -> None:
    tongue = Tongue("zh", {"rate", "prior"})
    assert tongue.of("rate") == "rate" and tongue("rate") == "码率" and ZH.of("rate") == "码率"
    assert tongue("rate\nrow 3\n−1.5") == "rate\n第 3 行\n−1.5"
    assert tongue("rate and prior") == "rate 与 prior" and tongue("rate and other") == "rate and other"


def test_a_word_in_a_table_means_what_its_head_says() -> None:
    assert ZH.cell("lower", "better") == "更低" and ZH.cell("lower", "side") == "下界"
    assert Tongue("zh", {"lower"}).cell("lower", "better") == "lower"
    assert ZH.cell("2 decimals", "taken for it because") == "2 位小数"


def test_markup_stays_markup_and_a_hostile_name_in_a_hole_stays_escaped() -> None:
    from markupsafe import Markup

    words = Markup("Run <code>unveil diagnose {}</code> to measure the bracket, the gap, islands and structure.")
    said = ZH(words.format("<img src=x onerror=alert(1)>"))
    assert isinstance(said, Markup) and "<img" not in said and said.startswith("运行 <code>unveil diagnose &lt;img")


def test_lists_are_translated_part_by_part() -> None:
    said = Tongue("zh", {"age", "step"})(
        "Columns that are farthest off: age 8.9 % (by chance 6.2 %); step 1 % (by chance 2 %)."
    )
    assert said == "相差最大的列：age 8.9 %（偶然情况 6.2 %）；step 1 %（偶然情况 2 %）。"


def test_a_language_is_spoken_inside_its_block_alone() -> None:
    with speaking(ZH):
        assert spoken() is ZH
    assert spoken() is ENGLISH


def test_another_language_is_refused_with_what_is_allowed() -> None:
    assert checked("zh") == "zh"
    with pytest.raises(RequestError, match=r"--lang came as 'fr'; it takes en \(English\) or zh \(Chinese\)"):
        checked("fr")


def test_every_term_of_the_glossary_is_whole_and_spelled_by_itself() -> None:
    assert len(TERMS) >= 45 and term("elbo").words("zh").name == "证据下界 ELBO"
    for lang in LANGUAGES:
        spelled = Counter(word.lower() for one in TERMS for word in set(one.spellings(lang)))
        assert [word for word, count in spelled.items() if count > 1] == []
        for one in TERMS:
            assert one.words(lang).meaning[-1] in ".。" and one.words(lang).name


def test_a_number_in_a_hole_of_words_stands_apart_from_the_chinese_around_it() -> None:
    assert ZH("Those on the right are 16 test examples.").startswith("右边的是 16 ")
    assert ZH("gap, aggregate were left out: any_order has no latents, it states p(x) itself.").startswith(
        "略去了差距、聚合后验：any_order 没有隐变量"
    )
