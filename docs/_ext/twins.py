"""The two trees know of each other: each page leads to the same page in the other language."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes

WIDE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
TREES = {"en": ("English", "en"), "zh": ("中文", "zh-CN")}  # {folder: (its name, its code)}


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", with_languages)
    app.connect("doctree-read", joined)
    return {"parallel_read_safe": True}


def joined(app: Any, document: nodes.document) -> None:
    """Take out the ends of lines between Chinese characters, which a browser would show as spaces."""
    if tree(app) != "zh":
        return
    for text in list(document.findall(nodes.Text)):
        parent = text.parent
        if str(text) != "\n" or isinstance(parent, nodes.literal_block | nodes.FixedTextElement):
            continue
        at = parent.index(text)
        before, after = (parent[i].astext() if 0 <= i < len(parent) else "" for i in (at - 1, at + 1))
        if at and (WIDE.match(before[-1:]) or WIDE.match(after[:1])):
            parent.remove(text)


def tree(app: Any) -> str:
    """The folder of the tree that is built: en or zh."""
    return str(app.config.language)[:2]


def with_languages(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the templates `tree_links`: for each language its name, its code, the address, and if it is this one."""
    root = "../" * (pagename.count("/") + 1)
    context["tree_links"] = [
        (name, code, f"{root}{folder}/{pagename}.html", folder == tree(app)) for folder, (name, code) in TREES.items()
    ]
