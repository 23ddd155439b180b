"""What the pages name exists: every command, option, key and part. The oracle is the command line itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from docs import pages
from unveil.cli import app
from unveil.registry import load_all
from unveil.settings.keys import all_keys, estimator_keys

VERBS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
EVERYWHERE = {"--help", "-h", "--version", "--debug"}
ALL_OPTIONS = {name for verb in VERBS.values() for p in verb.params for name in (*p.opts, *p.secondary_opts)}
KEY = re.compile(r"^((?:model|train|data|prior|posterior|likelihood|objective|evaluation|estimator|sample)\.\w+)=")
PART = re.compile(r"^(model|prior|posterior|likelihood|objective)=(\w+)$")


@cache
def keys() -> set[str]:
    return {key.name for key in [*all_keys(), *estimator_keys()]}


@cache
def parts(kind: str) -> set[str]:
    return set(load_all(kind))


ALL = [*(pages.read(tree, name) for tree in ("en", "zh") for name in pages.names(tree)), pages.readme()]


def inline(page: pages.Page) -> Iterator[str]:
    """Code within sentences."""
    yield from (found.strip() for found in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.prose))


def written_commands(page: pages.Page) -> Iterator[tuple[str, list[str]]]:
    """(where, words after `unveil`) of each command in a block or a sentence."""
    for block in page.blocks:
        if block.language in ("console", "sh"):
            for line, words, comment in pages.commands(block):
                if words[0] == "unveil" and not comment.startswith("refused"):  # that it is refused is tested
                    yield f"{page.path}:{line}", words[1:]
    for code in inline(page):
        if code.startswith("unveil "):
            yield f"{page.path}: `{code}`", shlex.split(code.replace("'", ""))[1:]


def own_names(page: pages.Page) -> set[str]:
    """The parts that a page registers, and the keys that their keyword arguments are."""
    found = set()
    for block in page.blocks:
        registered = re.findall(r'register\("(\w+)", "(\w+)"\)', block.code)
        arguments = re.findall(r"\*, (\w+):", block.code)
        found |= {name for _, name in registered} | {f"{kind}.{key}" for kind, _ in registered for key in arguments}
    return found


def faults(page: pages.Page) -> list[str]:
    """What a page names that does not exist."""
    own = own_names(page)
    found = []
    for where, words in written_commands(page):
        verb = next((word for word in words if not word.startswith("-")), None)
        if verb is not None and verb not in VERBS and not verb.isupper():
            found.append(f"{where}: there is no command {verb!r}")
            continue
        params = VERBS[verb].params if verb in VERBS else []
        allowed = {name for p in params for name in (*p.opts, *p.secondary_opts)} or ALL_OPTIONS
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        found += [f"{where}: {verb} has no {option}" for option in options - allowed - EVERYWHERE]
        found += [f"{where}: {fault}" for word in words for fault in wrong_word(word, own)]
    for code in inline(page):
        if re.fullmatch(r"--[a-z][\w-]*( \S+)?", code) and code.split()[0] not in ALL_OPTIONS | EVERYWHERE:
            found.append(f"{page.path}: no command has {code}")
        found += [f"{page.path}: {fault}" for word in code.split() for fault in wrong_word(word, own)]
    return found


def wrong_word(word: str, own: set[str]) -> list[str]:
    """What is wrong with KEY=VALUE."""
    if (key := KEY.match(word)) and key[1] not in keys() | own:
        return [f"there is no key {key[1]}"]
    if (part := PART.match(word)) and part[2] not in parts(part[1]) | own | {"auto"} and part[2].islower():
        return [f"there is no {part[1]} {part[2]!r}"]
    return []


@pytest.mark.parametrize("page", ALL, ids=lambda page: f"{page.path.parent.parent.name}-{page.name}")
def test_every_command_option_key_and_part_exists(page: pages.Page) -> None:
    assert faults(page) == []


@pytest.mark.parametrize(
    "text",
    [
        "`unveil fitt x`", "`unveil fit x --epoch 3`", "`--no-such-option`", "`train.epoch=3`", "`prior=normall`",
        "```console\nunveil fit x --epoch 3\n```", "```console\nunveil fit x prior.widht=2\n```",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_found(text: str) -> None:
    assert faults(pages.parsed("x", Path("x.md"), text)) != []
