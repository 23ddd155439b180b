"""A page is a story: its blocks run one after the other in a folder of its own, as a reader would type them."""

from __future__ import annotations

import runpy
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs import pages
from unveil.cli import main

READ = {"cat", "head", "ls"}  # what only shows files: each that it names must be there


def told(page: pages.Page, folder: Path, patch: pytest.MonkeyPatch, read_errors: Callable[[], str]) -> None:
    """Run a page in a folder, and fail with the line of the page where it stopped.

    Arguments: read_errors gives what was said on standard error since it was asked last.
    """
    patch.chdir(folder)
    patch.setattr("tempfile.tempdir", str(folder))
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in page.blocks:
        if block.file:
            write(block, folder)
        elif block.is_run and block.language == "python":
            run_python(page, block, names)
        elif block.is_run:
            for line, words, comment in pages.commands(block):
                run_command(page, line, words, comment, read_errors)


def write(block: pages.Block, folder: Path) -> None:
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.code, encoding="utf-8")


def run_python(page: pages.Page, block: pages.Block, names: dict[str, Any]) -> None:
    source = "\n" * (block.line - 1) + block.code
    try:
        exec(compile(source, str(page.path), "exec"), names)
    except (Exception, SystemExit) as error:
        places = [
            place.lineno for place in traceback.extract_tb(error.__traceback__) if place.filename == str(page.path)
        ]
        at = (places or [getattr(error, "lineno", None) or block.line])[-1]
        raise AssertionError(f"{page.path}:{at}: {type(error).__name__}: {error}") from error


def run_command(page: pages.Page, line: int, words: list[str], comment: str, read_errors: Callable[[], str]) -> None:
    """A command; one that is shown to be refused has `# refused` behind it."""
    where = f"{page.path}:{line}: {' '.join(words)}"
    program, *rest = words
    read_errors()
    if program == "unveil":
        expected, code = 2 if comment.startswith("refused") else 0, main(rest)
        assert code == expected, f"{where}\nexit status {code}, not {expected}: {read_errors()}"
    elif program == "python" and rest and rest[0].endswith(".py"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", rest)
            runpy.run_path(rest[0], run_name="__main__")
    elif program in READ:
        assert [name for name in rest if not name.startswith("-") and not Path(name).exists()] == [], where
    elif program in ("cp", "mv"):
        (shutil.copy if program == "cp" else shutil.move)(*rest)
    elif program == "mkdir":
        Path(rest[-1]).mkdir(parents=True, exist_ok=True)
    else:
        raise AssertionError(f"{where}\nThe tests cannot run {program!r}; give the block the language text.")
