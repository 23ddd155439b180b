"""Search in Chinese without a dictionary: text and query are both cut into every two neighbouring characters.

隐变量 is entered as 隐变 and 变量, and a query finds the pages that hold all of its pairs. Words in Latin letters are
found as in English.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.search import SearchLanguage
from sphinx.search.en import SearchEnglish

HAN = "\u3400-\u9fff"
RUNS = re.compile(rf"[{HAN}]+|[^\W{HAN}]+")


def pieces(text: str) -> list[str]:
    """The words of a text, and of Chinese every two neighbouring characters."""
    return [piece for run in RUNS.findall(text) for piece in _cut(run)]


def _cut(run: str) -> list[str]:
    if not re.match(rf"[{HAN}]", run) or len(run) == 1:
        return [run]
    return [run[at : at + 2] for at in range(len(run) - 1)]


class ChineseByPairs(SearchLanguage):
    """What Sphinx asks of a language."""

    lang = "zh"
    language_name = "English"  # the stemmer in the page has this name
    js_stemmer_rawcode = SearchEnglish.js_stemmer_rawcode
    stopwords = SearchEnglish.stopwords
    js_splitter_code = """
var splitQuery = (query) =>
  (query.match(/[\\u3400-\\u9fff]+|[^\\s\\u3400-\\u9fff\\p{P}\\p{S}]+/gu) || []).flatMap((run) => {
    if (!/[\\u3400-\\u9fff]/.test(run) || run.length === 1) return [run];
    return Array.from({ length: run.length - 1 }, (_, at) => run.slice(at, at + 2));
  });
"""

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self._english = SearchEnglish(options)

    def split(self, input: str) -> list[str]:
        return pieces(input)

    def stem(self, word: str) -> str:
        return self._english.stem(word)

    def word_filter(self, word: str) -> bool:
        return len(word) > 1 and word not in self.stopwords


def setup(app: Any) -> dict[str, Any]:
    from sphinx.search import languages

    languages["zh"] = languages["zh_CN"] = ChineseByPairs  # the builder looks for the language, then for its first part
    return {"parallel_read_safe": True}
