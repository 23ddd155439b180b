"""Every key=value, from the constructors' signatures and docstrings, as `unveil list keys` prints them."""

from __future__ import annotations

import re
from itertools import groupby

from unveil.settings.keys import Key, all_keys, estimator_keys

from .writing import code, prose, table

HEADS = {"en": ("key", "takes", "default", "of", "meaning"), "zh": ("键", "取值", "默认", "属于", "含义")}
PLAIN = {"en": ("key", "takes", "default", "meaning"), "zh": ("键", "取值", "默认", "含义")}


def keys(language: str) -> str:
    """A table for each word before the dot."""
    found = sorted([*all_keys(), *estimator_keys()], key=lambda key: key.name.split(".")[0])
    return "\n".join(
        f"## {kind}\n\n{_table(list(group), language)}"
        for kind, group in groupby(found, lambda k: k.name.split(".")[0])
    )


def _table(group: list[Key], language: str) -> str:
    owned = any(_owner(key)[0] for key in group)
    rows = []
    for key in group:
        owner, meaning = _owner(key)
        start = (code(key.name), prose(key.type_name), code(default(key)))
        rows.append((*start, code(owner), prose(meaning)) if owned else (*start, prose(meaning)))
    return table((HEADS if owned else PLAIN)[language], rows)


def _owner(key: Key) -> tuple[str, str]:
    """Whose key it is, and what it means."""
    found = re.match(r"\((\w+)\) (.*)", key.meaning)
    return (found[1], found[2]) if found else ("", key.meaning)


def default(key: Key) -> str:
    """A default as it is typed."""
    value = getattr(key.default, "registered", ("", key.default))[1]
    return "none" if value is None else '""' if value == "" else str(value).lower()
