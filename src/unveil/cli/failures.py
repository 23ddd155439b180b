"""The one place where errors end: an exit status, a sentence, a hint."""

import errno
import os
import re
import signal
from typing import Any

import typer

from ..errors import Interrupted, RequestError, WorkError, close, is_memory
from ..languages import spoken
from ..legible import readable, shortened
from .app import MOST
from .familiar import ADVICE
from .shared import print_json

ERROR = "unveil-error-1"
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer shows only its descendants


LONGEST = 300  # characters of a name in a sentence
LONG = re.compile(rf"\S{{{LONGEST + 1},}}")
SEE = "To see where: the same command with --debug."
CANNOT: dict[type[Exception], str] = {
    UnicodeError: "A text is no Unicode",
    OverflowError: "A number is too large",
    RecursionError: "Something is nested too deeply",
}
SMALLER = "Try a smaller train.batch_size or model.width."
FREE = "Make room and try again."
SYSTEM = {  # exit status, sentence, hint
    errno.ENOSPC: (1, "There is no space left on the disk", FREE),
    errno.EDQUOT: (1, "The disk quota is used up", FREE),
    errno.EROFS: (1, "The file system is read-only", "Choose another place to write."),
    errno.EIO: (1, "The disk or the network reported a fault", "Try again; if it comes back, look after the disk."),
    errno.EMFILE: (1, "Too many files are open", "Allow more in this shell: ulimit -n 4096"),
    errno.ENFILE: (1, "Too many files are open in the whole system", "Try again when other programs have ended."),
    errno.EFBIG: (1, "The file would be larger than the file system or a limit allows", "See ulimit -f."),
    errno.ENOMEM: (1, "There is not enough memory", SMALLER),
    errno.EACCES: (2, "Permission denied", ""),
    errno.EPERM: (2, "Operation not permitted", ""),
    errno.ENOENT: (2, "No such file or directory", ""),
    errno.EISDIR: (2, "Is a directory", ""),
    errno.ENOTDIR: (2, "Not a directory", ""),
    errno.ENAMETOOLONG: (2, "The file name is too long", ""),
    errno.EEXIST: (2, "Something of that name is there", "Choose another."),
    errno.ELOOP: (2, "The links of the path lead in a circle", ""),
}


class Failure:
    """What to tell of an error: exit status, a sentence, a hint."""

    def __init__(self, exit: int, message: str, hint: str = "") -> None:
        self.exit, self.message, self.hint = exit, LONG.sub(of_a_long_word, on_one_line(message)), on_one_line(hint)

    def tell(self, as_json: bool) -> None:
        from ..output.streams import say

        say(filter(None, (led("Error:", self.message), self.hint)))
        if as_json:
            print_json({"format": ERROR, "error": {"exit": self.exit, "message": self.message, "hint": self.hint}})


def led(word: str, told: str) -> str:
    """A sentence behind the word that says what it is, both in the language that is spoken."""
    tongue = spoken()
    said = tongue(word)
    return f"{said}{' ' if said.isascii() else ''}{tongue(told)}"


def on_one_line(text: str) -> str:
    """Lines as one; spaces within stay, for they may be a path's."""
    return re.sub(r"\s*[\r\n]+\s*", " ", text).strip()


def of_a_long_word(found: re.Match[str]) -> str:
    return shortened(found[0], LONGEST)


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
        case OSError() if error.errno is not None:
            return system_failure(error)
        case _ if is_memory(error):
            return Failure(1, "There is not enough memory.", SMALLER)
        case UnicodeError() | OverflowError() | RecursionError():
            return Failure(2, f"{CANNOT[kind_of(error)]}: {error}".rstrip(": .") + ".", SEE)
    told = f"{type(error).__name__}: {error}".rstrip(": .")
    return Failure(1, f"Something unexpected happened: {told[:300]}.", SEE)


def kind_of(error: BaseException) -> type[Exception]:
    return next(kind for kind in CANNOT if isinstance(error, kind))


def system_failure(error: OSError) -> Failure:
    """What the system refused: 1 where the place is at fault, 2 where the name is."""
    exit, sentence, hint = SYSTEM.get(error.errno or 0, (1, error.strerror or str(error), ""))
    name = readable(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    return Failure(exit, f"{sentence}{f': {shortened(name, LONGEST)}' if name else ''}.", hint)


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
    found = cause.errors()[0]
    too_large = found["type"] in ("less_than_equal", "int_parsing_size")
    ends = "upwards" if most is None or (most >= MOST and not too_large) else f"to {int(most):,}"
    allowed = f"{kind} from {least} {ends}"
    return f"{max(parameter.opts, key=len)} came as {found['input']!r}; it takes {allowed}."
