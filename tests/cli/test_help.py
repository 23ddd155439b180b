"""Help is quick, needs nothing heavy, and gives examples that parse."""

from __future__ import annotations

import shlex

import pytest
import typer

from cli.commands import finish, start_python
from unveil import __version__
from unveil.cli import app, main

COMMAND = typer.main.get_command(app)
VERBS = COMMAND.commands  # type: ignore[attr-defined]
BLOCKED = """
import sys, time
for name in ("torch", "zuko", "numpy", "sklearn", "PIL"):
    sys.modules[name] = None
from unveil.cli import main
code = main(sys.argv[1:])
print(time.process_time(), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("words", [("--help",), (), ("fit", "--help"), ("--version",)], ids=" ".join)
def test_help_needs_nothing_heavy_and_half_a_second(words: tuple[str, ...]) -> None:
    done = finish(start_python("-c", BLOCKED, *words))
    assert done.code == 0 and done.out
    assert float(done.err) < 0.5  # seconds of this process; nothing else is said


def test_a_wrong_command_is_refused_without_anything_heavy() -> None:
    done = finish(start_python("-c", BLOCKED, "fitt", "digits"))
    assert done.code == 2 and "'fit'" in done.err


def test_no_command_prints_the_help_of_every_verb(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capfd.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert "..." not in out.split("Commands:")[1], "a verb's sentence is too long to be shown whole"


def test_the_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"unveil {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_that_parses(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    example = capfd.readouterr().out.split("Example: ")[1]
    program, name, *words = shlex.split(example)
    assert (program, name) == ("unveil", verb)
    VERBS[verb].make_context(verb, words)
