"""The command line: each verb is one library call, and everything heavy is imported inside the verbs.

It may import everything below it. A new verb is one function with the decorator `verb`, in a file here, which is found
by itself.
"""

import importlib
import itertools
import os
import pkgutil
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import typer

from ..errors import RequestError, WorkError
from ..languages import LANGUAGES, Tongue, speaking
from .app import app
from .channels import READERLESS, ReaderGone, channels
from .failures import Terminated, failure, led
from .familiar import familiar
from .shared import load_plugin

__all__ = ["app", "load_plugin", "main"]


def find_verbs() -> None:
    """Import every file of this folder; their names give the order of the help."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


find_verbs()


@contextmanager
def sigterm_stops() -> Iterator[None]:
    """Meet SIGTERM with an exception, so that files are closed and the exit status says so."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print each warning of the library once, as a sentence on standard error, without a place in its code."""
    shown, kept = set(), warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category is not UserWarning:
            kept(message, category, *place, **more)
        elif (told := str(message)) not in shown:
            from ..output.streams import say

            shown.add(told)
            say([led("Note:", told)])

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit status.

    Arguments: arguments, without the program's name; default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in words, "--json" in words
    with channels(), speaking(Tongue(language_of(words))), warnings_as_notes():
        try:
            require_place()
            with sigterm_stops():
                status = carry_out([word for word in words if word != "--debug"])
            sys.stdout.flush()
            return status
        except ReaderGone:
            return READERLESS
        except (Exception, KeyboardInterrupt) as error:
            return tell(error, debug, as_json)


def language_of(words: Sequence[str]) -> str:
    """The language that a command line asks for, found before it is parsed, so that a refusal is said in it, too."""
    values = [after for word, after in itertools.pairwise(words) if word == "--lang"]
    values += [word.partition("=")[2] for word in words if word.startswith("--lang=")]
    return next((value for value in values if value in LANGUAGES), "en")


def require_place() -> None:
    """Refuse to work in a folder that was removed: torch would end the process there."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise RequestError("The working directory was removed.", "Go to one that is there, such as: cd") from error


def tell(error: BaseException, debug: bool, as_json: bool) -> int:
    """Say what went wrong and return the exit status, which stands also where nobody takes the words."""
    if debug:
        traceback.print_exception(error)
    told = failure(error)
    with suppress(ReaderGone, WorkError):  # of standard output, which may be what failed
        told.tell(as_json)
        sys.stdout.flush()
    return told.exit


def carry_out(words: list[str]) -> int:
    """Parse and run; `typer`'s own handler is not used, since it knows neither our errors nor our exit statuses."""
    command = typer.main.get_command(app)
    words, said = familiar(words)
    try:
        with command.make_context("unveil", words) as context:
            if said:
                from ..output.streams import say

                say(said)
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0
