"""The one place where errors end: an exit status, a sentence, a hint."""

import errno
import re
import signal
from typing import Any

import typer

from ..errors import REMEDIES, Interrupted, RequestError, WorkError, close, is_memory
from .familiar import ADVICE
from .shared import print_json

ERROR = "unveil-error-1"
DISK = REMEDIES.keys() - {errno.EACCES, errno.EPERM}  # what is no fault of the request
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer shows only its descendants


class Failure:
    """What to tell of an error: exit status, a sentence, a hint."""

    def __init__(self, exit: int, message: str, hint: str = "") -> None:
        self.exit, self.message, self.hint = exit, " ".join(message.split()), " ".join(hint.split())

    def tell(self, as_json: bool) -> None:
        from ..output.streams import say

        say(filter(None, (f"Error: {self.message}", self.hint)))
        if as_json:
            print_json({"format": ERROR, "error": {"exit": self.exit, "message": self.message, "hint": self.hint}})


class Terminated(KeyboardInterrupt):
    """SIGTERM came where nothing else was listening for it."""


def failure(error: BaseException) -> Failure:
    """The exit status and the words for any error."""
    match error:
        case RequestError():
            return Failure(2, error.message, error.hint)
        case Interrupted():
            return Failure(128 + error.signum, error.message, error.hint)
        case WorkError():
            return Failure(1, error.message, error.hint)
        case Terminated():
            return Failure(128 + signal.SIGTERM, "Stopped by SIGTERM.")
        case KeyboardInterrupt() | typer.Abort():
            return Failure(130, "Stopped by Ctrl-C.")
        case UsageError():
            return usage_failure(error)
        case OSError() if error.errno in DISK:
            return Failure(1, f"{error.strerror}{of_file(error)}.", REMEDIES[error.errno])
        case PermissionError() | FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return Failure(2, f"{error.strerror}{of_file(error)}.")
        case _ if is_memory(error):
            return Failure(1, "There is not enough memory.", "Try a smaller train.batch_size or model.width.")
    told = f"{type(error).__name__}: {error}".rstrip(": .")
    return Failure(1, f"Something unexpected happened: {told[:300]}.", "To see where: the same command with --debug.")


def of_file(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def usage_failure(error: Any) -> Failure:
    """A command line that does not parse, with the nearest option or command."""
    context, wrong = error.ctx, getattr(error, "option_name", "")
    here = context.command_path if context is not None else "unveil"
    if wrong and type(error).__name__ == "NoSuchOption" and context is not None:
        names = [name for parameter in context.command.params for name in parameter.opts if name.startswith("-")]
        hint = ADVICE.get(wrong.replace("_", "-")) or close(wrong, [*names, "--debug"])
        return Failure(2, f"{here} has no option {wrong}.", f"{hint} All options: {here} --help")
    if (name := unknown_command(error)) is not None and context is not None:
        hint = ADVICE.get(name) or close(name, context.command.list_commands(context))
        return Failure(2, f"{here} has no command {name!r}.", f"{hint} All commands: {here} --help")
    return Failure(2, wrong_value(error) or error.format_message(), f"For help: {here} --help")


def unknown_command(error: Any) -> str | None:
    """The word that is no command, of an error that says so; the parser keeps it in its sentence alone."""
    told = re.match(r"No such command '(.+?)'\.", error.format_message())
    return told[1] if told else None


def wrong_value(error: Any) -> str:
    """A sentence for a number that is none, or outside its range; "" for any other mistake."""
    parameter: Any = getattr(error, "param", None)
    cause = error.__cause__
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if least is None or not hasattr(cause, "errors"):
        return ""
    kind = "a whole number" if isinstance(least, int) else "a number"
    allowed = f"{kind} from {least} upwards" if most is None else f"{kind} from {least} to {most:,.0f}"
    return f"{max(parameter.opts, key=len)} came as {cause.errors()[0]['input']!r}; it takes {allowed}."
