"""The two trees know of each other: each page leads to the same page in the other language."""

from __future__ import annotations

from typing import Any

TREES = {"en": ("English", "en"), "zh": ("中文", "zh-CN")}  # {folder: (its name, its code)}


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", with_languages)
    return {"parallel_read_safe": True}


def tree(app: Any) -> str:
    """The folder of the tree that is built: en or zh."""
    return str(app.config.language)[:2]


def with_languages(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the templates `tree_links`: for each language its name, its code, the address, and if it is this one."""
    root = "../" * (pagename.count("/") + 1)
    context["tree_links"] = [
        (name, code, f"{root}{folder}/{pagename}.html", folder == tree(app)) for folder, (name, code) in TREES.items()
    ]
